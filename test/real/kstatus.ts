import { z } from 'zod';

/**
 * What Flux makes of any custom resource, by the rules that kstatus documents, in their order:
 * deletion, generation against observedGeneration, Reconciling, Stalled, Ready.
 */
export type Kstatus = 'InProgress' | 'Failed' | 'Current' | 'Terminating';

const Judged = z.object({
  metadata: z.object({ generation: z.number(), deletionTimestamp: z.string().optional() }),
  status: z
    .object({
      observedGeneration: z.number().optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    })
    .default({ conditions: [] }),
});

export function kstatusOf(object: unknown): Kstatus {
  const { metadata, status } = Judged.parse(object);
  const is = (type: string): string | undefined => status.conditions.find(each => each.type === type)?.status;
  if (metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (status.observedGeneration !== undefined && status.observedGeneration !== metadata.generation)
    return 'InProgress';
  if (is('Reconciling') === 'True') return 'InProgress';
  if (is('Stalled') === 'True') return 'Failed';
  // Without any Ready a resource is taken for current: that is why a fresh one must say that it was not looked at.
  return is('Ready') === undefined || is('Ready') === 'True' ? 'Current' : 'InProgress';
}
