import { isReady, isStalled, type Row } from './rows.ts';

/** Names of credentials. */
export interface Expected {
  /** Must have been Ready. */
  readonly ready: readonly string[];
  /** Its token must have been replaced meanwhile. */
  readonly refreshed: string;
  /** Must have stalled, and never have been Ready. */
  readonly stalled: string;
}

/** What must have been seen for the demo to count as a success. */
export class Verdict {
  readonly #expected: Expected;
  readonly #ready = new Set<string>();
  readonly #stalled = new Set<string>();
  /** When the tokens of the one that must be refreshed were issued. */
  readonly #issued = new Set<string>();

  constructor(expected: Expected) {
    this.#expected = expected;
  }

  see(row: Row): void {
    if (isStalled(row)) this.#stalled.add(row.name);
    if (!isReady(row)) return;
    this.#ready.add(row.name);
    const issuedAt = row.status?.token?.issuedAt;
    if (row.name === this.#expected.refreshed && issuedAt !== undefined) this.#issued.add(issuedAt);
  }

  /** What is not as it should be, in words; empty for success. */
  problems(): string[] {
    const { ready, refreshed, stalled } = this.#expected;
    const problems = ready.filter(name => !this.#ready.has(name)).map(name => `${name} was never Ready`);
    if (this.#issued.size < 2) problems.push(`the token of ${refreshed} was not refreshed`);
    if (this.#ready.has(stalled)) problems.push(`${stalled} was Ready, with a wrong password`);
    if (!this.#stalled.has(stalled)) problems.push(`${stalled} did not stall`);
    return problems;
  }
}
