import type { Clock } from '../loop/clock.ts';

/** A `Date` header is cut to the second. */
const RESOLUTION_MS = 1000;
/** How far two honest oscillators may run apart, as a share of the time since they were compared. */
const DRIFT = 200e-6;
/** A server's clock set back by less is waited out, so that `now` does not go backwards. */
const WAITED_OUT_MS = 5000;

/**
 * The API server's time: monotonic time plus an offset learnt from `Date` headers.
 *
 * Each answer bounds the offset: the server wrote a time in [Date, Date + 1 s) at some moment between sending and
 * receiving. The bounds of successive answers are intersected (widened by the drift since), and the offset moves only
 * as far as the intersection forces it to. Bounds that miss the present ones mean that the server's clock was set.
 * The local wall clock counts only until the first answer.
 */
export class ServerTime {
  readonly #clock: Clock;
  #bounds: { low: number; high: number; at: number } | undefined;
  #offset = 0;
  #latest = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether any answer was seen. */
  get synced(): boolean {
    return this.#bounds !== undefined;
  }

  /** @returns milliseconds since 1970. */
  now(): number {
    if (this.#bounds === undefined) return this.#clock.wall();
    this.#latest = Math.max(this.#latest, this.#clock.monotonic() + this.#offset);
    return this.#latest;
  }

  /** @returns milliseconds from here until {@link now} gives `time`: more than their difference while it waits for a clock that was set back. */
  until(time: number): number {
    return time - (this.#bounds === undefined ? this.#clock.wall() : this.#clock.monotonic() + this.#offset);
  }

  /** @param sentMono @param receivedMono when the request left and its answer's head came, by the monotonic clock. */
  observe(dateHeader: string | undefined, sentMono: number, receivedMono: number): void {
    const second = dateHeader === undefined ? Number.NaN : Date.parse(dateHeader);
    if (Number.isNaN(second)) return;
    const low = second - receivedMono;
    const high = second + RESOLUTION_MS - sentMono;
    const known = this.#bounds;
    if (known !== undefined) {
      const drift = Math.max(0, receivedMono - known.at) * DRIFT;
      const bounds = {
        low: Math.max(low, known.low - drift),
        high: Math.min(high, known.high + drift),
        at: Math.max(receivedMono, known.at),
      };
      if (bounds.low <= bounds.high) {
        this.#bounds = bounds;
        this.#offset = Math.min(bounds.high, Math.max(bounds.low, this.#offset));
        return;
      }
    }
    this.#bounds = { low, high, at: receivedMono };
    this.#offset = (low + high) / 2;
    const now = this.#clock.monotonic() + this.#offset;
    if (now < this.#latest - WAITED_OUT_MS) this.#latest = now;
  }
}
