import { isIP } from 'node:net';
import { generate } from 'selfsigned';

export interface Authority {
  /** PEM; what clients trust. */
  readonly ca: string;
  /** A server's key and certificate for these DNS names (one `*` label allowed) and addresses. */
  issue(names: readonly string[]): Promise<{ key: string; cert: string }>;
}

const DAY_MS = 86_400_000;
const KEY = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

/** A certificate authority that lives in memory, for one run of the sandbox. */
export async function createAuthority(): Promise<Authority> {
  const validity = {
    notBeforeDate: new Date(Date.now() - DAY_MS),
    notAfterDate: new Date(Date.now() + 30 * DAY_MS),
  };
  const root = await generate([{ name: 'commonName', value: 'tokensync sandbox CA' }], {
    ...KEY,
    ...validity,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    ],
  });
  return {
    ca: root.cert,
    issue: async names => {
      const leaf = await generate([{ name: 'commonName', value: 'tokensync sandbox' }], {
        ...KEY,
        ...validity,
        ca: { key: root.private, cert: root.cert },
        extensions: [
          { name: 'basicConstraints', cA: false, critical: true },
          { name: 'keyUsage', digitalSignature: true, critical: true },
          { name: 'extKeyUsage', serverAuth: true },
          {
            name: 'subjectAltName',
            altNames: names.map(name =>
              isIP(name) === 0 ? { type: 2 as const, value: name } : { type: 7 as const, ip: name },
            ),
          },
        ],
      });
      return { key: leaf.private, cert: leaf.cert };
    },
  };
}
