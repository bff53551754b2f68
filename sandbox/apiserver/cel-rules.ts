import { Environment } from '@marcbachmann/cel-js';
import type { Cause } from './errors.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { childSchema, itemKey, type Rule, type Schema } from './schema.ts';

/** `x-kubernetes-validations`. A rule of an unchanged value is not evaluated again: it held when that value was written. */
export type RuleCheck = (value: Json, old: Json | undefined, path: string) => Cause[];

type Expression = (context: Record<string, unknown>) => unknown;

interface CompiledRule {
  readonly source: Rule;
  readonly holds: Expression;
  readonly message: Expression | undefined;
  /** Names `oldSelf`, and so waits for an update. */
  readonly transition: boolean;
}

const environment = new Environment({ unlistedVariablesAreDyn: true, enableOptionalTypes: true });

/** Throws with the expression's path where one does not parse. */
export function compileRules(schema: Schema): RuleCheck {
  const compiled = new Map<Schema, CompiledRule[]>();
  const holdsRules = (node: Schema, path: string): boolean => {
    const rules = (node['x-kubernetes-validations'] ?? []).map(rule => compileRule(rule, path));
    const below = childrenOf(node).map(([name, child]) => holdsRules(child, `${path}.${name}`));
    const any = rules.length > 0 || below.includes(true);
    if (any) compiled.set(node, rules);
    return any;
  };
  holdsRules(schema, '');
  const readsStatus = (schema['x-kubernetes-validations'] ?? []).some(({ rule }) => /\bstatus\b/.test(rule));
  return (value, old, path) => {
    const causes: Cause[] = [];
    // The hot path: with the same spec (and name) the rules of the whole object say what they said before.
    const sameSpec = isObject(value) && isObject(old) && value.spec !== undefined && value.spec === old.spec;
    const { status } = schema.properties ?? {};
    if (sameSpec && !readsStatus && status !== undefined) {
      if (value.status !== undefined) walk(compiled, status, value.status, old.status, 'status', causes);
      return causes;
    }
    walk(compiled, schema, value, old, path, causes);
    return causes;
  };
}

const childrenOf = (schema: Schema): [string, Schema][] => [
  ...Object.entries(schema.properties ?? {}),
  ...(schema.items === undefined ? [] : [['items', schema.items] satisfies [string, Schema]]),
  ...(typeof schema.additionalProperties === 'object'
    ? [['*', schema.additionalProperties] satisfies [string, Schema]]
    : []),
];

function compileRule(source: Rule, path: string): CompiledRule {
  try {
    return {
      source,
      holds: environment.parse(source.rule),
      message:
        source.messageExpression === undefined ? undefined : environment.parse(source.messageExpression),
      transition: /\boldSelf\b/.test(source.rule),
    };
  } catch (error) {
    throw new Error(`${path}: rule ${JSON.stringify(source.rule)}: compilation failed: ${String(error)}`);
  }
}

function walk(
  compiled: Compiled,
  schema: Schema,
  value: Json,
  old: Json | undefined,
  path: string,
  causes: Cause[],
): void {
  const rules = compiled.get(schema);
  if (rules === undefined || value === old) return;
  for (const rule of rules) {
    const broken = evaluate(rule, schema, value, old);
    if (broken !== undefined) causes.push(toCause(rule.source, value, broken, path));
  }
  if (Array.isArray(value)) walkItems(compiled, schema, value, old, path, causes);
  else if (isObject(value)) walkMembers(compiled, schema, value, old, path, causes);
}

type Compiled = ReadonlyMap<Schema, readonly CompiledRule[]>;

function walkItems(
  compiled: Compiled,
  schema: Schema,
  value: Json[],
  old: Json | undefined,
  path: string,
  causes: Cause[],
): void {
  const { items } = schema;
  if (items === undefined) return;
  const before = new Map<string | undefined, Json>();
  if (Array.isArray(old)) for (const item of old) before.set(itemKey(schema, item), item);
  value.forEach((item, index) => {
    const key = itemKey(schema, item);
    const previous = key === undefined ? undefined : before.get(key);
    walk(compiled, items, item, previous, `${path}[${index}]`, causes);
  });
}

function walkMembers(
  compiled: Compiled,
  schema: Schema,
  value: JsonObject,
  old: Json | undefined,
  path: string,
  causes: Cause[],
): void {
  for (const [key, item] of Object.entries(value)) {
    const child = childSchema(schema, key);
    if (child === undefined || item === undefined) continue;
    const declared = schema.properties !== undefined && Object.hasOwn(schema.properties, key);
    const step = path === '' ? key : `.${key}`;
    const at = `${path}${declared ? step : `[${key}]`}`;
    walk(compiled, child, item, isObject(old) ? old[key] : undefined, at, causes);
  }
}

/** What to say of a rule that does not hold; undefined when it does. */
function evaluate(
  rule: CompiledRule,
  schema: Schema,
  value: Json,
  old: Json | undefined,
): string | undefined {
  if (rule.transition && old === undefined && rule.source.optionalOldSelf !== true) return undefined;
  const { source } = rule;
  const context = {
    self: toCel(value, schema),
    oldSelf: old === undefined || !rule.transition ? undefined : toCel(old, schema),
  };
  try {
    if (rule.holds(context) === true) return undefined;
    const said = rule.message?.(context);
    return typeof said === 'string' ? said : (source.message ?? `failed rule: ${source.rule}`);
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return `${why} evaluating rule: ${source.message ?? source.rule}`;
  }
}

const PREFIX: Readonly<Record<string, string>> = {
  FieldValueInvalid: 'Invalid value',
  FieldValueForbidden: 'Forbidden',
  FieldValueRequired: 'Required value',
  FieldValueDuplicate: 'Duplicate value',
};

function toCause(source: Rule, value: Json, message: string, path: string): Cause {
  const reason = source.reason ?? 'FieldValueInvalid';
  const shown = typeof value === 'object' ? '' : `${JSON.stringify(value)}: `;
  const field = `${path}${source.fieldPath ?? ''}`.replace(/^\./, '');
  return {
    reason,
    message: `${PREFIX[reason]}: ${shown}${message}`,
    field: field === '' ? '<nil>' : field,
  };
}

/** What was converted once: trees are never changed in place, and each stands at one place of its schema. */
const converted = new WeakMap<JsonObject, Record<string, unknown>>();

/** JSON as CEL's types: what the schema calls an integer is an int there, not a double. */
function toCel(value: Json | undefined, schema: Schema | undefined): unknown {
  if (typeof value === 'number') {
    const integer = schema?.type === 'integer' || (schema?.type !== 'number' && Number.isInteger(value));
    return integer ? BigInt(value) : value;
  }
  if (typeof value === 'string') return schema?.format === 'date-time' ? new Date(value) : value;
  if (Array.isArray(value)) return value.map(item => toCel(item, schema?.items));
  if (!isObject(value)) return value;
  const known = converted.get(value);
  if (known !== undefined) return known;
  const result: Record<string, unknown> = {};
  // As on the real server, a rule sees of the metadata only what names the object.
  const keys = isMetadata(schema) ? ['name', 'generateName'] : Object.keys(value);
  for (const key of keys) {
    const item = value[key];
    if (item !== undefined) result[key] = toCel(item, childSchema(schema, key));
  }
  converted.set(value, result);
  return result;
}

const isMetadata = (schema: Schema | undefined): boolean => schema?.properties?.managedFields !== undefined;
