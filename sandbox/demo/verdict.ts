import { isReady, type Row } from './rows.ts';

/** What must have been seen for the demo to count as a success. */
export class Verdict {
  readonly #ready = new Set<string>();
  readonly #tokens = new Map<string, Set<string>>();
  readonly #good: readonly string[];
  readonly #refreshed: string;

  /**
   * @param good the credentials that must have been Ready.
   * @param refreshed the one whose token must have been replaced meanwhile.
   */
  constructor(good: readonly string[], refreshed: string) {
    this.#good = good;
    this.#refreshed = refreshed;
  }

  see(row: Row): void {
    if (!isReady(row)) return;
    this.#ready.add(row.name);
    const { token } = row.status ?? {};
    if (token === undefined) return;
    const tokens = this.#tokens.get(row.name) ?? new Set<string>();
    this.#tokens.set(row.name, tokens.add(token.issuedAt));
  }

  /** What has not been seen, in words; empty for success. */
  missing(): string[] {
    const never = this.#good.filter(name => !this.#ready.has(name)).map(name => `${name} was never Ready`);
    const tokens = this.#tokens.get(this.#refreshed)?.size ?? 0;
    return tokens >= 2 ? never : [...never, `the token of ${this.#refreshed} was not refreshed`];
  }
}
