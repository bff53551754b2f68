import type { Schema } from '../../sandbox/apiserver/schema.ts';

/** What a structural schema may not be: the rules of apiextensions that our schemas could break. */

const KEYWORDS = new Set([
  ...['type', 'description', 'format', 'enum', 'default', 'pattern', 'required', 'properties', 'items'],
  ...['minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'additionalProperties'],
  ...['minProperties', 'maxProperties', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys'],
  ...['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-validations'],
]);
const SCALARS = new Set(['string', 'integer', 'number', 'boolean']);

export function violations(schema: Schema, path: string): string[] {
  const found: string[] = [];
  const refuse = (when: boolean, why: string): void => {
    if (when) found.push(`${path}: ${why}`);
  };
  for (const keyword of Object.keys(schema)) refuse(!KEYWORDS.has(keyword), `${keyword} is not ours`);
  refuse(!['object', 'array', ...SCALARS].includes(schema.type ?? ''), `type ${schema.type ?? 'missing'}`);
  refuse(schema.type === 'array' && schema.items === undefined, 'a list needs items');
  refuse(
    schema.properties !== undefined && schema.additionalProperties !== undefined,
    'properties and additionalProperties exclude each other',
  );
  refuse(schema.additionalProperties === false, 'additionalProperties: false');
  refuse(
    schema.type !== 'object' && (schema.properties ?? schema.additionalProperties) !== undefined,
    'only an object has properties',
  );
  for (const key of schema.required ?? []) {
    refuse(schema.properties?.[key] === undefined, `required ${key} is not a property`);
    refuse(schema.properties?.[key]?.default !== undefined, `required ${key} has a default`);
  }
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  refuse((schema['x-kubernetes-list-type'] === 'map') !== keys.length > 0, 'a map list needs keys');
  for (const key of keys) {
    const child = schema.items?.properties?.[key];
    refuse(!SCALARS.has(child?.type ?? ''), `key ${key} is no scalar`);
    refuse(
      !(schema.items?.required ?? []).includes(key) && child?.default === undefined,
      `key ${key} may be absent`,
    );
  }
  refuse(
    schema['x-kubernetes-list-type'] === 'set' && !SCALARS.has(schema.items?.type ?? ''),
    'a set holds scalars',
  );
  return found;
}
