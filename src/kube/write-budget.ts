import type { Log } from '../api/log.ts';
import type { Clock, Timer } from '../loop/clock.ts';

interface Waiting {
  readonly since: number;
  readonly go: () => void;
}

/** A bucket's depth, in seconds of its rate. */
const BURST_S = 2;
/** What waits for so long is told of, and how often. */
const TOLD_MS = 1000;
const TOLD_EVERY_MS = 60_000;

/**
 * How many writes a second the API server is sent: a bucket that holds two seconds' worth. Whoever comes too early waits in
 * line, first come, first served: no kind of write can starve another, and a line is never longer than what is worked on.
 * Only what nobody waits for (events) comes last.
 */
export class WriteBudget {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #burst: number;
  readonly #log: Log;
  readonly #line = new Set<Waiting>();
  readonly #last = new Set<Waiting>();
  #tokens: number;
  #at: number;
  #timer: Timer | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @param options.perSecond more than 0. */
  constructor(options: { readonly clock: Clock; readonly perSecond: number; readonly log: Log }) {
    this.#clock = options.clock;
    this.#perMs = options.perSecond / 1000;
    this.#burst = Math.max(1, Math.ceil(BURST_S * options.perSecond));
    this.#log = options.log;
    this.#tokens = this.#burst;
    this.#at = options.clock.monotonic();
  }

  /**
   * Resolves when one write may be sent; at once, where nobody stands before it and the budget allows it.
   * @param canWait whether all others go first.
   * @throws the signal's reason, when it aborts first: then nothing was taken.
   */
  take(canWait: boolean, signal?: AbortSignal): Promise<void> {
    this.#refill();
    if (this.#line.size + this.#last.size === 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const line = canWait ? this.#last : this.#line;
      const leave = (): void => {
        line.delete(waiting);
        this.#arm();
        reject(signal?.reason as Error);
      };
      const waiting: Waiting = {
        since: this.#clock.monotonic(),
        go: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      line.add(waiting);
      if (signal?.aborted === true) leave();
      else signal?.addEventListener('abort', leave, { once: true });
      this.#arm();
    });
  }

  #serve(): void {
    this.#timer = undefined;
    this.#refill();
    for (const line of [this.#line, this.#last]) {
      for (const waiting of line) {
        if (this.#tokens < 1) break;
        this.#tokens -= 1;
        line.delete(waiting);
        this.#tell(this.#clock.monotonic() - waiting.since);
        waiting.go();
      }
    }
    this.#arm();
  }

  #tell(waitedMs: number): void {
    const now = this.#clock.monotonic();
    if (waitedMs <= TOLD_MS || now - this.#toldAt < TOLD_EVERY_MS) return;
    this.#toldAt = now;
    const todo = 'raise --kube-api-qps, or leave it to the API server’s own priority and fairness';
    this.#log.warn({ waitedMs: Math.round(waitedMs), todo }, 'writes wait for the budget');
  }

  /** A timer while someone waits, and none else. */
  #arm(): void {
    if (this.#line.size + this.#last.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    } else {
      const ms = Math.max(1, Math.ceil((1 - this.#tokens) / this.#perMs));
      this.#timer ??= this.#clock.after(ms, () => this.#serve());
    }
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
