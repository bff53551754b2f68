/** The times that a JWT claims. Its signature is the resource server's business: nothing here trusts it for more than a date. */

export interface Claims {
  /** Seconds since 1970, as they stand there; undefined when absent. */
  readonly exp?: unknown;
  readonly iat?: unknown;
}

/** Characters of the middle part. */
const MAX_PAYLOAD = 32_768;

/** The last header that was one: a provider's tokens all have the same. */
let lastHeader = '';

/** @returns undefined for a token that is no JWT. */
export function readClaims(token: string): Claims | undefined {
  const parts = token.split('.', 4);
  const [header = '', payload = ''] = parts;
  if (parts.length !== 3 || payload.length > MAX_PAYLOAD) return undefined;
  if (header === '' || header !== lastHeader) {
    if (objectOf(header) === undefined) return undefined;
    lastHeader = header.length <= 1024 ? header : '';
  }
  const claims = objectOf(payload);
  return claims && { exp: own(claims, 'exp'), iat: own(claims, 'iat') };
}

/** A claim can't come from a prototype. */
function own(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

function objectOf(part: string): Record<string, unknown> | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(part)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
