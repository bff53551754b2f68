import type { LoginRecord } from './login-limit.ts';

const DAY_MS = 86_400_000;
const MOST_ENTRIES = 10_000;

interface Refusal {
  tries: number;
  lastTriedAt: number;
}

/**
 * Refused requests, in memory, by a digest that is not bound to a credential: a refusal counts for every credential
 * that would send the same, also for one deleted and made again. Times in ms, by the API server's clock.
 */
export class Refusals {
  /** Least recently refused first. */
  readonly #byRequest = new Map<string, Refusal>();

  refused(request: string, tries: number, now: number): void {
    this.#byRequest.delete(request);
    this.#byRequest.set(request, { tries, lastTriedAt: now });
    for (const [oldest, { lastTriedAt }] of this.#byRequest) {
      if (this.#byRequest.size <= MOST_ENTRIES && lastTriedAt > now - DAY_MS) break;
      this.#byRequest.delete(oldest);
    }
  }

  accepted(request: string): void {
    this.#byRequest.delete(request);
  }

  /** The record with what others found out about the same request. */
  known(request: string, record: LoginRecord, now: number): LoginRecord {
    const refusal = this.#byRequest.get(request);
    if (refusal === undefined || refusal.lastTriedAt <= now - DAY_MS || refusal.tries <= record.tries)
      return record;
    return {
      ...record,
      tries: refusal.tries,
      lastTriedAt: Math.max(refusal.lastTriedAt, record.lastTriedAt ?? 0),
    };
  }
}
