/** The times that a JWT claims. Its signature is the resource server's business: nothing here trusts it for more than a date. */

export interface Claims {
  /** Seconds since 1970, as they stand there; undefined when absent. */
  readonly exp?: unknown;
  readonly iat?: unknown;
}

/** Characters of the middle part. */
const MAX_PAYLOAD = 32_768;

/** @returns undefined for a token that is no JWT. */
export function readClaims(token: string): Claims | undefined {
  const parts = token.split('.', 4);
  const [header = '', payload = ''] = parts;
  if (parts.length !== 3 || payload.length > MAX_PAYLOAD) return undefined;
  if (objectOf(header) === undefined) return undefined;
  const claims = objectOf(payload);
  if (claims === undefined) return undefined;
  return { exp: claims.exp, iat: claims.iat };
}

function objectOf(part: string): Record<string, unknown> | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(part)) return undefined;
  try {
    // entries are own properties: a claim can't come from a prototype
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value))
      : undefined;
  } catch {
    return undefined;
  }
}
