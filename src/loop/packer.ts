/**
 * Keeps what JSON can say in a string a quarter as long: names of fields, and words that come again and again, are numbers of a
 * dictionary that all share; times and UUIDs are written shorter. What is undefined is left out, as JSON does.
 * The dictionary is bounded: what no longer fits is written out.
 */
export class Packer {
  readonly #words = new Map<string, number>();
  readonly #wordOf: string[] = [];
  readonly #root: Shape = { fields: [], number: undefined, next: new Map() };
  readonly #shapes: Shape[] = [];
  /** How many ways lead on from one field to another. */
  #steps = 0;
  readonly #common: ReadonlySet<string>;

  /** @param common fields whose text is one of few. */
  constructor(common: Iterable<string>) {
    this.#common = new Set(common);
  }

  pack(value: object): string {
    const tokens: Token[] = [];
    this.#put(tokens, value, false);
    return JSON.stringify(tokens);
  }

  /** @param packed by this very packer. */
  unpack(packed: string): unknown {
    return this.#take({ tokens: JSON.parse(packed) as Token[], at: 0 });
  }

  #put(tokens: Token[], value: unknown, common: boolean): void {
    if (typeof value === 'string') tokens.push((common ? this.#word(value) : undefined) ?? shortened(value));
    else if (typeof value === 'number') tokens.push(`#${value}`);
    else if (Array.isArray(value)) {
      tokens.push(FIRST_LIST - value.length);
      for (const item of value as readonly unknown[]) this.#put(tokens, item ?? null, common);
    } else if (typeof value === 'object' && value !== null) {
      this.#putObject(tokens, value as Readonly<Record<string, unknown>>);
    } else tokens.push(value as boolean | null);
  }

  #putObject(tokens: Token[], object: Readonly<Record<string, unknown>>): void {
    let shape: Shape | undefined = this.#root;
    for (const field in object) {
      if (object[field] === undefined) continue;
      shape = this.#step(shape, field);
      if (shape === undefined) break;
    }
    if (shape === undefined) {
      const fields = Object.keys(object).filter(field => object[field] !== undefined);
      tokens.push(PAIRS, FIRST_LIST - fields.length);
      for (const field of fields) tokens.push(field);
    } else {
      if (shape.number === undefined) shape.number = this.#shapes.push(shape) - 1;
      tokens.push(2 * shape.number + 1);
    }
    for (const field in object) {
      const value = object[field];
      if (value !== undefined) this.#put(tokens, value, this.#common.has(field));
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

  #word(text: string): number | undefined {
    const known = this.#words.get(text);
    if (known !== undefined) return known;
    if (this.#wordOf.length >= MOST_WORDS || text.length > LONGEST_WORD) return undefined;
    const number = 2 * (this.#wordOf.push(text) - 1);
    this.#words.set(text, number);
    return number;
  }

  #take(from: Cursor): unknown {
    const token = from.tokens[from.at++];
    if (typeof token === 'string') return lengthened(token);
    if (typeof token !== 'number') return token;
    if (token <= FIRST_LIST) return Array.from({ length: FIRST_LIST - token }, () => this.#take(from));
    if (token === PAIRS) {
      const count = FIRST_LIST - Number(from.tokens[from.at]);
      const fields = from.tokens.slice(from.at + 1, from.at + 1 + count).map(String);
      from.at += 1 + count;
      return this.#takeObject(fields, from);
    }
    return token % 2 === 0
      ? this.#wordOf[token / 2]
      : this.#takeObject(this.#shapes[(token - 1) / 2]?.fields ?? [], from);
  }

  #takeObject(fields: readonly string[], from: Cursor): unknown {
    const object: Record<string, unknown> = {};
    for (const field of fields) {
      const value = this.#take(from);
      if (field !== '__proto__') object[field] = value;
      // a key of a Secret may be called so
      else
        Object.defineProperty(object, field, { value, enumerable: true, configurable: true, writable: true });
    }
    return object;
  }
}

/** Even numbers are words, odd ones objects of a known shape; then there are lists of 0, 1, 2… items. */
type Token = string | number | boolean | null;
interface Cursor {
  readonly tokens: readonly Token[];
  at: number;
}
/** An object whose fields are written out. */
const PAIRS = -1;
const FIRST_LIST = -2;
const MOST_WORDS = 4096;
const MOST_STEPS = 8192;
const LONGEST_WORD = 512;

/** The fields of an object, in their order: a path from the empty one. */
interface Shape {
  readonly fields: readonly string[];
  number: number | undefined;
  readonly next: Map<string, Shape>;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const [NUMBER, TIME, UID, AS_IT_IS] = ['#', '@', '=', '"'].map(mark => mark.charCodeAt(0));
const [DASH, T, Z, COLON] = ['-', 'T', 'Z', ':'].map(character => character.charCodeAt(0));

function shortened(text: string): string {
  if (isTime(text)) return `@${(Date.parse(text) / 1000).toString(36)}`;
  if (text.length === 36 && text.charCodeAt(8) === DASH && UUID.test(text)) {
    const hex =
      text.slice(0, 8) + text.slice(9, 13) + text.slice(14, 18) + text.slice(19, 23) + text.slice(24);
    return `=${Buffer.from(hex, 'hex').toString('base64url')}`;
  }
  const first = text.charCodeAt(0);
  return first === NUMBER || first === TIME || first === UID || first === AS_IT_IS ? `"${text}` : text;
}

/** RFC 3339 to the second, as we and Kubernetes write it, of a day that there is. */
function isTime(text: string): boolean {
  if (text.length !== 20 || text.charCodeAt(19) !== Z || text.charCodeAt(10) !== T) return false;
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return false;
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return false;
  return new Date(text).getUTCDate() === Number(text.slice(8, 10));
}

function lengthened(text: string): string | number {
  switch (text.charCodeAt(0)) {
    case NUMBER:
      return Number(text.slice(1));
    case TIME: {
      const seconds = Number.parseInt(text.slice(1), 36);
      return Number.isNaN(seconds) ? '' : `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
    }
    case UID: {
      const hex = Buffer.from(text.slice(1), 'base64url').toString('hex');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    }
    case AS_IT_IS:
      return text.slice(1);
    default:
      return text;
  }
}
