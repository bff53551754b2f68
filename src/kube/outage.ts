import type { Clock } from '../loop/clock.ts';

/** Shorter silences are no outage: each would bring forward what waits for good reason. */
const OUTAGE_MS = 5000;

/**
 * Notices that the API server answers again after it did not for a while. Whatever waits for it then need not wait on:
 * backoff has grown to half a minute and more by then.
 */
export class Outage {
  readonly #clock: Clock;
  readonly #over: () => void;
  #answeredAt: number;
  #failed = false;

  constructor(clock: Clock, over: () => void) {
    this.#clock = clock;
    this.#over = over;
    this.#answeredAt = clock.monotonic();
  }

  /** @param code HTTP status of an answer, or `error` when none came. */
  heard(code: number | 'error'): void {
    if (code === 'error' || code === 429 || code >= 500) {
      this.#failed = true;
      return;
    }
    const now = this.#clock.monotonic();
    const over = this.#failed && now - this.#answeredAt >= OUTAGE_MS;
    this.#answeredAt = now;
    this.#failed = false;
    if (over) this.#over();
  }
}
