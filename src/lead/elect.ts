import type { KubeClient } from '../kube/client.ts';
import { LeaseClient } from '../kube/lease.ts';
import { Election, type ElectionOptions } from './election.ts';

export type ElectOptions = Omit<ElectionOptions, 'leases' | 'identity'> & {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** The pod's name. */
  readonly instance: string;
  readonly randomBytes: (size: number) => Uint8Array;
};

/** An election as client-go's tools know it: its holder is `<pod>_<random>`. */
export function elect(options: ElectOptions): Election {
  const { client, namespace, name, instance, randomBytes, times } = options;
  const suffix = Buffer.from(randomBytes(8)).toString('hex');
  return new Election({
    ...options,
    identity: `${instance}_${suffix}`,
    // A request that hangs leaves time for another before the deadline.
    leases: new LeaseClient(client, { namespace, name, timeoutMs: times.renewDeadlineMs / 2 }),
  });
}
