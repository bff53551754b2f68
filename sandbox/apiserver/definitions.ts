import { z } from 'zod';
import { printerColumns } from './columns.ts';
import { cause, invalid } from './errors.ts';
import type { JsonObject, KubeObject } from './json.ts';
import { type Kind, makeKind } from './kind.ts';
import { Schema } from './schema.ts';

/** From a CustomResourceDefinition to a kind that is served: its storage version, the one version we hold. */

const Definition = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    group: z.string(),
    scope: z.enum(['Namespaced', 'Cluster']),
    names: z.object({
      plural: z.string(),
      singular: z.string(),
      kind: z.string(),
      listKind: z.string(),
      shortNames: z.array(z.string()).default([]),
      categories: z.array(z.string()).default([]),
    }),
    versions: z.array(
      z.object({
        name: z.string(),
        served: z.boolean(),
        storage: z.boolean(),
        schema: z.object({ openAPIV3Schema: Schema }),
        subresources: z.object({ status: z.object({}).optional() }).optional(),
        additionalPrinterColumns: z
          .array(
            z.object({
              name: z.string(),
              type: z.string(),
              jsonPath: z.string(),
              priority: z.number().optional(),
            }),
          )
          .default([]),
      }),
    ),
  }),
});

/** Compiling a large schema takes a tenth of a second: definitions that are the same share what was made of them. */
const made = new Map<string, Kind>();
const REMEMBERED = 16;

/** Throws a 422 where the definition cannot be served. */
export function kindOf(object: KubeObject): Kind {
  const text = JSON.stringify([object.metadata.name, object.spec]);
  const kind = made.get(text) ?? makeKindOf(object);
  if (made.size >= REMEMBERED) made.clear();
  made.set(text, kind);
  return kind;
}

function makeKindOf(object: KubeObject): Kind {
  const refuse = (field: string, why: string): never => {
    throw invalid(
      {
        group: 'apiextensions.k8s.io',
        kind: 'CustomResourceDefinition',
        plural: 'customresourcedefinitions',
      },
      object.metadata.name,
      [cause.value(field, null, why)],
    );
  };
  const read = Definition.safeParse(object);
  if (!read.success) {
    const [issue] = read.error.issues;
    return refuse(issue?.path.join('.') ?? 'spec', issue?.message ?? 'is not a definition');
  }
  const { group, names, scope, versions } = read.data.spec;
  const version = versions.find(({ storage }) => storage);
  if (version === undefined)
    return refuse('spec.versions', 'must have exactly one version marked as storage version');
  if (object.metadata.name !== `${names.plural}.${group}`) {
    return refuse('metadata.name', `must be spec.names.plural+"."+spec.group`);
  }
  try {
    return makeKind({
      ...names,
      group,
      version: version.name,
      namespaced: scope === 'Namespaced',
      custom: true,
      statusSubresource: version.subresources?.status !== undefined,
      unconditionalUpdate: false,
      columns: printerColumns(version.additionalPrinterColumns),
      schema: version.schema.openAPIV3Schema,
    });
  } catch (error) {
    return refuse(
      'spec.versions.schema.openAPIV3Schema',
      error instanceof Error ? error.message : String(error),
    );
  }
}

/** What the real server's controllers say of a definition that they serve. */
export function servedStatus(kind: Kind, now: string): JsonObject {
  const condition = (type: string, reason: string, message: string): JsonObject => ({
    type,
    status: 'True',
    lastTransitionTime: now,
    reason,
    message,
  });
  const { plural, singular, shortNames, categories, listKind } = kind;
  return {
    conditions: [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
    ],
    acceptedNames: {
      plural,
      singular,
      shortNames: [...shortNames],
      kind: kind.kind,
      listKind,
      categories: [...categories],
    },
    storedVersions: [kind.version],
  };
}
