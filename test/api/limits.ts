import type { Json } from '../../sandbox/apiserver/json.ts';
import type { Schema } from '../../sandbox/apiserver/schema.ts';
import { CRDS } from './admission.ts';
import type { Manifest } from './objects.ts';
import { firstAt, nodes } from './schema-nodes.ts';
import { type Stored, storedObjects } from './stored.ts';

/** An object with one value just beyond one limit of the schema, made for each limit that there is. */
export interface Beyond {
  /** `spec.flow maxLength`. */
  readonly of: string;
  readonly kind: Stored['kind'];
  readonly object: Manifest;
  /** As the API server names it. */
  readonly field: string;
}

type Keys = readonly (string | number)[];
/** What to put in place of a value; undefined takes it away. */
type Change = readonly [limit: string, value: Json | undefined, below?: string | number];

export function beyondLimits(kind: Stored['kind']): Beyond[] {
  const objects = storedObjects().filter(each => each.kind === kind);
  return nodes(CRDS[kind].schema)
    .filter(({ path }) => /^(spec|status)/.test(path))
    .flatMap(({ path, schema }) => {
      const base = objects.find(({ object }) => firstAt(object, path) !== undefined);
      const keys = firstAt(base?.object, path);
      if (base === undefined || keys === undefined) throw new Error(`no stored object has ${path}`);
      return changes(schema, valueAt(base.object, keys)).map(([limit, value, below]) => {
        const at = below === undefined ? keys : [...keys, below];
        const object = structuredClone({ ...base.object });
        put(object, value === undefined ? at : keys, value);
        return { of: `${path} ${limit}`, kind, object, field: fieldOf(at) };
      });
    });
}

const WRONG_TYPE: Readonly<Record<string, Json>> = {
  string: 5,
  integer: 'many',
  boolean: 'yes',
  array: {},
  object: 'text',
};

function changes(schema: Schema, value: Json): Change[] {
  const limit = (name: string): number | undefined => {
    const found: unknown = Reflect.get(schema, name);
    return typeof found === 'number' ? found : undefined;
  };
  const found: Change[] = [];
  const when = (name: string, made: (most: number) => Json): void => {
    const most = limit(name);
    if (most !== undefined) found.push([name, made(most)]);
  };
  found.push(['type', WRONG_TYPE[schema.type ?? ''] ?? null]);
  if ('enum' in schema) found.push(['enum', 'Nonesuch']);
  if ('pattern' in schema) found.push(['pattern', ' ']);
  if (schema.format === 'date-time') found.push(['format', 'yesterday']);
  when('maxLength', most => 'a'.repeat(most + 1));
  when('minLength', () => '');
  when('minimum', least => least - 1);
  when('maximum', most => most + 1);
  when('minItems', () => []);
  when('maxItems', most => Array.from({ length: most + 1 }, (_, index) => another(value, index)));
  when('minProperties', () => ({}));
  when('maxProperties', most =>
    Object.fromEntries(Array.from({ length: most + 1 }, (_, index) => [`k${index}`, 'x'])),
  );
  for (const name of schema.required ?? []) found.push(['required', undefined, name]);
  if (schema['x-kubernetes-list-type'] !== undefined && Array.isArray(value)) {
    const [first = null] = value;
    found.push(['unique', [...value, first], value.length]);
  }
  return found;
}

/** An item like those of the list, and no other's equal. */
function another(list: Json, index: number): Json {
  const [first = null] = Array.isArray(list) ? list : [];
  if (typeof first !== 'object' || first === null || Array.isArray(first))
    return `${typeof first === 'string' ? first : ''}${index}`;
  return 'type' in first && !('name' in first)
    ? { ...first, type: `T${index}` }
    : { ...first, name: `n${index}` };
}

function valueAt(object: unknown, keys: Keys): Json {
  let value = object;
  for (const key of keys) value = Reflect.get(Object(value), key);
  return value as Json;
}

function put(object: object, keys: Keys, value: Json | undefined): void {
  const parent = Object(valueAt(object, keys.slice(0, -1))) as object;
  const key = keys.at(-1) ?? '';
  if (value === undefined) Reflect.deleteProperty(parent, key);
  else Reflect.set(parent, key, value);
}

function fieldOf(keys: Keys): string {
  return keys
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : index === 0 ? key : `.${key}`))
    .join('');
}
