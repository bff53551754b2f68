import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { isReady } from '../../test/e2e/cluster.ts';
import type { Operator } from '../lib/operator.ts';
import type { Place } from '../lib/place.ts';
import { type Resident, residentOf } from '../lib/proc.ts';

export const Memory = z.object({
  heapTotal: z.number(),
  heapUsed: z.number(),
  external: z.number(),
  arrayBuffers: z.number(),
});

export interface Rest {
  readonly resident: Resident;
  readonly memory: z.infer<typeof Memory>;
}

/** What an operator holds when all credentials of a namespace are Ready, and nothing has been due for a while. */
export async function atRest(
  operator: Operator,
  place: Place,
  options: { namespace: string; count: number; restMs: number },
): Promise<Rest> {
  const { namespace, count, restMs } = options;
  await place.client.until('ProviderCredential', items => items.filter(isReady).length >= count, {
    namespace,
  });
  await delay(restMs);
  const resident = await residentOf(operator.child.pid);
  return { resident, memory: await operator.child.ask(Memory, 'memory') };
}
