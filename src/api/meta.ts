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

/** `namespace/name`, or `name` for what has no namespace. */
export function keyOf(object: { metadata: Pick<ObjectMeta, 'name' | 'namespace'> }): string {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}
