import { z } from 'zod';
import { isObject, type Json, type JsonObject } from './json.ts';

/** A structural schema, as a CRD holds it. Unknown keywords are kept, since OpenAPI shows the schema as it came. */
export interface Schema {
  readonly type?: string | undefined;
  readonly format?: string | undefined;
  readonly description?: string | undefined;
  readonly minimum?: number | undefined;
  readonly nullable?: boolean | undefined;
  readonly default?: Json | undefined;
  readonly required?: readonly string[] | undefined;
  readonly properties?: Readonly<Record<string, Schema>> | undefined;
  readonly additionalProperties?: Schema | boolean | undefined;
  readonly items?: Schema | undefined;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean | undefined;
  readonly 'x-kubernetes-int-or-string'?: boolean | undefined;
  readonly 'x-kubernetes-embedded-resource'?: boolean | undefined;
  readonly 'x-kubernetes-list-type'?: string | undefined;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[] | undefined;
  readonly 'x-kubernetes-map-type'?: string | undefined;
  readonly 'x-kubernetes-validations'?: readonly Rule[] | undefined;
}

export interface Rule {
  readonly rule: string;
  readonly message?: string | undefined;
  readonly messageExpression?: string | undefined;
  readonly fieldPath?: string | undefined;
  readonly reason?: string | undefined;
  readonly optionalOldSelf?: boolean | undefined;
}

const Rule = z.object({
  rule: z.string(),
  message: z.string().optional(),
  messageExpression: z.string().optional(),
  fieldPath: z.string().optional(),
  reason: z.string().optional(),
  optionalOldSelf: z.boolean().optional(),
});

export const Schema: z.ZodType<Schema> = z.looseObject({
  type: z.string().optional(),
  format: z.string().optional(),
  description: z.string().optional(),
  minimum: z.number().optional(),
  nullable: z.boolean().optional(),
  default: z.json().optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), Schema).optional();
  },
  get additionalProperties() {
    return z.union([z.boolean(), Schema]).optional();
  },
  get items() {
    return Schema.optional();
  },
  'x-kubernetes-preserve-unknown-fields': z.boolean().optional(),
  'x-kubernetes-int-or-string': z.boolean().optional(),
  'x-kubernetes-embedded-resource': z.boolean().optional(),
  'x-kubernetes-list-type': z.string().optional(),
  'x-kubernetes-list-map-keys': z.array(z.string()).optional(),
  'x-kubernetes-map-type': z.string().optional(),
  'x-kubernetes-validations': z.array(Rule).optional(),
});

/** The schema of a key: declared, or what `additionalProperties` says of all others. */
export function childSchema(schema: Schema | undefined, key: string): Schema | undefined {
  if (schema === undefined) return undefined;
  const { properties, additionalProperties } = schema;
  if (properties !== undefined && Object.hasOwn(properties, key)) return properties[key];
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

/** What tells an item of an associative list from another; undefined for a list that is one value. */
export function itemKey(schema: Schema | undefined, item: Json): string | undefined {
  const type = schema?.['x-kubernetes-list-type'];
  if (type === 'set') return `v:${JSON.stringify(item)}`;
  if (type !== 'map' || !isObject(item)) return undefined;
  let key = '';
  for (const name of schema?.['x-kubernetes-list-map-keys'] ?? []) {
    const value = item[name] ?? schema?.items?.properties?.[name]?.default;
    if (value !== undefined)
      key += `${key === '' ? '' : ','}${JSON.stringify(name)}:${JSON.stringify(value)}`;
  }
  return `k:{${key}}`;
}

/**
 * Drops what the schema does not know (noting its path), and nulls where none may stand, and fills in defaults.
 * `old` was normal already: what is identical to it is not looked at again, and what turns out equal keeps its identity.
 */
export function normalise(
  value: Json,
  old: Json | undefined,
  schema: Schema,
  unknown: string[],
  path = '',
): Json {
  if (value === old) return value;
  if (Array.isArray(value)) return normaliseList(value, old, schema, unknown, path);
  return isObject(value) ? normaliseMap(value, old, schema, unknown, path) : value;
}

function normaliseList(
  value: Json[],
  old: Json | undefined,
  { items }: Schema,
  unknown: string[],
  path: string,
): Json {
  if (items === undefined) return value;
  const before = Array.isArray(old) ? old : [];
  const list = value.map((item, index) =>
    normalise(item, before[index], items, unknown, `${path}[${index}]`),
  );
  return list.length === before.length && list.every((item, index) => item === before[index]) ? before : list;
}

function normaliseMap(
  value: JsonObject,
  old: Json | undefined,
  schema: Schema,
  unknown: string[],
  path: string,
): Json {
  const before = isObject(old) ? old : {};
  const result: JsonObject = {};
  for (const key of Object.keys(value)) {
    const child = childSchema(schema, key);
    const entry = value[key];
    if (entry === undefined) continue;
    if (child === undefined) {
      if (keepsUnknown(schema)) result[key] = entry;
      else unknown.push(join(path, key));
    } else if (entry !== null || child.nullable === true || keepsUnknown(child)) {
      const same = entry === before[key] || typeof entry !== 'object';
      result[key] = same ? entry : normalise(entry, before[key], child, unknown, join(path, key));
    }
  }
  for (const [key, child, byDefault] of defaultsOf(schema)) {
    if (result[key] !== undefined) continue;
    result[key] = normalise(byDefault, before[key], child, unknown, join(path, key));
  }
  return isObject(old) && sameMembers(result, old) ? old : result;
}

const defaults = new WeakMap<Schema, [string, Schema, Json][]>();

/** Of the properties that have one. */
function defaultsOf(schema: Schema): [string, Schema, Json][] {
  const known = defaults.get(schema);
  if (known !== undefined) return known;
  const found = Object.entries(schema.properties ?? {}).flatMap(([key, child]): [string, Schema, Json][] =>
    child.default === undefined ? [] : [[key, child, child.default]],
  );
  defaults.set(schema, found);
  return found;
}

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

const keepsUnknown = (schema: Schema): boolean =>
  schema['x-kubernetes-preserve-unknown-fields'] === true ||
  schema.additionalProperties === true ||
  (schema.type === undefined && schema.properties === undefined);

function sameMembers(a: JsonObject, b: JsonObject): boolean {
  for (const key in a) if (!Object.hasOwn(b, key) || a[key] !== b[key]) return false;
  for (const key in b) if (!Object.hasOwn(a, key)) return false;
  return true;
}
