import { isIP } from 'node:net';

/** Where a server listens; without a host on every address. */
export interface BindAddress {
  readonly host?: string;
  readonly port: number;
}

/**
 * @param text as controller-runtime takes it: `:8080`, `127.0.0.1:0`, `[::1]:8081`; `0` is off.
 * @returns `off`, or undefined when it is none of these.
 */
export function parseBindAddress(text: string): BindAddress | 'off' | undefined {
  if (text === '0') return 'off';
  const [, bracketed, plain = '', digits = ''] =
    /^(?:\[([^\]]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text) ?? [];
  const port = digits === '' ? Number.NaN : Number(digits);
  if (!(port <= 65_535)) return undefined;
  const host = bracketed ?? plain;
  if (host === '') return { port };
  const valid = bracketed === undefined ? isIP(host) === 4 || host === 'localhost' : isIP(host) === 6;
  return valid ? { host, port } : undefined;
}
