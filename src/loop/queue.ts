import type { Clock } from './clock.ts';
import { Fifo } from './fifo.ts';
import { Heap } from './heap.ts';
import { Schedule } from './schedule.ts';

/**
 * Where a ready key stands in line. Two lines take turns, so that neither starves the other:
 * `first` (by turns among groups, so that no namespace's crowd holds up another's one) and `again` (least `rank` first).
 */
export type Place =
  | { readonly line: 'first'; readonly group: string }
  | { readonly line: 'again'; readonly rank: number };

export interface QueueOptions {
  readonly clock: Clock;
  /** How many keys may be handled at once. */
  readonly concurrency: number;
  /** Handles one key. It must not throw; what it throws is given to `onError`. */
  readonly handle: (key: string) => Promise<void>;
  readonly place: (key: string) => Place;
  readonly onError: (key: string, error: unknown) => void;
  /** Milliseconds that a key stood in line before it was handled. */
  readonly onWait?: (ms: number) => void;
}

/** Each may hold a connection. Five hundred a second of which half take 5 s are 1,250. */
const MOST_OUTSIDE = 4096;

/**
 * A keyed work queue of three collections: in line, being handled, and dirty (asked for while being handled).
 * A key is never handled twice at once, and a request that comes during its run is never lost.
 */
export class Queue {
  readonly #options: QueueOptions;
  readonly #line: FairLine;
  readonly #since = new Map<string, number>();
  readonly #handling = new Set<string>();
  readonly #dirty = new Set<string>();
  #outside = 0;
  readonly #later: Schedule;
  #draining = false;
  #idle: (() => void)[] = [];
  readonly #settling = new Set<() => void>();

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#line = new FairLine();
    this.#later = new Schedule(options.clock, key => this.add(key));
  }

  /** Keys in line, not those waiting for a time. */
  get depth(): number {
    return this.#since.size;
  }

  get waiting(): number {
    return this.#later.size;
  }

  get inFlight(): number {
    return this.#handling.size;
  }

  /** How late the scheduler is, in ms. */
  get lateness(): number {
    return this.#later.lateness;
  }

  add(key: string): void {
    if (this.#draining) return;
    this.#later.cancel(key);
    if (this.#handling.has(key)) {
      this.#dirty.add(key);
      return;
    }
    if (this.#since.has(key)) return;
    this.#since.set(key, this.#options.clock.monotonic());
    this.#line.push(key, this.#options.place(key));
    this.#pump();
  }

  /** In `ms` at the latest; delays of a key merge to the earliest. */
  addWithin(key: string, ms: number): void {
    if (this.#draining) return;
    if (ms <= 0) this.add(key);
    else if (!this.#since.has(key)) this.#later.within(key, ms);
  }

  /**
   * Waits for work that goes on elsewhere, from within `handle`: meanwhile its key takes no other's turn.
   * So what answers late, or never, holds up nobody else.
   */
  async outside<T>(work: Promise<T>): Promise<T> {
    this.#outside += 1;
    this.#pump();
    try {
      return await work;
    } finally {
      this.#outside -= 1;
    }
  }

  /** Drops the key's wait; a run under way ends as it will. */
  forget(key: string): void {
    this.#later.cancel(key);
    this.#dirty.delete(key);
  }

  /** Nothing new starts; resolves when what is being handled has ended. */
  drain(): Promise<void> {
    this.#draining = true;
    this.#later.clear();
    this.#dirty.clear();
    if (this.#handling.size === 0) return Promise.resolve();
    return new Promise(resolve => this.#idle.push(resolve));
  }

  /** Resolves when none of these keys is being handled. */
  settled(which: (key: string) => boolean): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => {
        for (const key of this.#handling) if (which(key)) return;
        this.#settling.delete(look);
        resolve();
      };
      this.#settling.add(look);
      look();
    });
  }

  #pump(): void {
    while (
      !this.#draining &&
      this.#handling.size - Math.min(this.#outside, MOST_OUTSIDE) < this.#options.concurrency
    ) {
      const key = this.#line.shift();
      if (key === undefined) return;
      const since = this.#since.get(key);
      this.#since.delete(key);
      this.#options.onWait?.(this.#options.clock.monotonic() - (since ?? 0));
      this.#handling.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#options.handle(key);
    } catch (error) {
      this.#options.onError(key, error);
    }
    this.#handling.delete(key);
    for (const look of this.#settling) look();
    if (this.#dirty.delete(key)) this.add(key);
    if (this.#draining && this.#handling.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    this.#pump();
  }
}

/** The order of a {@link Queue}. */
class FairLine {
  /** Group to its keys; the map's own order is whose turn it is. */
  readonly #first = new Map<string, Fifo<string>>();
  readonly #again = new Heap<string>();
  #firstsTurn = true;

  push(key: string, place: Place): void {
    if (place.line === 'again') this.#again.push(key, place.rank);
    else {
      const group = this.#first.get(place.group) ?? new Fifo();
      group.push(key);
      this.#first.set(place.group, group);
    }
  }

  shift(): string | undefined {
    const first = this.#first.size > 0 && (this.#firstsTurn || this.#again.size === 0);
    this.#firstsTurn = !first;
    return first ? this.#shiftFirst() : this.#again.pop();
  }

  #shiftFirst(): string | undefined {
    for (const [group, keys] of this.#first) {
      const key = keys.shift();
      this.#first.delete(group);
      if (keys.size > 0) this.#first.set(group, keys);
      return key;
    }
    return undefined;
  }
}
