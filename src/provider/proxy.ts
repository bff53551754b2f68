import { type AddressBytes, type Cidr, contains, parseAddress, parseNetwork } from './addresses.ts';

/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as curl and Go read them. Pure. */

export interface ProxySettings {
  /** For https targets; the URL may hold the proxy's user and password, so it is never shown. */
  readonly https?: string;
  /** For plain http targets. */
  readonly http?: string;
  readonly except: readonly Exception[];
}

type Exception =
  | { readonly kind: 'all' }
  | { readonly kind: 'range'; readonly range: Cidr }
  | {
      readonly kind: 'host';
      readonly host: string;
      readonly subdomains: 'also' | 'only';
      readonly port?: string;
    };

type Env = Readonly<Record<string, string | undefined>>;

/** @returns what the environment says, and each mistake in it, without its value. */
export function proxySettings(env: Env): { settings: ProxySettings; problems: readonly string[] } {
  const problems: string[] = [];
  const read = (name: string): string | undefined => {
    const text = env[name] || env[name.toLowerCase()];
    if (text === undefined || text === '') return undefined;
    // the scheme may be left out, as everywhere
    const url = parseUrl(text.includes('://') ? text : `http://${text}`);
    if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      problems.push(`${name} must be an http:// or https:// URL`);
    } else if (!isDecodable(url)) {
      problems.push(`${name}: write % as %25 in its user and password`);
    } else return url.href;
    return undefined;
  };
  const [https, http] = [read('HTTPS_PROXY'), read('HTTP_PROXY')];
  const except = (env.NO_PROXY || env.no_proxy || '')
    .split(/[\s,]+/)
    .filter(entry => entry !== '')
    .map(exception);
  except.forEach((entry, index) => {
    if (entry.kind === 'host' && entry.host.includes('/'))
      problems.push(
        `entry ${index + 1} of NO_PROXY must be a range such as 10.0.0.0/8, or a host without a path`,
      );
  });
  return { settings: { ...(https && { https }), ...(http && { http }), except }, problems };
}

/** @returns the proxy to go through for `url`, or undefined to go directly. */
export function proxyFor(url: URL, settings: ProxySettings): string | undefined {
  const proxy = url.protocol === 'https:' ? settings.https : settings.http;
  if (proxy === undefined) return undefined;
  const host = url.hostname.replace(/^\[|\]$|\.$/g, '');
  const address = parseAddress(host);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return settings.except.some(entry => excepts(entry, host, address, port)) ? undefined : proxy;
}

function excepts(entry: Exception, host: string, address: AddressBytes | undefined, port: string): boolean {
  switch (entry.kind) {
    case 'all':
      return true;
    case 'range':
      return address !== undefined && contains(entry.range, address);
    case 'host':
      if (entry.port !== undefined && entry.port !== port) return false;
      return (entry.subdomains === 'also' && host === entry.host) || host.endsWith(`.${entry.host}`);
  }
}

function exception(text: string): Exception {
  if (text === '*') return { kind: 'all' };
  const range = parseNetwork(text.replace(/^\[|\]$/g, ''));
  if (range !== undefined) return { kind: 'range', range };
  const [, name = '', port] = /^(.*?)(?::([0-9]+))?$/.exec(text.toLowerCase()) ?? [];
  const only = /^\*?\./.test(name);
  const host = name.replace(/^\*?\./, '').replace(/^\[|\]$|\.$/g, '');
  return { kind: 'host', host, subdomains: only ? 'only' : 'also', ...(port !== undefined && { port }) };
}

/** Whether undici can read the user and the password; it throws where it can't. */
function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username);
    decodeURIComponent(password);
    return true;
  } catch {
    return false;
  }
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
