/**
 * Gives each key a small number, so that what is known of it can stand in arrays of numbers: an object for each of very many
 * keys costs several times as much. Numbers that were given back serve again.
 */
export class Slots {
  readonly #slotOf = new Map<string, number>();
  readonly #keys: (string | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#slotOf.size;
  }

  /** Every number is below it. */
  get limit(): number {
    return this.#keys.length;
  }

  find(key: string): number | undefined {
    return this.#slotOf.get(key);
  }

  /** Its number, which it is given where it has none. */
  take(key: string): number {
    const known = this.#slotOf.get(key);
    if (known !== undefined) return known;
    const slot = this.#free.pop() ?? this.#keys.length;
    this.#keys[slot] = key;
    this.#slotOf.set(key, slot);
    return slot;
  }

  /** @returns the number that it had. */
  release(key: string): number | undefined {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return undefined;
    this.#slotOf.delete(key);
    this.#keys[slot] = undefined;
    this.#free.push(slot);
    return slot;
  }

  keyOf(slot: number): string {
    return this.#keys[slot] ?? '';
  }

  entries(): IterableIterator<[string, number]> {
    return this.#slotOf.entries();
  }
}

const LEAST = 64;

export type Numbers = Float64Array<ArrayBuffer>;

/** A column that has room for `length` numbers: the same, or a longer one with the same in it. */
export function roomFor(column: Numbers, length: number): Numbers {
  if (column.length >= length) return column;
  const longer = new Float64Array(Math.max(LEAST, length, Math.ceil(1.5 * column.length)));
  longer.set(column);
  return longer;
}
