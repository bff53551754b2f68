import type { Log } from '../api/log.ts';
import { LEASE_ANNOTATION as NOTE } from '../api/names.ts';
import { isAlreadyExists, isConflict, isNotFound, isRetriable, KubeError } from '../kube/kube-error.ts';
import type { Lease, LeaseClient } from '../kube/lease.ts';
import type { ServerTime } from '../kube/server-time.ts';
import { type Clock, sleep } from '../loop/clock.ts';
import type { LeaseTimes } from './standing.ts';

/** Whoever knows nothing of shards takes the Lease for held, and stands by: 68 years are the most that the field holds. */
const FOR_EVER_MS = (2 ** 31 - 1) * 1000;

const holderFor = (shards: number): string => `${shards} shards`;

/** The name of a shard's Lease; of another number of shards none has the same. */
export function leaseNameOf(name: string, shard: number, shards: number): string {
  return shards === 1 ? name : `${name}-${shard}-of-${shards}`;
}

/** How many shards there are, as the Lease that all share tells: 1 where it is a leader's. */
export function countOf({ holder, metadata }: Lease): number {
  const count = Number(metadata.annotations?.[NOTE.shards]);
  return Number.isInteger(count) && count > 1 && holder === holderFor(count) ? count : 1;
}

/** Numbers of shards that were before, of which someone may still hold a Lease. */
function before({ metadata }: Lease): number[] {
  const text = metadata.annotations?.[NOTE.shardsBefore] ?? '';
  return text.split(',').map(Number).filter(Number.isInteger).filter(Boolean);
}

export interface CountOptions {
  readonly shards: number;
  /** Of the Lease that all share. */
  readonly name: string;
  readonly leaseOf: (name: string) => LeaseClient;
  readonly times: LeaseTimes;
  readonly clock: Clock;
  readonly serverTime: ServerTime;
  readonly log: Log;
}

/**
 * Sees to it that all replicas have the same number of shards: two numbers are two partitions, in which an object has two
 * owners. The number stands in one Lease (with one shard the leader's own), which is only ever changed as it was seen.
 *
 * - Who comes with another number may write it only when no Lease of the number that stands there is held.
 * - That number then stands beside the new one, until someone has seen that none of its Leases is held.
 * - Who has taken a shard's Lease reads the number again before working, and waits while another stands beside it.
 *
 * So of two replicas with different numbers, each of which writes its own Lease and then reads the other's, one at least
 * sees the other, and does not begin.
 */
export class ShardCount {
  readonly #options: CountOptions;
  readonly #record: LeaseClient;
  /** By Lease: its version, and since when it has been so, by our own clock. */
  readonly #seen = new Map<string, { readonly version: string; readonly since: number }>();
  #told = false;

  constructor(options: CountOptions) {
    this.#options = options;
    this.#record = options.leaseOf(options.name);
  }

  /** Makes the number ours where it may be. @throws Error for a person where it is another, and in use. */
  async settle(signal: AbortSignal): Promise<void> {
    const { shards, log } = this.#options;
    for (;;) {
      const record = await this.#ask(() => this.#record.get({ signal }), signal);
      if (record === undefined ? shards === 1 : countOf(record) === shards) return;
      if (record !== undefined) await this.#refuseWhileHeld(record, signal);
      if (!(await this.#write(record, signal))) continue;
      if (record !== undefined)
        log.info({ shards, before: countOf(record) }, 'the number of shards is changed');
      return;
    }
  }

  /**
   * After a shard's Lease was taken, and before any work.
   * @throws Error for a person when the number is another meanwhile.
   */
  async confirm(signal: AbortSignal): Promise<void> {
    for (;;) {
      const record = await this.#ask(() => this.#record.get({ signal }), signal);
      if (record === undefined) {
        await this.settle(signal);
        continue;
      }
      this.check(record);
      const counts = before(record);
      if (counts.length === 0) return;
      for (const count of counts) await this.#holding(count, signal, false);
      const settled = await this.#ask(
        () => changed(this.#record.annotate(record, { [NOTE.shardsBefore]: null }, { signal })),
        signal,
      );
      if (settled) return;
    }
  }

  /** @throws Error for a person when the Lease tells another number than ours. */
  check(record: Lease): void {
    if (countOf(record) !== this.#options.shards) throw this.#refusal(record, record.holder);
  }

  async #refuseWhileHeld(record: Lease, signal: AbortSignal): Promise<void> {
    const holder = await this.#holding(countOf(record), signal, true);
    if (holder !== undefined) throw this.#refusal(record, holder);
  }

  /**
   * Looks for as long as it takes to tell who lives from who is gone.
   * @param quick says who lives as soon as one is seen to; else waits until all are gone.
   */
  async #holding(count: number, signal: AbortSignal, quick: boolean): Promise<string | undefined> {
    const { clock, times, name, leaseOf } = this.#options;
    const first = new Set<string>();
    for (;;) {
      let held = 0;
      for (let shard = 0; shard < count; shard += 1) {
        const client = leaseOf(leaseNameOf(name, shard, count));
        const lease = await this.#ask(
          () => client.get({ signal }),
          signal,
          error => this.#unseen(client.key, count, error),
        );
        if (lease === undefined || lease.holder === '' || (count === 1 && countOf(lease) !== 1)) continue;
        const version = lease.metadata.resourceVersion;
        const seen = this.#seen.get(client.key);
        if (quick && first.has(client.key) && seen?.version !== version) return lease.holder;
        first.add(client.key);
        const since = seen?.version === version ? seen.since : clock.monotonic();
        this.#seen.set(client.key, { version, since });
        if (clock.monotonic() - since < (lease.durationMs ?? times.durationMs)) held += 1;
      }
      if (held === 0) return undefined;
      await sleep(clock, times.retryMs / 2, signal);
    }
  }

  /** @returns whether it was written; false when someone changed the Lease meanwhile. */
  #write(record: Lease | undefined, signal: AbortSignal): Promise<boolean> {
    const { shards, serverTime } = this.#options;
    const now = serverTime.now();
    const was = record === undefined ? 1 : countOf(record);
    // A leader's own Lease is this one: it has lost it by this write.
    const former = new Set([...(record === undefined ? [] : before(record)), was]);
    for (const none of [1, shards]) former.delete(none);
    const content = {
      holder: shards === 1 ? '' : holderFor(shards),
      durationMs: shards === 1 ? 1000 : FOR_EVER_MS,
      transitions: (record?.transitions ?? 0) + (record === undefined ? 0 : 1),
      acquireTime: now,
      renewTime: now,
      annotations: {
        [NOTE.shards]: shards === 1 ? null : String(shards),
        [NOTE.shardsBefore]: former.size === 0 ? null : [...former].join(','),
        [NOTE.wantedBy]: null,
      },
    };
    return this.#ask(
      () =>
        changed(
          record === undefined
            ? this.#record.create(content, { signal })
            : this.#record.write(record, content, { signal }),
        ),
      signal,
    );
  }

  #refusal(record: Lease, holder: string): Error {
    const { shards, name } = this.#options;
    const count = countOf(record);
    const lease = count === 1 ? name : `${name}-…-of-${count}`;
    return new Error(
      `--shards=${shards} is refused: the other replicas work with --shards=${count} (Lease ${this.#record.key}; ${lease} is held by ${holder}). All replicas need the same number: scale to zero, wait until all have ended, and start them with the new one`,
    );
  }

  /** As after shards were in use, where the role is again that of one Lease. */
  #unseen(key: string, count: number, error: KubeError): Error {
    const { shards, name } = this.#options;
    const [namespace] = this.#record.key.split('/');
    return new Error(
      `--shards=${shards} cannot begin: Lease ${this.#record.key} says that there were --shards=${count}, and whether a replica still works with those cannot be seen, since Lease ${key} cannot be read (${error.message}). When all such replicas have ended, delete the Lease that says so: kubectl -n ${namespace} delete lease ${name}. Or let the operator read those Leases, as deploy/overlays/sharded does`,
    );
  }

  /** For as long as the API server is away. @throws Error when a person must see to it. */
  async #ask<T>(
    call: () => Promise<T>,
    signal: AbortSignal,
    failure = (error: KubeError): Error => unusable(this.#record.key, error),
  ): Promise<T> {
    const { clock, times, log } = this.#options;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (signal.aborted || !(error instanceof KubeError)) throw error;
        if (!isRetriable(error)) throw failure(error);
        if (!this.#told) log.warn({ ...error.logged }, 'the lease cannot be read or taken');
        this.#told = true;
        await sleep(clock, times.retryMs, signal);
      }
    }
  }
}

/** @returns whether what was asked for was done; false when someone was quicker. */
async function changed(write: Promise<Lease>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (isConflict(error) || isAlreadyExists(error) || isNotFound(error)) return false;
    throw error;
  }
}

/** What a replica without the right to Leases ends with. */
export function unusable(key: string, error: KubeError): Error {
  return new Error(
    `cannot read or write Lease ${key} (${error.message}): see that its namespace exists (--operator-namespace) and that the operator may create, get, list, watch and patch Leases there; or run exactly one replica, with --leader-elect=false`,
  );
}
