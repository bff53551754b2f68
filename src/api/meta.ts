import { z } from 'zod';
import { time } from './schema.ts';

/** What we read of any object's metadata. Unknown fields are dropped, so that caches stay small. */
export const ObjectMeta = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string().default(''),
  resourceVersion: z.string().default(''),
  generation: z.number().default(0),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  ownerReferences: z
    .array(
      z.object({
        apiVersion: z.string(),
        kind: z.string(),
        name: z.string(),
        uid: z.string(),
        controller: z.boolean().optional(),
      }),
    )
    .optional(),
});
export type ObjectMeta = z.infer<typeof ObjectMeta>;

/**
 * The same by hand: metadata come with each event and each answer, and a schema takes several times as long.
 * @returns undefined for what {@link ObjectMeta} would refuse.
 */
export function readObjectMeta(raw: unknown): ObjectMeta | undefined {
  if (!isRecord(raw)) return undefined;
  const { name, namespace, uid = '', resourceVersion = '', generation = 0 } = raw;
  const { creationTimestamp, deletionTimestamp, labels, annotations, ownerReferences } = raw;
  if (typeof name !== 'string' || typeof uid !== 'string' || typeof resourceVersion !== 'string')
    return undefined;
  if (typeof generation !== 'number' || !Number.isFinite(generation)) return undefined;
  const meta: ObjectMeta = { name, uid, resourceVersion, generation };
  if (namespace !== undefined) {
    if (typeof namespace !== 'string') return undefined;
    meta.namespace = namespace;
  }
  if (creationTimestamp !== undefined) {
    if (typeof creationTimestamp !== 'string') return undefined;
    meta.creationTimestamp = creationTimestamp;
  }
  if (deletionTimestamp !== undefined) {
    if (typeof deletionTimestamp !== 'string') return undefined;
    meta.deletionTimestamp = deletionTimestamp;
  }
  if (labels !== undefined) {
    if (!isTexts(labels)) return undefined;
    meta.labels = labels;
  }
  if (annotations !== undefined) {
    if (!isTexts(annotations)) return undefined;
    meta.annotations = annotations;
  }
  if (ownerReferences !== undefined) {
    const owners = readOwners(ownerReferences);
    if (owners === undefined) return undefined;
    meta.ownerReferences = owners;
  }
  return meta;
}

function readOwners(raw: unknown): ObjectMeta['ownerReferences'] {
  if (!Array.isArray(raw)) return undefined;
  const owners: NonNullable<ObjectMeta['ownerReferences']> = [];
  for (const owner of raw as unknown[]) {
    if (!isRecord(owner)) return undefined;
    const { apiVersion, kind, name, uid, controller } = owner;
    if (typeof apiVersion !== 'string' || typeof kind !== 'string') return undefined;
    if (typeof name !== 'string' || typeof uid !== 'string') return undefined;
    if (controller === undefined) owners.push({ apiVersion, kind, name, uid });
    else if (typeof controller === 'boolean') owners.push({ apiVersion, kind, name, uid, controller });
    else return undefined;
  }
  return owners;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every(text => typeof text === 'string');
}

export const Condition = z
  .object({
    type: z.string().min(1).max(316).describe('Name of the condition.'),
    status: z.enum(['True', 'False', 'Unknown']).describe('True, False or Unknown.'),
    observedGeneration: z.int().min(0).optional().describe('The generation that the condition was set for.'),
    lastTransitionTime: time().describe('When status last changed.'),
    reason: z.string().min(1).max(1024).describe('A PascalCase word that programs can act on.'),
    message: z.string().max(4096).describe('What happened, and what to do about it.'),
  })
  .describe('One observation of the state of the object.');
export type Condition = z.infer<typeof Condition>;

/** `namespace/name`, or `name` for what has no namespace. Joined: what `+` makes is a pair of texts that outlives its use. */
export function keyOf(object: { metadata: Pick<ObjectMeta, 'name' | 'namespace'> }): string {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? name : [namespace, name].join('/');
}
