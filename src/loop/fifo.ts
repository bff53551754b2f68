/** Below so many, what was taken out is not worth moving the rest for. */
const MOVE_FROM = 1024;

/**
 * First in, first out, in constant time however many there are: an array's `shift` moves all that stay, and a Map that
 * loses its first entries is slow to find the next.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #taken = 0;

  get size(): number {
    return this.#items.length - this.#taken;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#taken];
    this.#items[this.#taken] = undefined;
    this.#taken += 1;
    if (this.size === 0 || (this.#taken >= MOVE_FROM && this.#taken > this.size)) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }

  /** What is there, in its order. */
  *[Symbol.iterator](): Generator<T> {
    for (let at = this.#taken; at < this.#items.length; at += 1) yield this.#items[at] as T;
  }
}
