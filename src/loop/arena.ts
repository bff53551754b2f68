import { roomFor } from './slots.ts';

/** Of one allocation. */
const PAGE_BYTES = 256 * 1024;
const UNIT_BYTES = 8;
const UNITS = PAGE_BYTES / UNIT_BYTES;
/** Before what is kept stand its number and its size. */
const HEAD_BYTES = 8;
/** Gaps may be so much of what is in use, and a few pages, before they are closed: less gap is more moving. */
const GAPS_SHARE = 1 / 4;
const GAPS_PAGES = 4;

/** The bytes of many pieces, one after the other. */
interface Page {
  readonly bytes: Buffer;
  /** Units from its start that were given out, and those of them that are in use. */
  taken: number;
  used: number;
}

/**
 * Very many small pieces of bytes, outside of V8's heap: there they cost what they are long, no collector walks over them, and
 * none of them makes the heap grow. A piece is known by a number.
 *
 * Pieces come one after the other, so that any size fits. What is freed leaves a gap; a page of gaps alone is given back, and
 * where there are too many of them, what is left in the emptiest page moves to the end.
 */
export class Arena {
  readonly #pages: (Page | undefined)[] = [];
  /** By number of a piece: its page and its unit there, in one. */
  #places = new Float64Array(0);
  /** Numbers of pieces and of pages that are no more. */
  readonly #gone: number[] = [];
  readonly #gonePages: number[] = [];
  #numbers = 0;
  #present: number | undefined;
  #used = 0;
  #held = 0;

  /** Bytes of what is kept. */
  get used(): number {
    return this.#used * UNIT_BYTES;
  }

  /** Bytes that were allocated for it. */
  get held(): number {
    return this.#held;
  }

  /** Copies. @returns the number that {@link read} and {@link free} take. */
  keep(bytes: Buffer): number {
    const number = this.#gone.pop() ?? this.#numbers++;
    this.#places = roomFor(this.#places, this.#numbers);
    const [page, at] = this.#append(number, unitsFor(bytes.length));
    page.writeUInt32LE(number, at);
    page.writeUInt32LE(bytes.length, at + 4);
    bytes.copy(page, at + HEAD_BYTES);
    return number;
  }

  /** @returns a view, which is good until a piece is freed. */
  read(number: number): Buffer {
    const place = this.#placeOf(number);
    const bytes = this.#pages[Math.floor(place / UNITS)]?.bytes ?? NOTHING;
    const from = (place % UNITS) * UNIT_BYTES + HEAD_BYTES;
    return bytes.subarray(from, from + bytes.readUInt32LE(from - 4));
  }

  free(number: number): void {
    const place = this.#placeOf(number);
    const units = unitsFor(this.read(number).length);
    this.#places[number] = NOWHERE;
    this.#gone.push(number);
    this.#leave(Math.floor(place / UNITS), units);
    this.#closeGaps();
  }

  /** @returns where there is room now for so much. */
  #append(number: number, units: number): readonly [bytes: Buffer, at: number] {
    let at = this.#present;
    let page = at === undefined ? undefined : this.#pages[at];
    if (at === undefined || page === undefined || page.taken + units > UNITS) {
      at = this.#gonePages.pop() ?? this.#pages.length;
      page = { bytes: Buffer.allocUnsafeSlow(Math.max(UNITS, units) * UNIT_BYTES), taken: 0, used: 0 };
      this.#pages[at] = page;
      this.#held += page.bytes.length;
      if (units < UNITS) this.#present = at;
    }
    const from = page.taken;
    this.#places[number] = at * UNITS + from;
    page.taken += units;
    page.used += units;
    this.#used += units;
    return [page.bytes, from * UNIT_BYTES];
  }

  /** One page at a time, so that nobody waits long. */
  #closeGaps(): void {
    if (this.#held - this.used <= this.used * GAPS_SHARE + GAPS_PAGES * PAGE_BYTES) return;
    let [emptiest, least] = [-1, UNITS];
    for (const [at, page] of this.#pages.entries()) {
      if (page === undefined || at === this.#present || page.used >= least) continue;
      [emptiest, least] = [at, page.used];
    }
    const page = this.#pages[emptiest];
    if (page !== undefined) this.#empty(emptiest, page);
  }

  /** The last piece that moves gives the page back. */
  #empty(from: number, { bytes, taken }: Page): void {
    for (let unit = 0; unit < taken; ) {
      const at = unit * UNIT_BYTES;
      const number = bytes.readUInt32LE(at);
      const units = unitsFor(bytes.readUInt32LE(at + 4));
      // Another piece may have its number by now.
      if (this.#places[number] === from * UNITS + unit) {
        const [page, to] = this.#append(number, units);
        bytes.copy(page, to, at, at + units * UNIT_BYTES);
        this.#leave(from, units);
      }
      unit += units;
    }
  }

  /** A page of which nothing is in use any more is given back. */
  #leave(at: number, units: number): void {
    const page = this.#pages[at];
    if (page === undefined) return;
    page.used -= units;
    this.#used -= units;
    if (page.used > 0) return;
    this.#held -= page.bytes.length;
    this.#pages[at] = undefined;
    this.#gonePages.push(at);
  }

  #placeOf(number: number): number {
    const place = this.#places[number] ?? NOWHERE;
    if (place === NOWHERE) throw new RangeError(`nothing is kept under ${number}`);
    return place;
  }
}

const NOWHERE = -1;
const NOTHING = Buffer.alloc(0);

const unitsFor = (bytes: number): number => Math.ceil((bytes + HEAD_BYTES) / UNIT_BYTES);
