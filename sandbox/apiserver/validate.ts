import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { remembering } from '../remember.ts';
import { type Cause, cause } from './errors.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { childSchema, itemKey, type Schema } from './schema.ts';

/**
 * Checks values against a structural schema, and says what is wrong in the words of the real API server.
 * What is identical to a part of `old` was checked when that was written.
 */
export type Validator = (value: Json, path: string, old?: Json) => Cause[];

/** After these the real server leaves the CEL rules unchecked, since they might not even evaluate. */
const BLOCKING = new Set([
  'FieldValueRequired',
  'FieldValueTypeInvalid',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueNotSupported',
]);
export const blocksRules = (causes: readonly Cause[]): boolean =>
  causes.some(({ reason }) => BLOCKING.has(reason));

const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

const ajv = new Ajv({
  allErrors: true,
  strict: false,
  unicodeRegExp: false,
  logger: false,
  verbose: true,
  formats: {
    'date-time': remembering(text => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text))),
  },
});

export function compileValidator(schema: Schema): Validator {
  const { properties = {}, ...shell } = schema;
  const checkShell = compileCheck(shell);
  const members = Object.entries(properties).map(([key, child]) => [key, compileCheck(child)] as const);
  const unique = new Set<Schema>();
  findUniqueLists(schema, unique);
  return (value, path, old) => {
    const causes = checkShell(value, path);
    const all = isObject(value) ? value : {};
    for (const [key, check] of members) {
      const member = all[key];
      if (member === undefined || (isObject(old) && member === old[key])) continue;
      causes.push(...check(member, `${path}.${key}`));
    }
    findDuplicates(unique, value, old, schema, path, causes);
    return causes;
  };
}

/** Compiled when first needed: that takes long. */
function compileCheck(schema: Schema): (value: Json, path: string) => Cause[] {
  let check: ValidateFunction | undefined;
  return (value, path) => {
    check ??= ajv.compile(toJsonSchema(schema));
    return check(value) ? [] : firstOfText(check.errors ?? []).map(error => toCause(error, value, path));
  };
}

/** Of a text's length and pattern the real server tells the first that is wrong. */
function firstOfText<E extends { keyword: string; instancePath: string }>(errors: readonly E[]): E[] {
  const told = new Set<string>();
  return errors.filter(({ keyword, instancePath }) => {
    if (!['maxLength', 'minLength', 'pattern'].includes(keyword)) return true;
    const first = !told.has(instancePath);
    told.add(instancePath);
    return first;
  });
}

function toJsonSchema(schema: Schema): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key.startsWith('x-') || key === 'default' || key === 'description' || value === undefined) continue;
    result[key] = value as Json;
  }
  if (schema['x-kubernetes-int-or-string']) {
    delete result.anyOf;
    result.type = ['integer', 'string'];
  }
  if (schema.properties !== undefined) {
    result.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([key, child]) => [key, toJsonSchema(child)]),
    );
  }
  if (schema.items !== undefined) result.items = toJsonSchema(schema.items);
  if (typeof schema.additionalProperties === 'object') {
    result.additionalProperties = toJsonSchema(schema.additionalProperties);
  }
  return result;
}

/** `/parts/0/name` under `spec` as `spec.parts[0].name`. */
function fieldOf(pointer: string, value: Json, path: string): string {
  let at: Json | undefined = value;
  let field = path;
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    field = Array.isArray(at) ? `${field}[${key}]` : field === '' ? key : `${field}.${key}`;
    at = Array.isArray(at) ? at[Number(key)] : isObject(at) ? at[key] : undefined;
  }
  return field;
}

const typeName = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
};

/** What the real server calls it where it looks for a time. */
const goType = (value: Json): string => (Number.isInteger(value) ? 'int64' : typeName(value));

const countOf = (value: Json): number => Object.keys(value ?? {}).length;

function toCause(error: ErrorObject<string, Record<string, unknown>>, root: Json, path: string): Cause {
  const field = fieldOf(error.instancePath, root, path);
  const value = error.data as Json;
  const { params } = error;
  // Of a status the real server names the fields without it.
  const named = field.replace(/^status(\.|$)/, '');
  const limit = String(params.limit);
  const tooMany = (count: number): Cause => ({
    reason: 'FieldValueTooMany',
    message: `Too many: ${count}: must have at most ${limit} items`,
    field,
  });
  const typeInvalid = (type: string, found: string): Cause => ({
    reason: 'FieldValueTypeInvalid',
    message: `Invalid value: "${found}": ${named} in body must be of type ${type}: "${found}"`,
    field,
  });
  switch (error.keyword) {
    case 'type': {
      const isTime = error.parentSchema?.format === 'date-time';
      return typeInvalid(
        isTime ? 'date-time' : String(params.type),
        isTime ? goType(value) : typeName(value),
      );
    }
    case 'required':
      return cause.required(`${field}${field === '' ? '' : '.'}${String(params.missingProperty)}`);
    case 'enum': {
      const allowed = (params.allowedValues as Json[]).map(item => JSON.stringify(item)).join(', ');
      return {
        reason: 'FieldValueNotSupported',
        message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${allowed}`,
        field,
      };
    }
    case 'maxLength':
      return {
        reason: 'FieldValueTooLong',
        message: `Too long: may not be more than ${limit} bytes`,
        field,
      };
    case 'maxItems':
    case 'maxProperties':
      return tooMany(countOf(value));
    case 'minLength':
      return cause.value(field, value, `${named} in body should be at least ${limit} chars long`);
    case 'minItems':
      return cause.value(field, countOf(value), `${named} in body should have at least ${limit} items`);
    case 'minProperties':
      return cause.value(field, countOf(value), `${named} in body should have at least ${limit} properties`);
    case 'pattern':
      return cause.value(field, value, `${named} in body should match '${String(params.pattern)}'`);
    case 'format':
      return typeInvalid(String(params.format), typeof value === 'string' ? value : JSON.stringify(value));
    case 'minimum':
      return cause.value(field, value, `${named} in body should be greater than or equal to ${limit}`);
    case 'maximum':
      return cause.value(field, value, `${named} in body should be less than or equal to ${limit}`);
    default:
      return cause.value(field, value, `${named} in body ${error.message ?? 'is not valid'}`);
  }
}

/** Gathers the schemas that are, or hold, a list whose items must differ. */
function findUniqueLists(schema: Schema, found: Set<Schema>): boolean {
  const type = schema['x-kubernetes-list-type'];
  const { items, additionalProperties, properties = {} } = schema;
  const below = [...Object.values(properties), items, additionalProperties].map(
    child => typeof child === 'object' && findUniqueLists(child, found),
  );
  const unique = type === 'set' || type === 'map' || below.includes(true);
  if (unique) found.add(schema);
  return unique;
}

/** Two items of a set or a map list may not be the same. */
function findDuplicates(
  unique: ReadonlySet<Schema>,
  value: Json,
  old: Json | undefined,
  schema: Schema,
  path: string,
  causes: Cause[],
): void {
  if (value === old || !unique.has(schema)) return;
  if (Array.isArray(value)) {
    const seen = new Set<string>();
    value.forEach((item, index) => {
      const at = `${path}[${index}]`;
      const key = itemKey(schema, item);
      if (schema['x-kubernetes-list-type'] === 'map' && !isObject(item)) {
        causes.push(cause.value(at, item, 'must be an object for an array of list-type map'));
      }
      if (key !== undefined && seen.has(key)) {
        causes.push(cause.duplicate(at, JSON.parse(key.slice(2)) as Json));
      }
      if (key !== undefined) seen.add(key);
      if (schema.items !== undefined) findDuplicates(unique, item, undefined, schema.items, at, causes);
    });
  } else if (isObject(value)) {
    for (const key of Object.keys(value)) {
      const child = childSchema(schema, key);
      const item = value[key];
      if (child === undefined || item === undefined || !unique.has(child)) continue;
      findDuplicates(unique, item, isObject(old) ? old[key] : undefined, child, `${path}.${key}`, causes);
    }
  }
}
