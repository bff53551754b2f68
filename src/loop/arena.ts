/** Of one allocation. */
const PAGE_BYTES = 256 * 1024;
/** Sizes are rounded up to it, and what is freed serves the next of its size. */
const UNIT_BYTES = 16;
const UNITS = PAGE_BYTES / UNIT_BYTES;
/** Before what is kept stands its size. */
const HEAD_BYTES = 4;

/**
 * Very many small pieces of bytes, outside of V8's heap: there they cost what they are long, no collector walks over them, and
 * none of them makes the heap grow. A piece is known by a number.
 */
export class Arena {
  readonly #pages: Buffer[] = [];
  /** Numbers of pages that are no more. */
  readonly #gone: number[] = [];
  /** By size in units: where pieces were freed. */
  readonly #free = new Map<number, number[]>();
  #page = -1;
  /** Units of the present page that are in use. */
  #taken = UNITS;
  #used = 0;
  #held = 0;

  /** Bytes of what is kept. */
  get used(): number {
    return this.#used * UNIT_BYTES;
  }

  /** Bytes that were allocated for it. */
  get held(): number {
    return this.#held * UNIT_BYTES;
  }

  /** Copies. @returns the number that {@link read} and {@link free} take. */
  keep(bytes: Buffer): number {
    const units = unitsFor(bytes.length);
    const place = units > UNITS ? this.#add(units) : (this.#free.get(units)?.pop() ?? this.#next(units));
    this.#used += units;
    const page = this.#pageOf(place);
    const at = offsetOf(place);
    page.writeUInt32LE(bytes.length, at);
    bytes.copy(page, at + HEAD_BYTES);
    return place;
  }

  /** @returns a view, which is good until the piece is freed. */
  read(place: number): Buffer {
    const page = this.#pageOf(place);
    const from = offsetOf(place) + HEAD_BYTES;
    return page.subarray(from, from + page.readUInt32LE(from - HEAD_BYTES));
  }

  free(place: number): void {
    const units = unitsFor(this.read(place).length);
    this.#used -= units;
    if (units > UNITS) {
      const number = Math.floor(place / UNITS);
      this.#pages[number] = NOTHING;
      this.#gone.push(number);
      this.#held -= units;
      return;
    }
    const freed = this.#free.get(units);
    if (freed === undefined) this.#free.set(units, [place]);
    else freed.push(place);
  }

  /** From the end of the present page, or from a new one: what was left of the old is smaller than a piece, and lost. */
  #next(units: number): number {
    if (this.#taken + units > UNITS) {
      this.#page = Math.floor(this.#add(UNITS) / UNITS);
      this.#taken = 0;
    }
    const place = this.#page * UNITS + this.#taken;
    this.#taken += units;
    return place;
  }

  #add(units: number): number {
    this.#held += units;
    const page = Buffer.allocUnsafeSlow(units * UNIT_BYTES);
    const number = this.#gone.pop() ?? this.#pages.length;
    this.#pages[number] = page;
    return number * UNITS;
  }

  #pageOf(place: number): Buffer {
    return this.#pages[Math.floor(place / UNITS)] ?? NOTHING;
  }
}

const NOTHING = Buffer.alloc(0);

const unitsFor = (bytes: number): number => Math.ceil((bytes + HEAD_BYTES) / UNIT_BYTES);
const offsetOf = (place: number): number => (place % UNITS) * UNIT_BYTES;
