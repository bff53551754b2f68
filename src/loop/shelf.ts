import { Arena } from './arena.ts';

/** How many are kept as they are. */
export const WARM = 500;

/** What makes bytes of a value and brings it back; both are the same to whoever reads them. */
export interface Packing<T> {
  /** The bytes are copied before the next call. */
  pack(value: T): Buffer;
  unpack(packed: Buffer, key: string): T;
}

/** One that was used of late. */
class Warm<T> {
  readonly value: T;
  /** Where it stands packed as well; undefined when it never was. */
  readonly place: number | undefined;

  constructor(value: T, place?: number) {
    this.value = value;
    this.place = place;
  }
}

/**
 * A map for very many values that change as wholes: those that were used last are kept as they are, the others as bytes outside
 * of V8's heap. Without a packing it is a plain map.
 */
export class Shelf<T> {
  readonly #items = new Map<string, Warm<T> | number>();
  /** Keys of what is warm, the ones that came first in front; some may be gone. */
  readonly #warm: string[] = [];
  #next = 0;
  readonly #packing: Packing<T> | undefined;
  readonly #most: number;
  readonly #arena = new Arena();

  constructor(packing?: Packing<T>, most = WARM) {
    this.#packing = packing;
    this.#most = most;
  }

  get size(): number {
    return this.#items.size;
  }

  /** That were allocated for what is packed. */
  get packedBytes(): number {
    return this.#arena.held;
  }

  get(key: string): T | undefined {
    const item = this.#items.get(key);
    if (typeof item !== 'number') return item?.value;
    const value = this.#valueOf(key, item);
    if (value === undefined) return undefined;
    this.#items.set(key, new Warm(value, item));
    this.#keepWarm(key);
    return value;
  }

  /** What is looked at once, and stays as it is kept. */
  peek(key: string): T | undefined {
    const item = this.#items.get(key);
    return item === undefined ? undefined : this.#valueOf(key, item);
  }

  set(key: string, value: T): void {
    const before = this.#items.get(key);
    this.#free(before);
    this.#items.set(key, new Warm(value));
    if (!(before instanceof Warm)) this.#keepWarm(key);
  }

  delete(key: string): void {
    this.#free(this.#items.get(key));
    this.#items.delete(key);
  }

  *values(): Generator<T> {
    for (const [, value] of this.entries()) yield value;
  }

  *entries(): Generator<[string, T]> {
    for (const [key, item] of this.#items) {
      const value = this.#valueOf(key, item);
      if (value !== undefined) yield [key, value];
    }
  }

  keys(): IterableIterator<string> {
    return this.#items.keys();
  }

  #valueOf(key: string, item: Warm<T> | number): T | undefined {
    return typeof item === 'number' ? this.#packing?.unpack(this.#arena.read(item), key) : item.value;
  }

  #free(item: Warm<T> | number | undefined): void {
    const place = item instanceof Warm ? item.place : item;
    if (place !== undefined) this.#arena.free(place);
  }

  /** Nobody is about to look: all go back, as the one that makes room for another does. */
  rest(): void {
    for (const key of this.#warm.splice(0)) this.#putBack(key);
    this.#next = 0;
  }

  /** One comes in, and the one that has been here longest goes back. */
  #keepWarm(key: string): void {
    if (this.#packing === undefined) return;
    if (this.#warm.length < this.#most) {
      this.#warm.push(key);
      return;
    }
    const oldest = this.#warm[this.#next] ?? '';
    this.#warm[this.#next] = key;
    this.#next = (this.#next + 1) % this.#most;
    if (oldest !== key) this.#putBack(oldest);
  }

  /** To where it stands packed, or it is packed now. */
  #putBack(key: string): void {
    const item = this.#items.get(key);
    if (this.#packing !== undefined && item instanceof Warm)
      this.#items.set(key, item.place ?? this.#arena.keep(this.#packing.pack(item.value)));
  }
}
