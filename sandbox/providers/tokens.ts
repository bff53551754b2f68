import { hmacSha256 } from '../../src/decide/digest.ts';

interface Issued {
  readonly account: string;
  /** Milliseconds since 1970 by the provider's clock; absent for what never expires. */
  readonly expiresAt: number | undefined;
  revoked: boolean;
}

/** Dead tokens beyond this many are forgotten, so that a simulated year fits into memory. */
const REMEMBERED = 100_000;

/** Stands in every opaque token, so that a leak of any can be searched for as one text. */
export const OPAQUE_MARK = 'opaqueT0ken';

/** What a provider has issued: makes tokens, knows which live, and remembers them for a search for leaks. */
export class Tokens {
  /** All that were ever issued; {@link remembered} may hold fewer. */
  count = 0;
  readonly #name: string;
  readonly #mac: (text: string) => string;
  readonly #now: () => number;
  readonly #issued = new Map<string, Issued>();

  /** @param key 32 bytes. @param now the provider's own time, milliseconds since 1970. */
  constructor(name: string, key: Buffer, now: () => number) {
    this.#name = name;
    this.#mac = hmacSha256(key);
    this.#now = now;
  }

  /** A JWT as a stock library makes it; `exp` and `iat` are in whole seconds. */
  jwt(account: string, expiresAt: number, claims: Readonly<Record<string, unknown>> = {}): string {
    const payload = {
      ...claims,
      sub: account,
      iat: Math.floor(this.#now() / 1000),
      exp: Math.floor(expiresAt / 1000),
      jti: `${this.#name}-${this.count++}`,
    };
    const signed = `${JWT_HEADER}.${segment(payload)}`;
    return this.#remember(`${signed}.${this.#mac(signed)}`, account, Math.floor(expiresAt / 1000) * 1000);
  }

  /** A token that tells nothing; without an expiry it lives until it is revoked. */
  opaque(account: string, expiresAt?: number): string {
    return this.#remember(`${this.#name}-${OPAQUE_MARK}-${this.#unique()}`, account, expiresAt);
  }

  /** Whose live token this is. */
  ownerOf(token: string): string | undefined {
    const issued = this.#issued.get(token);
    return issued !== undefined && this.#lives(issued) ? issued.account : undefined;
  }

  isLive(token: string): boolean {
    return this.ownerOf(token) !== undefined;
  }

  /** By the provider's clock; undefined for a token that is unknown or has no expiry. */
  expiresAt(token: string): number | undefined {
    return this.#issued.get(token)?.expiresAt;
  }

  revoke(token: string): void {
    const issued = this.#issued.get(token);
    if (issued !== undefined) issued.revoked = true;
  }

  /** Everything issued that is still remembered: all that live, and the last 100,000 dead ones at least. */
  remembered(): IterableIterator<string> {
    return this.#issued.keys();
  }

  #remember(token: string, account: string, expiresAt: number | undefined): string {
    this.#issued.set(token, { account, expiresAt, revoked: false });
    if (this.#issued.size > REMEMBERED) this.#forgetOne();
    return token;
  }

  /** The oldest, if it is dead; else it moves behind, so that one step a token is enough. */
  #forgetOne(): void {
    for (const [token, issued] of this.#issued) {
      this.#issued.delete(token);
      if (this.#lives(issued)) this.#issued.set(token, issued);
      return;
    }
  }

  #lives(issued: Issued): boolean {
    return !issued.revoked && (issued.expiresAt === undefined || this.#now() < issued.expiresAt);
  }

  #unique(): string {
    return this.#mac(`${this.#name}/${this.count++}`);
  }
}

function segment(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

const JWT_HEADER = segment({ alg: 'HS256', typ: 'JWT' });
