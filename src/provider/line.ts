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

/** Who waits at one origin, and who is next. Joining and leaving cost O(log n). */
export class Line {
  readonly #waiting = new Map<string, Waiting>();
  #urgent = new Heap<Waiting>();
  #renewals = new Heap<Waiting>();
  /** By namespace, the one whose turn is next first. */
  readonly #fresh = new Map<string, Map<string, Waiting>>();
  #urgentWaiting = 0;
  /** Entries in the heaps whose key has left. */
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
    this.#forget(waiting);
    if (isFresh(waiting.need)) {
      const turn = this.#fresh.get(waiting.need.namespace);
      turn?.delete(key);
      if (turn?.size === 0) this.#fresh.delete(waiting.need.namespace);
      return;
    }
    waiting.gone = true;
    this.#gone++;
    if (this.#gone > 64 && this.#gone > this.#waiting.size) this.#sweep();
  }

  /**
   * Urgent renewals and all others alternate while both wait, so that neither starves the other; urgent ones go by expiry,
   * of the others new credentials come first, namespaces in turn, then renewals by expiry.
   */
  next(): string | undefined {
    const others = this.#waiting.size - this.#urgentWaiting;
    const urgent = this.#urgentWaiting > 0 && (others === 0 || this.#urgentNext);
    const waiting = urgent ? this.#pop(this.#urgent) : (this.#nextFresh() ?? this.#pop(this.#renewals));
    if (waiting === undefined) return undefined;
    this.#urgentNext = !urgent;
    this.#forget(waiting);
    return waiting.key;
  }

  #place(waiting: Waiting): void {
    const { need, key } = waiting;
    const expiry = need.expiresAt ?? Number.POSITIVE_INFINITY;
    if (isUrgent(need)) {
      this.#urgentWaiting++;
      this.#urgent.push(waiting, expiry);
    } else if (need.kind === 'renewal') {
      this.#renewals.push(waiting, expiry);
    } else {
      const turn = this.#fresh.get(need.namespace) ?? new Map<string, Waiting>();
      turn.set(key, waiting);
      this.#fresh.set(need.namespace, turn);
    }
  }

  #forget(waiting: Waiting): void {
    this.#waiting.delete(waiting.key);
    if (isUrgent(waiting.need)) this.#urgentWaiting--;
  }

  #nextFresh(): Waiting | undefined {
    for (const [namespace, turn] of this.#fresh) {
      const [first] = turn.values();
      if (first === undefined) continue;
      turn.delete(first.key);
      // to the end: every other namespace comes first
      this.#fresh.delete(namespace);
      if (turn.size > 0) this.#fresh.set(namespace, turn);
      return first;
    }
    return undefined;
  }

  #pop(heap: Heap<Waiting>): Waiting | undefined {
    for (;;) {
      const waiting = heap.pop();
      if (waiting?.gone !== true) return waiting;
      this.#gone--;
    }
  }

  #sweep(): void {
    this.#urgent = new Heap();
    this.#renewals = new Heap();
    this.#urgentWaiting = 0;
    this.#gone = 0;
    for (const waiting of this.#waiting.values()) if (!isFresh(waiting.need)) this.#place(waiting);
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
