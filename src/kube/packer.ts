import { instant } from '../api/instant.ts';

/**
 * Keeps what JSON can say in a quarter of its bytes: fields of objects, and words that come again and again, are numbers of a
 * dictionary that all share; times, UUIDs, numbers and base64url are written as what they mean. What is undefined is left out,
 * as JSON does. The dictionary is bounded: what no longer fits is written out.
 */
export class Packer {
  readonly #words = new Map<string, number>();
  readonly #wordOf: string[] = [];
  readonly #root: Shape = { fields: [], number: undefined, next: new Map() };
  readonly #shapes: Shape[] = [];
  /** How many ways lead on from one field to another. */
  #steps = 0;
  readonly #common: ReadonlySet<string>;
  /** Where it writes, and where it reads. */
  #bytes = Buffer.allocUnsafeSlow(4096);
  #at = 0;

  /** @param common fields whose text is one of few. */
  constructor(common: Iterable<string>) {
    this.#common = new Set(common);
  }

  /** @returns bytes that stay as they are until the next call. */
  pack(value: object): Buffer {
    this.#at = 0;
    this.#put(value, false);
    return this.#bytes.subarray(0, this.#at);
  }

  /** @param packed by this very packer. */
  unpack(packed: Buffer): unknown {
    return new Unpacking(packed, this.#wordOf, this.#shapes).take();
  }

  #put(value: unknown, common: boolean): void {
    if (typeof value === 'string') this.#putText(value, common);
    else if (typeof value === 'number') this.#putNumber(value);
    else if (Array.isArray(value)) {
      this.#mark(LIST, value.length);
      for (const item of value as readonly unknown[]) this.#put(item ?? null, common);
    } else if (typeof value === 'object' && value !== null) {
      this.#putObject(value as Readonly<Record<string, unknown>>);
    } else this.#mark(CONSTANT, CONSTANTS.indexOf(value as boolean | null));
  }

  #putObject(object: Readonly<Record<string, unknown>>): void {
    let shape: Shape | undefined = this.#root;
    for (const field in object) {
      if (object[field] === undefined) continue;
      shape = this.#step(shape, field);
      if (shape === undefined) break;
    }
    if (shape === undefined) {
      const fields = Object.keys(object).filter(field => object[field] !== undefined);
      this.#mark(PAIRS, fields.length);
      for (const field of fields) this.#putText(field, false);
    } else {
      shape.number ??= this.#shapes.push(shape) - 1;
      this.#mark(SHAPE, shape.number);
    }
    for (const field in object) {
      const value = object[field];
      if (value !== undefined) this.#put(value, this.#common.has(field));
    }
  }

  /** @returns undefined when there are too many. */
  #step(shape: Shape, field: string): Shape | undefined {
    const known = shape.next.get(field);
    if (known !== undefined || this.#steps >= MOST_STEPS) return known;
    this.#steps += 1;
    const next: Shape = { fields: [...shape.fields, field], number: undefined, next: new Map() };
    shape.next.set(field, next);
    return next;
  }

  #putNumber(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0 && value < MOST_WHOLE) {
      this.#mark(INTEGER, value);
      return;
    }
    this.#mark(DOUBLE, 0);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  #putText(text: string, common: boolean): void {
    const word = common ? this.#word(text) : undefined;
    const first = text.charCodeAt(0);
    const isNumber = word === undefined && first >= ZERO && first <= NINE;
    const seconds = isNumber ? secondsOf(text) : undefined;
    if (word !== undefined) this.#mark(WORD, word);
    else if (seconds !== undefined) this.#mark(TIME, seconds);
    else if (isNumber && DIGITS_ALONE.test(text)) this.#mark(DIGITS, Number(text));
    else if (text.length === 36 && UUID.test(text)) this.#putUuid(text);
    else if (text.length < LEAST_BASE64 || !this.#putBase64(text)) this.#putWhole(text);
  }

  #putWhole(text: string): void {
    const { length } = text;
    let ascii = length <= SHORT;
    for (let at = 0; at < length && ascii; at += 1) ascii = text.charCodeAt(at) < 128;
    if (ascii) {
      this.#mark(ASCII, length);
      for (let at = 0; at < length; at += 1) this.#bytes[this.#at + at] = text.charCodeAt(at);
      this.#at += length;
      return;
    }
    const size = Buffer.byteLength(text);
    this.#mark(size === length ? ASCII : TEXT, size);
    this.#at += this.#bytes.write(text, this.#at, 'utf8');
  }

  #putUuid(text: string): void {
    this.#mark(UID, 0);
    this.#at += this.#bytes.write(text.replaceAll('-', ''), this.#at, 'hex');
  }

  /** The last part of a digest or of a JWT; what stands before it is common to many. */
  #putBase64(text: string): boolean {
    const cut = Math.max(text.lastIndexOf(':'), text.lastIndexOf('.'));
    if (cut === -1 || text.length - cut <= LEAST_BASE64) return false;
    const last = text.slice(cut + 1);
    if (!BASE64.test(last)) return false;
    const bytes = Buffer.from(last, 'base64url');
    if (bytes.toString('base64url') !== last) return false;
    this.#mark(text.charCodeAt(cut) === COLON ? AFTER_COLON : AFTER_DOT, bytes.length);
    this.#at += bytes.copy(this.#bytes, this.#at);
    const head = text.slice(0, cut);
    this.#putText(head, HEAD.test(head));
    return true;
  }

  #word(text: string): number | undefined {
    const known = this.#words.get(text);
    if (known !== undefined) return known;
    if (this.#wordOf.length >= MOST_WORDS || text.length > LONGEST_WORD) return undefined;
    const number = this.#wordOf.push(text) - 1;
    this.#words.set(text, number);
    return number;
  }

  /** What comes next, and how much of it; there is room for as many bytes then. */
  #mark(kind: number, count: number): void {
    const room = this.#at + MOST_FIXED + (kind >= FIRST_OF_BYTES ? count : 0);
    if (room > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * room);
      this.#bytes.copy(larger, 0, 0, this.#at);
      this.#bytes = larger;
    }
    let rest = count * KINDS + kind;
    while (rest >= 128) {
      this.#bytes[this.#at++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }
}

/** One reading, from the front to the end. */
class Unpacking {
  readonly #bytes: Buffer;
  readonly #words: readonly string[];
  readonly #shapes: readonly Shape[];
  #at = 0;

  constructor(bytes: Buffer, words: readonly string[], shapes: readonly Shape[]) {
    this.#bytes = bytes;
    this.#words = words;
    this.#shapes = shapes;
  }

  take(): unknown {
    const mark = this.#number();
    const count = Math.floor(mark / KINDS);
    switch (mark % KINDS) {
      case WORD:
        return this.#words[count];
      case SHAPE:
        return this.#object(this.#shapes[count]?.fields ?? []);
      case PAIRS:
        return this.#object(Array.from({ length: count }, () => String(this.take())));
      case LIST:
        return Array.from({ length: count }, () => this.take());
      case INTEGER:
        return count;
      case DIGITS:
        return String(count);
      case CONSTANT:
        return CONSTANTS[count];
      case TIME:
        return instant(count * 1000);
      case DOUBLE:
        return this.#double();
      case UID:
        return uuidOf(this.#text('hex', 16));
      case ASCII:
        return this.#text('latin1', count);
      case TEXT:
        return this.#text('utf8', count);
      case AFTER_COLON:
        return this.#base64(count, ':');
      default:
        return this.#base64(count, '.');
    }
  }

  #object(fields: readonly string[]): unknown {
    const object: Record<string, unknown> = {};
    for (const field of fields) {
      const value = this.take();
      if (field !== '__proto__') object[field] = value;
      // a key of a Secret may be called so
      else
        Object.defineProperty(object, field, { value, enumerable: true, configurable: true, writable: true });
    }
    return object;
  }

  #base64(count: number, separator: string): string {
    const last = this.#text('base64url', count);
    return `${String(this.take())}${separator}${last}`;
  }

  #text(encoding: BufferEncoding, count: number): string {
    const from = this.#at;
    this.#at += count;
    return this.#bytes.toString(encoding, from, this.#at);
  }

  #double(): number {
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  #number(): number {
    let number = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.#at++] ?? 0;
      if (byte < 128) return number + byte * scale;
      number += (byte - 128) * scale;
      scale *= 128;
    }
  }
}

/** What comes next. From {@link FIRST_OF_BYTES} on as many bytes follow as are counted. */
const [WORD, SHAPE, PAIRS, LIST, INTEGER, DIGITS, CONSTANT, TIME, DOUBLE, UID] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
];
const FIRST_OF_BYTES = 10;
const [ASCII, TEXT, AFTER_COLON, AFTER_DOT] = [10, 11, 12, 13];
const KINDS = 16;
/** A mark, and what follows where it is not counted. */
const MOST_FIXED = 32;
const CONSTANTS: readonly (boolean | null)[] = [null, true, false];
const MOST_WORDS = 4096;
const MOST_STEPS = 8192;
const LONGEST_WORD = 512;
/** Beyond it a native copy is quicker. */
const SHORT = 24;
/** Shorter ones save too little. */
const LEAST_BASE64 = 16;
/** Times {@link KINDS} it is still exact. */
const MOST_WHOLE = 2 ** 48;

/** The fields of an object, in their order: a path from the empty one. */
interface Shape {
  readonly fields: readonly string[];
  number: number | undefined;
  readonly next: Map<string, Shape>;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const BASE64 = /^[A-Za-z0-9_-]+$/;
/** Of our digests, and of JWTs: one of few. */
const HEAD = /^(v\d+:[0-9a-z]+|eyJ[A-Za-z0-9_-]{1,60})$/;
const DIGITS_ALONE = /^(0|[1-9][0-9]{0,13})$/;
const [ZERO, NINE, COLON, T, Z] = [0x30, 0x39, 0x3a, 0x54, 0x5a] as const;

/** Days that were seen, by their text: when they begin, in seconds since 1970. Most times are of a few days. */
const startOfDay = new Map<string, number>();
const MOST_DAYS = 1000;

/** RFC 3339 to the second, as we and Kubernetes write it, of a day that there is. @returns since 1970; undefined for any other text. */
function secondsOf(text: string): number | undefined {
  if (text.length !== 20 || text.charCodeAt(19) !== Z || text.charCodeAt(10) !== T) return undefined;
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return undefined;
  const [hours, minutes, seconds] = [numberAt(text, 11), numberAt(text, 14), numberAt(text, 17)];
  if (!(hours < 24 && minutes < 60 && seconds < 60)) return undefined;
  const day = text.slice(0, 10);
  const start = startOfDay.get(day) ?? startOf(day);
  return start < 0 ? undefined : start + 3600 * hours + 60 * minutes + seconds;
}

/** Of two digits; else NaN. */
function numberAt(text: string, at: number): number {
  const [tens, ones] = [text.charCodeAt(at) - ZERO, text.charCodeAt(at + 1) - ZERO];
  return tens >= 0 && tens < 10 && ones >= 0 && ones < 10 ? 10 * tens + ones : Number.NaN;
}

/** @returns -1 where there is no such day. */
function startOf(day: string): number {
  const start = Date.parse(day) / 1000;
  if (!(start >= 0) || !instant(start * 1000).startsWith(`${day}T`)) return -1;
  if (startOfDay.size >= MOST_DAYS) startOfDay.clear();
  startOfDay.set(day, start);
  return start;
}

function uuidOf(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
