import { roomFor, Slots } from './slots.ts';

/** Keys by rank, the least first, ties in the order they came; one rank a key. What is told of a key is in columns, by its slot. */
export class KeyedHeap {
  readonly #slots = new Slots();
  /** Slots, as a binary heap. */
  readonly #heap: number[] = [];
  #ranks = new Float64Array(0);
  #orders = new Float64Array(0);
  /** Where in the heap a slot stands. */
  #places = new Float64Array(0);
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  rankOf(key: string): number | undefined {
    const slot = this.#slots.find(key);
    return slot === undefined ? undefined : this.#ranks[slot];
  }

  /** In place of its former rank. */
  set(key: string, rank: number): void {
    const slot = this.#slots.take(key);
    const { limit, size } = this.#slots;
    this.#ranks = roomFor(this.#ranks, limit);
    this.#orders = roomFor(this.#orders, limit);
    this.#places = roomFor(this.#places, limit);
    this.#ranks[slot] = rank;
    this.#orders[slot] = this.#order++;
    if (size > this.#heap.length) this.#rise(this.#heap.push(slot) - 1, slot);
    else this.#settle(this.#places[slot] ?? 0, slot);
  }

  delete(key: string): void {
    const slot = this.#slots.release(key);
    if (slot === undefined) return;
    const last = this.#heap.pop();
    if (last !== undefined && last !== slot) this.#settle(this.#places[slot] ?? 0, last);
  }

  clear(): void {
    for (const key of this.#heap.map(slot => this.#slots.keyOf(slot))) this.delete(key);
  }

  peek(): { readonly key: string; readonly rank: number } | undefined {
    const [slot] = this.#heap;
    return slot === undefined ? undefined : { key: this.#slots.keyOf(slot), rank: this.#ranks[slot] ?? 0 };
  }

  #settle(place: number, slot: number): void {
    this.#sink(place, slot);
    this.#rise(this.#places[slot] ?? 0, slot);
  }

  #rise(from: number, slot: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above] ?? 0;
      if (!this.#isLess(slot, parent)) break;
      this.#put(place, parent);
      place = above;
    }
    this.#put(place, slot);
  }

  #sink(from: number, slot: number): void {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      let child = this.#heap[below];
      if (child === undefined) break;
      const right = this.#heap[below + 1];
      if (right !== undefined && this.#isLess(right, child)) {
        below += 1;
        child = right;
      }
      if (!this.#isLess(child, slot)) break;
      this.#put(place, child);
      place = below;
    }
    this.#put(place, slot);
  }

  #put(place: number, slot: number): void {
    this.#heap[place] = slot;
    this.#places[slot] = place;
  }

  #isLess(a: number, b: number): boolean {
    const [x = 0, y = 0] = [this.#ranks[a], this.#ranks[b]];
    return x === y ? (this.#orders[a] ?? 0) < (this.#orders[b] ?? 0) : x < y;
  }
}
