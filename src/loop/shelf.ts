/** How many are kept as they are. */
const WARM = 500;

/** What packs a value and brings it back; both are the same to whoever reads them. */
export interface Packing<T> {
  pack(value: T): string;
  unpack(packed: string): T;
}

/**
 * A map for very many values that change as wholes: those that were used last are kept as they are, the others packed.
 * Without a packing it is a plain map.
 */
export class Shelf<T extends object> {
  readonly #items = new Map<string, T | string>();
  /** Keys of what is not packed, the ones that came first in front; some may be gone. */
  #warm: string[] = [];
  #next = 0;
  readonly #packing: Packing<T> | undefined;
  readonly #most: number;

  constructor(packing?: Packing<T>, most = WARM) {
    this.#packing = packing;
    this.#most = most;
  }

  get size(): number {
    return this.#items.size;
  }

  get(key: string): T | undefined {
    const item = this.#items.get(key);
    if (typeof item !== 'string') return item;
    const value = this.#unpacked(item);
    this.#items.set(key, value);
    this.#keepWarm(key);
    return value;
  }

  /** What is looked at once, and stays as it is kept. */
  peek(key: string): T | undefined {
    const item = this.#items.get(key);
    return item === undefined ? undefined : this.#unpacked(item);
  }

  set(key: string, value: T): void {
    if (this.#packing === undefined) {
      this.#items.set(key, value);
      return;
    }
    const before = this.#items.get(key);
    this.#items.set(key, value);
    if (before === undefined || typeof before === 'string') this.#keepWarm(key);
  }

  delete(key: string): void {
    this.#items.delete(key);
  }

  *values(): Generator<T> {
    for (const item of this.#items.values()) yield this.#unpacked(item);
  }

  *entries(): Generator<[string, T]> {
    for (const [key, item] of this.#items) yield [key, this.#unpacked(item)];
  }

  keys(): IterableIterator<string> {
    return this.#items.keys();
  }

  #unpacked(item: T | string): T {
    return typeof item === 'string' && this.#packing !== undefined ? this.#packing.unpack(item) : (item as T);
  }

  /** One comes in, and the one that has been here longest is packed. */
  #keepWarm(key: string): void {
    if (this.#warm.length < this.#most) {
      this.#warm.push(key);
      return;
    }
    const oldest = this.#warm[this.#next] ?? '';
    this.#warm[this.#next] = key;
    this.#next = (this.#next + 1) % this.#most;
    const item = this.#items.get(oldest);
    if (item !== undefined && typeof item !== 'string' && oldest !== key && this.#packing !== undefined)
      this.#items.set(oldest, this.#packing.pack(item));
  }
}
