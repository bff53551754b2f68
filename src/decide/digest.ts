import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/**
 * Keyed digests `v1:<key id>:<mac>`, bound to a credential's UID: a bare hash of a password could be guessed
 * offline by whoever reads a status. With another key they cannot be compared, which is "cannot tell", not "differs".
 */
export class Digester {
  readonly #prefix: string;
  /** Made once: from bytes each digest would make one, which costs more than the digest. */
  readonly #key: KeyObject;

  constructor(keyId: string, key: Uint8Array) {
    this.#prefix = `v1:${keyId}:`;
    this.#key = createSecretKey(key);
  }

  /** @param value anything JSON can hold; the order of an object's keys does not matter. */
  of(uid: string, value: unknown): string {
    const mac = createHmac('sha256', this.#key)
      .update(`${uid}\0${canonical(value)}`)
      .digest('base64url');
    return this.#prefix + mac.slice(0, 32);
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
