import { hash } from 'node:crypto';

/**
 * Keyed digests `v1:<key id>:<mac>`, bound to a credential's UID: a bare hash of a password could be guessed
 * offline by whoever reads a status. With another key they cannot be compared, which is "cannot tell", not "differs".
 */
export class Digester {
  readonly #prefix: string;
  readonly #mac: (text: string) => string;

  constructor(keyId: string, key: Uint8Array) {
    this.#prefix = `v1:${keyId}:`;
    this.#mac = hmacSha256(key);
  }

  /** @param value anything JSON can hold; the order of an object's keys does not matter. */
  of(uid: string, value: unknown): string {
    return this.ofText(uid, canonical(value));
  }

  /** @param text what {@link canonical} makes of a value. */
  ofText(uid: string, text: string): string {
    return this.#prefix + this.#mac(`${uid}\0${text}`).slice(0, 32);
  }

  /** Whether the digest was made with this key. */
  comparable(digest: string): boolean {
    return digest.startsWith(this.#prefix);
  }

  compare(recorded: string, current: string): 'same' | 'other' | 'unknown' {
    if (!this.comparable(recorded)) return 'unknown';
    return recorded === current ? 'same' : 'other';
  }
}

const BLOCK_BYTES = 64;

/**
 * HMAC-SHA-256 (RFC 2104) in two hashes at one go each: node:crypto makes a stream of each digest, which takes several times
 * as long as the digest itself. @returns a function of text, to base64url.
 */
export function hmacSha256(key: Uint8Array): (text: string) => string {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.set(key.byteLength > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key);
  const inner = block.map(byte => byte ^ 0x36);
  const outer = Buffer.concat([block.map(byte => byte ^ 0x5c), Buffer.alloc(32)]);
  return text => {
    const message = Buffer.allocUnsafe(BLOCK_BYTES + Buffer.byteLength(text));
    message.set(inner);
    message.write(text, BLOCK_BYTES);
    // As text: a Buffer made of it would take longer than the hash.
    outer.write(hash('sha256', message, 'binary'), BLOCK_BYTES, 'binary');
    return hash('sha256', outer, 'base64url');
  };
}

/** JSON with sorted keys; what is undefined is left out of objects. Runs several times a reconcile, so no replacer. */
export function canonical(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const object = value as Readonly<Record<string, unknown>>;
  const members: string[] = [];
  for (const key of Object.keys(object).sort()) {
    const inner = object[key];
    if (inner !== undefined) members.push(`${JSON.stringify(key)}:${canonical(inner)}`);
  }
  return `{${members.join(',')}}`;
}
