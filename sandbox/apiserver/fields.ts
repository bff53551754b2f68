import { remembering } from '../remember.ts';
import { equal, type FieldSet, isObject, type Json, type JsonObject } from './json.ts';
import { childSchema, itemKey, type Schema } from './schema.ts';

/** Sets of fields, as server-side apply keeps them for each manager. Undefined is the empty set. */
export type Fields = FieldSet | undefined;

const isEmpty = (set: FieldSet): boolean => {
  for (const _ in set) return false;
  return true;
};
const isMember = (set: FieldSet): boolean => '.' in set || isEmpty(set);

function build(member: boolean, children: FieldSet, hasChildren: boolean): Fields {
  if (!hasChildren) return member ? {} : undefined;
  return member && !('.' in children) ? { '.': {}, ...children } : children;
}

/** Goes over both sets; `member` tells of each field whether it is in the result. */
function combine(
  a: Fields,
  b: Fields,
  member: (inA: boolean, inB: boolean) => boolean,
  rest: boolean,
): Fields {
  if (a === undefined && (b === undefined || !rest)) return undefined;
  const children: FieldSet = {};
  let count = 0;
  const add = (element: string): void => {
    const child = combine(a?.[element], b?.[element], member, rest);
    if (child === undefined) return;
    children[element] = child;
    count += 1;
  };
  for (const element in a) if (element !== '.') add(element);
  if (rest) for (const element in b) if (element !== '.' && a?.[element] === undefined) add(element);
  return build(member(a !== undefined && isMember(a), b !== undefined && isMember(b)), children, count > 0);
}

/** Whether every member of `b` is one of `a`. */
export function includes(a: Fields, b: Fields): boolean {
  if (b === undefined) return true;
  if (a === undefined || (isMember(b) && !isMember(a))) return false;
  for (const element in b) if (element !== '.' && !includes(a[element], b[element])) return false;
  return true;
}

/** Whether the two have a member in common. */
function meet(a: FieldSet, b: FieldSet): boolean {
  if (isMember(a) && isMember(b)) return true;
  for (const element in b) {
    const [inA, inB] = [a[element], b[element]];
    if (element !== '.' && inA !== undefined && inB !== undefined && meet(inA, inB)) return true;
  }
  return false;
}

/** Keeps the identity of `a` where `b` adds nothing. */
export const union = (a: Fields, b: Fields): Fields =>
  a === undefined ? b : includes(a, b) ? a : combine(a, b, (inA, inB) => inA || inB, true);
export const intersection = (a: Fields, b: Fields): Fields =>
  a === undefined || b === undefined ? undefined : combine(a, b, (inA, inB) => inA && inB, false);

/** Keeps the identity of `a` where the two have nothing in common. */
export function difference(a: Fields, b: Fields): Fields {
  if (a === undefined || b === undefined || !meet(a, b)) return a;
  return combine(a, b, (inA, inB) => inA && !inB, false);
}

export const isGranularMap = (value: Json | undefined, schema: Schema | undefined): value is JsonObject =>
  isObject(value) && schema?.['x-kubernetes-map-type'] !== 'atomic';

/** The items of a list that is merged item by item, each under its key; undefined for a list that is one value. */
export function itemsOf(value: Json | undefined, schema: Schema | undefined): Map<string, Json> | undefined {
  const type = schema?.['x-kubernetes-list-type'];
  if (!Array.isArray(value) || (type !== 'map' && type !== 'set')) return undefined;
  const items = new Map<string, Json>();
  for (const item of value) items.set(itemKey(schema, item) ?? '', item);
  return items;
}

const LEAF: FieldSet = {};

/** A member of a map: the few keys come again with every write. */
const elementOf = remembering(key => `f:${key}`);

/**
 * The fields that a value has: with `containers`, maps and lists themselves as well (what an update owns);
 * without, what an applier means, the leaves.
 */
export function fieldsOf(value: Json | undefined, schema: Schema | undefined, containers: boolean): Fields {
  if (value === undefined) return undefined;
  if (typeof value !== 'object') return LEAF;
  const children: FieldSet = {};
  let count = 0;
  if (isGranularMap(value, schema)) {
    for (const key of Object.keys(value)) {
      const child = fieldsOf(value[key], childSchema(schema, key), containers);
      if (child === undefined) continue;
      children[elementOf(key)] = child;
      count += 1;
    }
    return build(containers || count === 0, children, count > 0);
  }
  const items = itemsOf(value, schema);
  if (items === undefined) return {};
  for (const [key, item] of items) {
    const below = key.startsWith('k:') ? fieldsOf(item, schema?.items, containers) : {};
    children[key] = below === undefined || isEmpty(below) ? {} : { '.': {}, ...below };
    count += 1;
  }
  return build(containers, children, count > 0);
}

export interface Difference {
  /** Added or modified. */
  readonly changed: Fields;
  readonly removed: Fields;
}
const SAME: Difference = { changed: undefined, removed: undefined };

export function compare(a: Json | undefined, b: Json | undefined, schema: Schema | undefined): Difference {
  if (a === b) return SAME;
  if (a === undefined) return { changed: fieldsOf(b, schema, true), removed: undefined };
  if (b === undefined) return { changed: undefined, removed: fieldsOf(a, schema, true) };
  if (isGranularMap(a, schema) && isGranularMap(b, schema)) return compareMaps(a, b, schema);
  const before = itemsOf(a, schema);
  const after = itemsOf(b, schema);
  if (before !== undefined && after !== undefined) return compareItems(before, after, schema);
  return equal(a, b) ? SAME : { changed: {}, removed: undefined };
}

function compareMaps(a: JsonObject, b: JsonObject, schema: Schema | undefined): Difference {
  const changes = new Changes();
  for (const key of Object.keys(b)) {
    if (a[key] !== b[key]) changes.add(elementOf(key), compare(a[key], b[key], childSchema(schema, key)));
  }
  for (const key of Object.keys(a)) {
    if (b[key] === undefined)
      changes.add(elementOf(key), compare(a[key], undefined, childSchema(schema, key)));
  }
  return changes.result();
}

type Items = ReadonlyMap<string, Json>;

function compareItems(before: Items, after: Items, schema: Schema | undefined): Difference {
  const changes = new Changes();
  for (const [key, item] of after) {
    const was = before.get(key);
    if (key.startsWith('k:')) changes.add(key, compare(was, item, schema?.items));
    else if (was === undefined) changes.add(key, { changed: {}, removed: undefined });
  }
  for (const [key, item] of before) {
    if (after.has(key)) continue;
    const whole = key.startsWith('k:') ? fieldsOf(item, schema?.items, true) : {};
    changes.add(key, { changed: undefined, removed: whole });
  }
  return changes.result();
}

/** Gathers the differences of a container's children. */
class Changes {
  private changed: FieldSet | undefined;
  private removed: FieldSet | undefined;

  add(element: string, { changed, removed }: Difference): void {
    if (changed !== undefined) {
      this.changed ??= {};
      this.changed[element] = changed;
    }
    if (removed !== undefined) {
      this.removed ??= {};
      this.removed[element] = removed;
    }
  }

  result(): Difference {
    return { changed: this.changed, removed: this.removed };
  }
}

/** The paths of a set's members, as in `.spec.parts[name="p"].count`. */
export function pathsOf(set: Fields, prefix = ''): string[] {
  if (set === undefined) return [];
  const paths = isMember(set) ? [prefix] : [];
  for (const [element, child] of Object.entries(set)) {
    if (element !== '.') paths.push(...pathsOf(child, prefix + pathElement(element)));
  }
  return paths;
}

function pathElement(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('v:')) return `[=${rest}]`;
  const key = JSON.parse(rest) as JsonObject;
  return `[${Object.entries(key)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',')}]`;
}

/** The value with another laid over it: maps and keyed lists are merged, everything else is replaced. What did not change keeps its identity. */
export function merge(live: Json | undefined, applied: Json, schema: Schema | undefined): Json {
  if (typeof applied !== 'object') return applied;
  if (isGranularMap(live, schema) && isGranularMap(applied, schema)) {
    let result = live;
    for (const key of Object.keys(applied)) {
      const value = applied[key];
      if (value === undefined) continue;
      const merged = merge(live[key], value, childSchema(schema, key));
      if (merged === live[key]) continue;
      if (result === live) result = { ...live };
      result[key] = merged;
    }
    return result;
  }
  const before = itemsOf(live, schema);
  const after = itemsOf(applied, schema);
  if (before === undefined || after === undefined) return equal(live, applied) ? (live ?? applied) : applied;
  let changed = false;
  for (const [key, item] of after) {
    const merged = merge(before.get(key), item, schema?.items);
    changed ||= merged !== before.get(key);
    before.set(key, merged);
  }
  return changed || live === undefined ? [...before.values()] : live;
}

/** Takes away what was in `dropped` and is in nobody's set now; a container that this leaves empty goes too. */
export function prune(
  value: Json,
  dropped: Fields,
  owned: Fields,
  schema: Schema | undefined,
): Json | undefined {
  if (dropped === undefined) return value;
  if (isMember(dropped) && owned === undefined) return undefined;
  if (isGranularMap(value, schema)) {
    const entries = new Map<string, Json>();
    for (const [key, entry] of Object.entries(value)) if (entry !== undefined) entries.set(`f:${key}`, entry);
    const changed = pruneEach(entries, dropped, owned, element => childSchema(schema, element.slice(2)));
    if (!changed) return value;
    if (owned === undefined && entries.size === 0) return undefined;
    return Object.fromEntries([...entries].map(([element, entry]) => [element.slice(2), entry]));
  }
  const items = itemsOf(value, schema);
  if (items === undefined || !pruneEach(items, dropped, owned, () => schema?.items)) return value;
  return owned === undefined && items.size === 0 ? undefined : [...items.values()];
}

/** Tells whether anything changed. */
function pruneEach(
  entries: Map<string, Json>,
  dropped: FieldSet,
  owned: Fields,
  schemaOf: (element: string) => Schema | undefined,
): boolean {
  let changed = false;
  for (const [element, entry] of entries) {
    const kept = prune(entry, dropped[element], owned?.[element], schemaOf(element));
    if (kept === entry) continue;
    changed = true;
    if (kept === undefined) entries.delete(element);
    else entries.set(element, kept);
  }
  return changed;
}

const texts = new WeakMap<FieldSet, string>();
const setOf = remembering(text => {
  const set = JSON.parse(text) as FieldSet;
  texts.set(set, text);
  return set;
});

/** The objects of a kind have their fields from the same few writers: equal sets are one, and its JSON is made once. */
export const shared = (set: FieldSet): FieldSet => (texts.has(set) ? set : setOf(JSON.stringify(set)));
export const setText = (set: FieldSet): string => texts.get(set) ?? JSON.stringify(set);
