import { API_VERSION } from '../src/api/names.ts';
import { REASONS } from '../src/api/reasons.ts';
import { KINDS, type Kind } from './crds.ts';
import { code, table } from './markdown.ts';
import { type Structural, toStructural } from './structural.ts';

/** docs/reference.md: every field of both kinds and every reason, from what the code itself uses. */

interface Field {
  readonly path: string;
  readonly schema: Structural;
  readonly required: boolean;
}

/** Depth first, as the fields stand in the schema. A list's item is `[]`, a map's value `.<key>`. */
function fields(schema: Structural, path: string): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const at = path === '' ? name : `${path}.${name}`;
    const inner = child.items ?? child;
    return [
      { path: at, schema: child, required: schema.required?.includes(name) ?? false },
      ...fields(inner, child.items ? `${at}[]` : at),
    ];
  });
}

function typeOf(schema: Structural): string {
  if (schema.items) return `list of ${typeOf(schema.items)}s`;
  if (schema.additionalProperties) return `map of ${typeOf(schema.additionalProperties)}s`;
  return schema.format === 'date-time' ? 'time' : schema.type;
}

function span(from: number | undefined, to: number | undefined, unit: string): string[] {
  if (from === undefined && to === undefined) return [];
  if (from === undefined) return [`at most ${to}${unit}`];
  return [to === undefined ? `at least ${from}${unit}` : `${from} to ${to}${unit}`];
}

function limits(schema: Structural): string[] {
  const { items, additionalProperties, enum: values, pattern } = schema;
  return [
    ...(values ? [values.map(value => code(String(value))).join(', ')] : []),
    ...span(schema.minimum, schema.maximum, ''),
    ...(schema.format ? [] : span(schema.minLength, schema.maxLength, ' characters')),
    ...span(schema.minItems, schema.maxItems, ' items'),
    ...span(schema.minProperties, schema.maxProperties, ' keys'),
    ...(pattern ? [code(pattern)] : []),
    ...(items?.type === 'string' ? limits(items).map(limit => `each ${limit}`) : []),
    ...(additionalProperties ? limits(additionalProperties).map(limit => `each ${limit}`) : []),
  ];
}

const row = ({ path, schema, required }: Field): string[] => [
  code(path),
  typeOf(schema),
  required ? '**required**' : schema.default === undefined ? '' : code(JSON.stringify(schema.default)),
  limits(schema).join('; '),
  schema.description ?? '',
];

/** The messages of all rules, each once: the same rule stands in login and refresh. */
function rules(schema: Structural): string[] {
  const children = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.items ? [schema.items] : []),
    ...(schema.additionalProperties ? [schema.additionalProperties] : []),
  ];
  const own = (schema['x-kubernetes-validations'] ?? []).map(({ message }) => message);
  return [...new Set([...own, ...children.flatMap(rules)])];
}

function kindSection({ kind, shortName, scope, schema }: Kind): string {
  const root = toStructural(schema);
  const all = fields(root, '').filter(({ path }) => /^(spec|status)\b/.test(path));
  const part = (name: string): string =>
    table(
      ['Field', 'Type', 'Default', 'Limits', 'Meaning'],
      all.filter(({ path }) => path.split('.')[0] === name).map(row),
    );
  return `## ${kind}

${root.description ?? ''} Short name ${code(shortName)}, ${scope === 'Cluster' ? 'cluster-scoped' : 'namespaced'}, ${code(API_VERSION)}.

${part('spec')}

### Status of a ${kind}

${part('status')}

### What is refused of a ${kind}

The API server answers with one of these, and names the field:

${rules(root)
  .map(message => `- ${message}`)
  .join('\n')}`;
}

const reasonRows = Object.entries(REASONS).map(([reason, text]) => {
  const [meaning = '', ...rest] = text.split('; ');
  return [code(reason), `${meaning}.`, rest.join('; ').replace(/^./, first => first.toUpperCase())];
});

export const REFERENCE_PATH = 'docs/reference.md';

export const reference = (): string => `<!-- Made by scripts/generate-docs.ts from src. Do not edit. -->
# Reference

${[...KINDS].map(kindSection).join('\n\n')}

## Reasons

The same words stand in conditions, events and logs.

${table(['Reason', 'Meaning', 'What to do'], reasonRows)}

## Metrics

See [metrics.md](metrics.md).
`;
