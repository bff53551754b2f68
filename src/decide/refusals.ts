import type { LoginRecord } from './login-limit.ts';

const DAY_MS = 86_400_000;
const MOST_ENTRIES = 10_000;

interface Refusal {
  readonly tries: number;
  readonly lastTriedAt: number;
  readonly refusedAt: readonly number[];
}

/**
 * Refused requests, in memory, by a digest that is not bound to a credential: a refusal counts for every credential
 * that would send the same, also for one deleted and made again. Times in ms, by the API server's clock.
 */
export class Refusals {
  /** Least recently refused first. */
  readonly #byRequest = new Map<string, Refusal>();
  /** Requests that may be refused and are on their way, with those who wait for what comes of it. */
  readonly #sending = new Map<string, Set<string>>();
  readonly #wake: (key: string) => void;

  /** @param wake told a key whose turn may have come. */
  constructor(wake: (key: string) => void) {
    this.#wake = wake;
  }

  /**
   * One after the other: what the first finds out counts for the next.
   * @returns whether the key may send now, and must then call {@link leave}; otherwise it is woken.
   */
  enter(request: string, key: string): boolean {
    const waiting = this.#sending.get(request);
    if (waiting === undefined) this.#sending.set(request, new Set());
    else waiting.add(key);
    return waiting === undefined;
  }

  leave(request: string): void {
    const waiting = this.#sending.get(request);
    this.#sending.delete(request);
    for (const key of waiting ?? []) this.#wake(key);
  }

  refused(request: string, tries: number, now: number): void {
    const before = this.#byRequest.get(request);
    this.#byRequest.delete(request);
    this.#byRequest.set(request, {
      tries: Math.max(tries, (before?.tries ?? 0) + 1),
      lastTriedAt: now,
      refusedAt: [...(before?.refusedAt ?? []).filter(at => at > now - DAY_MS), now],
    });
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
    if (refusal === undefined || refusal.lastTriedAt <= now - DAY_MS) return record;
    const refusedAt = merged(record.refusedAt, refusal.refusedAt, now);
    if (refusal.tries <= record.tries) return { ...record, refusedAt };
    return {
      ...record,
      refusedAt,
      tries: refusal.tries,
      lastTriedAt: Math.max(refusal.lastTriedAt, record.lastTriedAt ?? 0),
    };
  }
}

/** A refusal that is in a status and in memory is one; a status has it cut to the second. */
function merged(own: readonly number[], shared: readonly number[], now: number): number[] {
  const unmatched = own.map(at => Math.floor(at / 1000));
  const others = shared.filter(at => {
    const index = unmatched.indexOf(Math.floor(at / 1000));
    if (index >= 0) unmatched.splice(index, 1);
    return index < 0 && at > now - DAY_MS;
  });
  return [...own, ...others].sort((a, b) => a - b);
}
