import { Fifo } from '../loop/fifo.ts';
import { Heap } from '../loop/heap.ts';

/** Why a key wants to send. */
export interface Need {
  readonly kind: 'new' | 'renewal';
  /** Monotonic milliseconds at which the held token expires; absent when it doesn't, or there is none. */
  readonly expiresAt?: number;
  /** A renewal near its end. */
  readonly urgent: boolean;
  readonly namespace: string;
}

interface Waiting {
  readonly key: string;
  readonly need: Need;
  gone: boolean;
}

/** Who waits at one origin, and who is next. Joining, leaving and being next cost O(log n). */
export class Line {
  readonly #waiting = new Map<string, Waiting>();
  #urgent = new Heap<Waiting>();
  #renewals = new Heap<Waiting>();
  /** By namespace, the one whose turn is next first. */
  #fresh = new Map<string, Fifo<Waiting>>();
  /** Entries whose key has left. */
  #gone = 0;
  #urgentNext = true;

  get size(): number {
    return this.#waiting.size;
  }

  /** Joins, or moves when the need has changed; otherwise the place is kept. */
  join(key: string, need: Need): void {
    const before = this.#waiting.get(key);
    if (before !== undefined && same(before.need, need)) return;
    this.leave(key);
    const waiting: Waiting = { key, need, gone: false };
    this.#waiting.set(key, waiting);
    this.#place(waiting);
  }

  leave(key: string): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    waiting.gone = true;
    this.#gone++;
    if (this.#gone > 64 && this.#gone > this.#waiting.size) this.#sweep();
  }

  /**
   * Urgent renewals and new credentials alternate while both wait, so that neither starves the other; new ones by namespaces
   * in turn, renewals by expiry: those that are not urgent come when nobody else waits.
   */
  next(): string | undefined {
    const waiting = this.#urgentNext
      ? (this.#pop(this.#urgent) ?? this.#nextFresh() ?? this.#pop(this.#renewals))
      : (this.#nextFresh() ?? this.#pop(this.#urgent) ?? this.#pop(this.#renewals));
    if (waiting === undefined) return undefined;
    this.#urgentNext = !isUrgent(waiting.need);
    this.#waiting.delete(waiting.key);
    return waiting.key;
  }

  #place(waiting: Waiting): void {
    const { need } = waiting;
    const expiry = need.expiresAt ?? Number.POSITIVE_INFINITY;
    if (isUrgent(need)) {
      this.#urgent.push(waiting, expiry);
    } else if (need.kind === 'renewal') {
      this.#renewals.push(waiting, expiry);
    } else {
      const turn = this.#fresh.get(need.namespace) ?? new Fifo<Waiting>();
      turn.push(waiting);
      this.#fresh.set(need.namespace, turn);
    }
  }

  #nextFresh(): Waiting | undefined {
    for (const [namespace, turn] of this.#fresh) {
      const first = this.#take(() => turn.shift());
      // to the end: every other namespace comes first
      this.#fresh.delete(namespace);
      if (turn.size > 0) this.#fresh.set(namespace, turn);
      if (first !== undefined) return first;
    }
    return undefined;
  }

  #pop(heap: Heap<Waiting>): Waiting | undefined {
    return this.#take(() => heap.pop());
  }

  /** The next that has not left. */
  #take(next: () => Waiting | undefined): Waiting | undefined {
    for (;;) {
      const waiting = next();
      if (waiting?.gone !== true) return waiting;
      this.#gone--;
    }
  }

  #sweep(): void {
    const fresh = this.#fresh;
    this.#urgent = new Heap();
    this.#renewals = new Heap();
    this.#fresh = new Map();
    this.#gone = 0;
    for (const waiting of this.#waiting.values()) if (!isFresh(waiting.need)) this.#place(waiting);
    // Whose turn it is stays as it was.
    for (const turn of fresh.values()) for (const waiting of turn) if (!waiting.gone) this.#place(waiting);
  }
}

function isUrgent(need: Need): boolean {
  return need.kind === 'renewal' && need.urgent;
}

function isFresh(need: Need): boolean {
  return need.kind === 'new';
}

function same(a: Need, b: Need): boolean {
  return (
    a.kind === b.kind && a.urgent === b.urgent && a.namespace === b.namespace && a.expiresAt === b.expiresAt
  );
}
