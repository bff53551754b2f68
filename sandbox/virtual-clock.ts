import type { Clock, Timer } from '../src/loop/clock.ts';
import { Heap } from '../src/loop/heap.ts';

/** Two turns of the event loop: one for what is ready, one for what a `setImmediate` of that brought (undici tears streams down so). */
const SETTLE_TURNS = 2;
/** Timers that keep re-arming at one instant would hold time for ever; no honest program needs so many rounds. */
const ROUNDS_AT_ONE_INSTANT = 10_000;
/** Below this many, cancelled timers are not worth a sweep. */
const SWEEP_FROM = 1024;

interface Entry {
  readonly due: number;
  /** Order of arming. */
  readonly order: number;
  callback: (() => void) | undefined;
}

/**
 * Time that moves only when told to, so that a year passes in seconds and every run is the same run.
 *
 * Between two instants everything that the last one set off is let through (microtasks, nextTicks, immediates).
 * Work on libuv's threads (async zlib, WebCrypto, files, sockets) is not waited for: programs under this clock must have none.
 */
export class VirtualClock implements Clock {
  /** Milliseconds that `wall` is off by; assign to make the wall clock jump. Monotonic time and timers take no notice. */
  skewMs: number;
  readonly #startMs: number;
  readonly #settleTurns: number;
  #timers = new Heap<Entry>();
  #now = 0;
  #armed = 0;
  #cancelled = 0;
  #outside: (() => Promise<boolean>) | undefined;

  /** @param options.startMs wall time at the start, milliseconds since 1970. */
  constructor(options: { startMs: number; skewMs?: number; settleTurns?: number }) {
    this.#startMs = options.startMs;
    this.skewMs = options.skewMs ?? 0;
    this.#settleTurns = options.settleTurns ?? SETTLE_TURNS;
  }

  monotonic(): number {
    return this.#now;
  }

  wall(): number {
    return this.#startMs + this.#now + this.skewMs;
  }

  after(ms: number, callback: () => void): Timer {
    // NaN would never come out of the heap, and hide every timer behind it
    if (Number.isNaN(ms)) throw new RangeError('after: NaN milliseconds');
    const entry: Entry = { due: this.#now + Math.max(0, ms), order: this.#armed++, callback };
    this.#timers.push(entry, entry.due);
    return { cancel: () => this.#cancel(entry) };
  }

  /** The same time and timers, seen by someone whose wall clock is off. */
  view(skewMs = 0): SkewedClock {
    return new SkewedClock(this, skewMs);
  }

  /** Timers that are armed. */
  get pending(): number {
    return this.#timers.size - this.#cancelled;
  }

  /** When the next timer is due, in monotonic milliseconds. */
  get nextDue(): number | undefined {
    for (;;) {
      const top = this.#timers.peek();
      if (top === undefined || top.value.callback !== undefined) return top?.rank;
      this.#timers.pop();
      this.#cancelled--;
    }
  }

  /** Moves `ms` on, firing what falls due in its order. */
  advance(ms: number): Promise<void> {
    return this.runUntil(this.#now + ms);
  }

  /** Moves on to the monotonic time `t`, that included. */
  async runUntil(t: number): Promise<void> {
    await this.#run(t, () => false);
    this.#now = Math.max(this.#now, t);
  }

  /** Moves on until `condition` holds between two instants, for at most `limitMs`. @returns whether it came to hold. */
  async runUntilTrue(condition: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.#now + limitMs;
    if (await this.#run(end, condition)) return true;
    this.#now = Math.max(this.#now, end);
    return condition();
  }

  /** Moves on until no timer is armed; throws when that takes more than `limitMs` of virtual time. */
  async runUntilIdle(limitMs = Number.POSITIVE_INFINITY): Promise<void> {
    await this.#run(this.#now + limitMs, () => false);
    if (this.pending > 0) throw new Error(`${this.pending} timers are still armed after ${limitMs} ms`);
  }

  /**
   * For a world with a part outside of this process: time stands still until that has come to rest as well.
   * @param outside waits until then, and tells whether anything came of it.
   */
  settleWith(outside: () => Promise<boolean>): void {
    this.#outside = outside;
  }

  /** Lets through what is ready now, without moving time. */
  async settle(): Promise<void> {
    do {
      for (let turn = 0; turn < this.#settleTurns; turn++) await new Promise(nextTurn);
    } while (this.#outside !== undefined && (await this.#outside()));
  }

  async #run(end: number, done: () => boolean): Promise<boolean> {
    await this.settle();
    let rounds = 0;
    while (!done()) {
      const due = this.nextDue;
      if (due === undefined || due > end) return false;
      rounds = due === this.#now ? rounds + 1 : 0;
      if (rounds > ROUNDS_AT_ONE_INSTANT) throw new Error(`timers keep re-arming at ${due} ms without delay`);
      this.#now = Math.max(this.#now, due);
      this.#fire(due);
      await this.settle();
    }
    return true;
  }

  /** What was armed before this instant's first callback; what callbacks arm for the same instant comes after a settle. */
  #fire(due: number): void {
    const upTo = this.#armed;
    for (;;) {
      const entry = this.#timers.peek()?.value;
      if (entry === undefined || entry.due > due || entry.order >= upTo) return;
      this.#timers.pop();
      const { callback } = entry;
      entry.callback = undefined;
      if (callback === undefined) this.#cancelled--;
      else callback();
    }
  }

  #cancel(entry: Entry): void {
    if (entry.callback === undefined) return;
    entry.callback = undefined;
    this.#cancelled++;
    if (this.#cancelled < SWEEP_FROM || this.#cancelled * 2 < this.#timers.size) return;
    const swept = new Heap<Entry>();
    for (let left = this.#timers.pop(); left !== undefined; left = this.#timers.pop()) {
      if (left.callback !== undefined) swept.push(left, left.due);
    }
    this.#timers = swept;
    this.#cancelled = 0;
  }
}

/** Someone's own wall clock over a shared flow of time. Assign `skewMs` to make it jump. */
export class SkewedClock implements Clock {
  skewMs: number;
  readonly #base: Clock;

  constructor(base: Clock, skewMs: number) {
    this.#base = base;
    this.skewMs = skewMs;
  }

  monotonic(): number {
    return this.#base.monotonic();
  }

  wall(): number {
    return this.#base.wall() + this.skewMs;
  }

  after(ms: number, callback: () => void): Timer {
    return this.#base.after(ms, callback);
  }
}

function nextTurn(resolve: (value: undefined) => void): void {
  setImmediate(resolve, undefined);
}
