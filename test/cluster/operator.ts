import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { kubectl, kubectlJson } from './kubectl.ts';

/** The operator as installed: its pods, who leads, and what is done to it. */

export const NAMESPACE = 'tokensync';
const IN = ['-n', NAMESPACE] as const;

const Pod = z.object({
  metadata: z.object({
    name: z.string(),
    creationTimestamp: z.iso.datetime(),
    deletionTimestamp: z.string().optional(),
  }),
  status: z.object({
    conditions: z
      .array(z.object({ type: z.string(), status: z.string(), lastTransitionTime: z.iso.datetime() }))
      .optional(),
  }),
});
export type Pod = z.infer<typeof Pod>;
const Lease = z.object({ spec: z.object({ holderIdentity: z.string().default('') }) });

export async function pods(): Promise<readonly Pod[]> {
  const { items } = await kubectlJson(z.object({ items: z.array(Pod) }), ['get', 'pods', ...IN]);
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** @returns the name of the pod whose process holds the lease, once one does. */
export async function leader(timeoutMs = 60_000): Promise<string> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const there = await pods();
    const lease = await kubectlJson(Lease, ['get', 'lease', 'tokensync', ...IN]);
    const found = there.find(({ metadata }) => lease.spec.holderIdentity.startsWith(metadata.name));
    if (found !== undefined) return found.metadata.name;
    if (performance.now() > end)
      throw new Error(`no pod leads: the lease is held by ${lease.spec.holderIdentity}`);
    await sleep(200);
  }
}

export async function settled(): Promise<void> {
  await kubectl(['rollout', 'status', 'deployment/tokensync', ...IN, '--timeout=120s'], {
    timeoutMs: 130_000,
  });
}

export async function rollOut(): Promise<void> {
  await kubectl(['rollout', 'restart', 'deployment/tokensync', ...IN]);
  await settled();
}

/** What a drained node does to the leader: SIGTERM, and its time to end. */
export async function drainLeader(): Promise<void> {
  await kubectl(['delete', 'pod', await leader(), ...IN, '--timeout=60s'], { timeoutMs: 70_000 });
  await settled();
}

export async function logs(pod: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const lines = (await kubectl(['logs', pod, ...IN, '--request-timeout=10s'])).split('\n');
  return lines
    .filter(line => line.startsWith('{'))
    .map(line => z.record(z.string(), z.unknown()).parse(JSON.parse(line)));
}

/** For a person to read when something went wrong. */
export async function diagnosis(): Promise<string> {
  const texts = await Promise.allSettled([
    kubectl(['get', 'pods', '-A', '-o', 'wide', '--request-timeout=10s']),
    kubectl(['get', 'pcred', '-A', '-o', 'yaml', '--request-timeout=10s']),
    kubectl(['get', 'events', '-A', '--request-timeout=10s']),
    kubectl(['logs', 'deployment/tokensync', '--all-pods', ...IN, '--tail=40', '--request-timeout=10s']),
  ]);
  return texts.map(each => (each.status === 'fulfilled' ? each.value : String(each.reason))).join('\n');
}
