import type { Clock, Timer } from './clock.ts';
import { Heap } from './heap.ts';

/**
 * Wakes keys at their times: at most one time a key, the earliest wins, forgotten before it fires.
 * One timer serves all, so that a hundred thousand waiting keys cost a heap and no more.
 */
export class Schedule {
  readonly #clock: Clock;
  readonly #fire: (key: string) => void;
  readonly #due = new Map<string, number>();
  readonly #heap = new Heap<string>();
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
    this.#dropStale();
    const next = this.#heap.peek();
    return next === undefined ? 0 : Math.max(0, this.#clock.monotonic() - next.rank);
  }

  /** In `ms` at the latest: an earlier time that stands already is kept. */
  within(key: string, ms: number): void {
    const at = this.#clock.monotonic() + Math.max(0, ms);
    const standing = this.#due.get(key);
    if (standing !== undefined && standing <= at) return;
    this.#due.set(key, at);
    this.#heap.push(key, at);
    if (this.#heap.size > 64 && this.#heap.size > 4 * this.#due.size) this.#rebuild();
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

  #arm(): void {
    this.#dropStale();
    const next = this.#heap.peek();
    if (next === undefined || next.rank >= this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = next.rank;
    this.#timer = this.#clock.after(next.rank - this.#clock.monotonic(), () => this.#run());
  }

  #run(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#timer = undefined;
    for (;;) {
      this.#dropStale();
      const next = this.#heap.peek();
      if (next === undefined || next.rank > this.#clock.monotonic()) break;
      this.#heap.pop();
      this.#due.delete(next.value);
      this.#fire(next.value);
    }
    this.#arm();
  }

  /** Entries whose key was cancelled or moved stay in the heap until they surface. */
  #dropStale(): void {
    for (let next = this.#heap.peek(); next !== undefined; next = this.#heap.peek()) {
      if (this.#due.get(next.value) === next.rank) return;
      this.#heap.pop();
    }
  }

  #rebuild(): void {
    while (this.#heap.size > 0) this.#heap.pop();
    for (const [key, at] of this.#due) this.#heap.push(key, at);
  }
}
