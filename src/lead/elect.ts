import { LEASE_ANNOTATION } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { type Lease, LeaseClient } from '../kube/lease.ts';
import { countOf, ShardCount } from './count.ts';
import { Election, type ElectionOptions } from './election.ts';
import type { Ownership } from './ownership.ts';

/** What decides on this replica's part in the work: one Lease for all of it, or one for each shard. */
export interface Lead extends Ownership {
  /** Resolves when there is something to work on for the first time; rejects when there can't be, and when stopped before. */
  readonly begun: Promise<void>;
  start(): void;
  /** @param release whether nothing of ours is under way any more, so that others can take over at once. */
  stop(release: boolean): Promise<void>;
  /** Something is, or was, ours. */
  readonly ledOnce: boolean;
  /** Who has it, where there is one for all and it is known. */
  readonly leader: string | undefined;
  /** @returns why a standby cannot follow what happens, or undefined. */
  notReady(): string | undefined;
  notHealthy(): string | undefined;
}

export type ElectOptions = Omit<ElectionOptions, 'leases'> & {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
};

/** As client-go's tools name a holder. @param instance the pod's name. */
export function identify(instance: string, randomBytes: (size: number) => Uint8Array): string {
  return `${instance}_${Buffer.from(randomBytes(8)).toString('hex')}`;
}

/** One Lease for everything. */
export function elect(options: ElectOptions): Lead {
  const { client, namespace, name, times } = options;
  const leaseOf = (name: string): LeaseClient =>
    // A request that hangs leaves time for another before the deadline.
    new LeaseClient(client, { namespace, name, timeoutMs: times.renewDeadlineMs / 2 });
  const count = new ShardCount({ ...options, shards: 1, leaseOf });
  const stopping = new AbortController();
  const begin = Promise.withResolvers<void>();
  let settling = false;
  /** Replicas with several shards have used this Lease: it is taken when they have ended. */
  const settle = (lease: Lease | undefined): void => {
    if (lease === undefined || countOf(lease) === 1 || settling) return;
    settling = true;
    count
      .settle(stopping.signal)
      .catch((error: unknown) => begin.reject(error))
      .finally(() => {
        settling = false;
      });
  };
  const election = new Election({ ...options, leases: leaseOf(name), onSeen: settle });
  const begun = election.elected.then(() =>
    election.lease?.metadata.annotations?.[LEASE_ANNOTATION.shardsBefore] === undefined
      ? undefined
      : count.confirm(stopping.signal),
  );
  begun.then(begin.resolve, begin.reject);
  begin.promise.catch(() => {}); // whoever waits is told
  return {
    begun: begin.promise,
    start: () => election.start(),
    stop: release => {
      stopping.abort();
      return election.stop(release);
    },
    owns: (uid, ms) => election.owns(uid, ms),
    fence: uid => election.fence(uid),
    notReady: () => election.notReady(),
    notHealthy: () => election.notHealthy(),
    get ledOnce() {
      return election.ledOnce;
    },
    get leader() {
      return election.leader;
    },
  };
}
