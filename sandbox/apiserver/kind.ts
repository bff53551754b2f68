import { compileRules, type RuleCheck } from './cel-rules.ts';
import type { Cause } from './errors.ts';
import type { JsonObject, KubeObject } from './json.ts';
import type { Schema } from './schema.ts';
import { compileValidator, type Validator } from './validate.ts';

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  /** Above 0: shown by `-o wide` alone. */
  readonly priority: number;
  readonly cell: (object: KubeObject, now: number) => string | number | boolean | null;
}

export interface Names {
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
}

/** A kind as it is served: what discovery tells, how objects are checked and stored, how they are shown. */
export interface Kind extends Names {
  readonly group: string;
  readonly version: string;
  readonly apiVersion: string;
  readonly namespaced: boolean;
  readonly custom: boolean;
  readonly statusSubresource: boolean;
  /** Where the objects lie: both groups' events lie in one table. */
  readonly table: string;
  readonly schema: Schema;
  /** One a top-level field, so that a status write doesn't have the spec checked again. */
  readonly validators: ReadonlyMap<string, Validator>;
  readonly rules: RuleCheck;
  readonly columns: readonly Column[];
  /** A replacement without a resourceVersion overwrites whatever is there. */
  readonly unconditionalUpdate: boolean;
  /** Paths besides metadata.name and metadata.namespace that a fieldSelector may name. */
  readonly selectable: readonly string[];
  /** The kind's own part: fills in, folds, and says what is wrong. */
  readonly admit: (
    object: KubeObject,
    old: KubeObject | undefined,
  ) => { object: KubeObject; causes: Cause[] };
  /** Between this version's form and the stored one. */
  readonly decode: (object: JsonObject) => JsonObject;
  readonly encode: (object: KubeObject) => KubeObject;
}

type Parts = Pick<Kind, 'group' | 'version' | 'kind' | 'plural' | 'namespaced' | 'schema' | 'columns'> &
  Partial<Kind>;

export function makeKind(parts: Parts): Kind {
  const { group, version, kind, plural } = parts;
  const schema = withTypeAndMeta(parts.schema);
  return {
    singular: kind.toLowerCase(),
    listKind: `${kind}List`,
    shortNames: [],
    categories: [],
    apiVersion: group === '' ? version : `${group}/${version}`,
    custom: false,
    statusSubresource: false,
    table: `${group}/${plural}`,
    unconditionalUpdate: true,
    selectable: [],
    admit: object => ({ object, causes: [] }),
    decode: object => object,
    encode: object => object,
    ...parts,
    schema,
    validators: new Map(
      Object.entries(schema.properties ?? {}).map(([key, child]) => [key, compileValidator(child)]),
    ),
    rules: compileRules(schema),
  };
}

const text: Schema = { type: 'string' };
const textMap: Schema = { type: 'object', additionalProperties: text };

const META: Schema = {
  type: 'object',
  description: "Standard object's metadata.",
  properties: {
    name: text,
    generateName: text,
    namespace: text,
    uid: text,
    resourceVersion: text,
    selfLink: text,
    generation: { type: 'integer' },
    creationTimestamp: { type: 'string', format: 'date-time' },
    deletionTimestamp: { type: 'string', format: 'date-time' },
    deletionGracePeriodSeconds: { type: 'integer' },
    labels: textMap,
    annotations: textMap,
    finalizers: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
    ownerReferences: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['uid'],
      items: {
        type: 'object',
        required: ['apiVersion', 'kind', 'name', 'uid'],
        properties: {
          apiVersion: text,
          kind: text,
          name: text,
          uid: text,
          controller: { type: 'boolean' },
          blockOwnerDeletion: { type: 'boolean' },
        },
      },
    },
    managedFields: {
      type: 'array',
      items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    },
  },
};

const withTypeAndMeta = (schema: Schema): Schema => ({
  ...schema,
  properties: {
    ...schema.properties,
    apiVersion: { ...text, description: 'Version of the schema of this object.' },
    kind: { ...text, description: 'The REST resource that this object represents.' },
    metadata: META,
  },
});
