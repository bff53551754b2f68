import type { Clock, Timer } from './clock.ts';
import { KeyedHeap } from './keyed-heap.ts';

/**
 * Wakes keys at their times: at most one time a key, the earliest wins, forgotten before it fires.
 * One timer serves all, so that a hundred thousand waiting keys cost a heap and no more.
 */
export class Schedule {
  readonly #clock: Clock;
  readonly #fire: (key: string) => void;
  readonly #due = new KeyedHeap();
  #timer: Timer | undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, fire: (key: string) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  get size(): number {
    return this.#due.size;
  }

  /** How late the earliest key is, in ms; 0 when none is late. */
  get lateness(): number {
    const next = this.#due.peek();
    return next === undefined ? 0 : Math.max(0, this.#clock.monotonic() - next.rank);
  }

  /** In `ms` at the latest: an earlier time that stands already is kept. */
  within(key: string, ms: number): void {
    const at = this.#clock.monotonic() + Math.max(0, ms);
    const standing = this.#due.rankOf(key);
    if (standing !== undefined && standing <= at) return;
    this.#due.set(key, at);
    this.#arm();
  }

  cancel(key: string): void {
    this.#due.delete(key);
  }

  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#due.clear();
  }

  /** A timer that comes too early, for a key that was cancelled, finds nothing due and is set anew. */
  #arm(): void {
    const next = this.#due.peek();
    if (next === undefined || next.rank >= this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = next.rank;
    this.#timer = this.#clock.after(next.rank - this.#clock.monotonic(), () => this.#run());
  }

  #run(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#timer = undefined;
    for (;;) {
      const next = this.#due.peek();
      if (next === undefined || next.rank > this.#clock.monotonic()) break;
      this.#due.delete(next.key);
      this.#fire(next.key);
    }
    this.#arm();
  }
}
