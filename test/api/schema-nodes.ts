import type { Schema } from '../../sandbox/apiserver/schema.ts';

/** A place in a schema: `spec.flows[].login.request.headers{}`. */
export interface Node {
  readonly path: string;
  readonly schema: Schema;
}

/** Every place in a schema. */
export function nodes(schema: Schema, path = ''): Node[] {
  const { properties = {}, items, additionalProperties } = schema;
  return [
    { path, schema },
    ...Object.entries(properties).flatMap(([name, child]) =>
      nodes(child, path === '' ? name : `${path}.${name}`),
    ),
    ...(items === undefined ? [] : nodes(items, `${path}[]`)),
    ...(typeof additionalProperties === 'object' ? nodes(additionalProperties, `${path}{}`) : []),
  ];
}

/** Where, in an object, the schema's path leads first; undefined where it leads nowhere. */
export function firstAt(value: unknown, path: string): (string | number)[] | undefined {
  if (path === '') return [];
  const [, step = '', rest = ''] = /^\.?(\[\]|\{\}|[^.[{]+)(.*)$/.exec(path) ?? [];
  if (typeof value !== 'object' || value === null) return undefined;
  const keys = step === '[]' || step === '{}' ? Object.keys(value) : [step];
  for (const key of keys) {
    const child: unknown = Reflect.get(value, key);
    if (child === undefined) continue;
    const deeper = firstAt(child, rest);
    if (deeper !== undefined) return [Array.isArray(value) ? Number(key) : key, ...deeper];
  }
  return undefined;
}
