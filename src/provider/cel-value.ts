/**
 * A body as CEL sees it. Objects become Maps, so that a key is only ever a key (`__proto__`, `constructor`);
 * whole numbers become ints. What is larger than any login's answer stays out of reach of expressions,
 * whose cost is reckoned from these bounds.
 */

export type CelValue =
  | string
  | bigint
  | number
  | boolean
  | null
  | TooLarge
  | CelValue[]
  | Map<string, CelValue>;

/**
 * Members of a list or an object, levels, characters of a string, and values in all. Levels are few because the CEL library
 * keeps a type for each shape that it meets (an element of a list may be met in a macro), for good.
 */
export const MAX_MEMBERS = 500;
export const MAX_DEPTH = 10;
export const MAX_LIST_DEPTH = 4;
export const MAX_STRING = 65_536;
export const MAX_VALUES = 10_000;

const INT64 = 2 ** 63;

/** Stands for what is beyond a bound: it is there, and nothing can be read of it. */
export class TooLarge {
  readonly what: string;
  constructor(what: string) {
    this.what = what;
  }
}

/** @param value as JSON.parse gives it. */
export function toCel(value: unknown): CelValue {
  return convert(value, MAX_DEPTH, { left: MAX_VALUES });
}

/** @param levels that may still follow. */
function convert(value: unknown, levels: number, count: { left: number }): CelValue {
  if (count.left-- <= 0) return new TooLarge(`beyond the first ${MAX_VALUES} values of the answer`);
  switch (typeof value) {
    case 'string':
      return value.length > MAX_STRING ? new TooLarge(`longer than ${MAX_STRING} characters`) : value;
    case 'number':
      return Number.isInteger(value) && Math.abs(value) < INT64 ? BigInt(value) : value;
    case 'boolean':
      return value;
    case 'object':
      if (value === null) return null;
      return levels === 0 ? new TooLarge('nested too deep') : convertMembers(value, levels - 1, count);
    default:
      return null;
  }
}

function convertMembers(value: object, levels: number, count: { left: number }): CelValue {
  if (Array.isArray(value)) {
    if (value.length > MAX_MEMBERS) return new TooLarge(`a list of more than ${MAX_MEMBERS}`);
    return value.map(item => convert(item, Math.min(levels, MAX_LIST_DEPTH), count));
  }
  const entries = Object.entries(value);
  if (entries.length > MAX_MEMBERS) return new TooLarge(`an object of more than ${MAX_MEMBERS} members`);
  return new Map(entries.map(([key, item]) => [key, convert(item, levels, count)]));
}

/** The kind of a value, for a message; says nothing of its content. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === '') return 'an empty string';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Map) return 'an object';
  if (value instanceof TooLarge) return value.what;
  switch (typeof value) {
    case 'string':
      return 'a string';
    case 'boolean':
      return 'a boolean';
    case 'bigint':
    case 'number':
      return 'a number';
    default:
      return 'of a kind that is not expected';
  }
}
