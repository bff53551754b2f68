import type { Log } from '../api/log.ts';
import { LEASE_ANNOTATION as NOTE } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Lease, LeaseWatch } from '../kube/lease.ts';
import type { ServerTime } from '../kube/server-time.ts';
import type { Clock, Random } from '../loop/clock.ts';
import { patienceMs } from './balance.ts';
import { Board } from './board.ts';
import { leaseNameOf, ShardCount } from './count.ts';
import type { Lead } from './elect.ts';
import { Election } from './election.ts';
import { shardOf } from './shard.ts';
import type { LeaseTimes } from './standing.ts';
import { Wishes } from './wishes.ts';

/** What works with the shards. */
export interface ShardWorker {
  /** Ours from now on: to be listed, and worked on. */
  gain(shard: number): void;
  /** Ours again after its lease had run out: nobody had it meanwhile, so what is known of it holds. */
  renewed(): void;
  /**
   * Nothing new starts for it, and what is under way ends; then everything of it is forgotten.
   * @returns false when that takes too long: then it is worked on as before.
   */
  leave(shard: number): Promise<boolean>;
}

export interface ShardsOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Lease that tells the number of shards. */
  readonly name: string;
  /** At least 2. */
  readonly shards: number;
  /** Unique to this process. */
  readonly identity: string;
  readonly times: LeaseTimes;
  readonly clock: Clock;
  readonly random: Random;
  readonly serverTime: ServerTime;
  readonly log: Log;
  readonly worker: ShardWorker;
  /** This process's part is over: another held one of its Leases, or the number of shards is another. */
  readonly onDeposed: () => void;
  /** How many shards are ours has changed. */
  readonly onOwned: (owned: number) => void;
}

/**
 * A Lease for each shard, of which each replica holds its share. Nobody assigns them: every replica sees all Leases, and
 * so who has how many. What is free is left to others for a while, longer by whoever has more; who has two less than
 * another asks for some in the Lease that all share, and the richest gives (see `balance.ts`).
 *
 * Who is deposed from one shard ends as a whole, as a leader does: it stood still or was cut off for longer than a lease, so
 * nothing that it remembers can be relied on, and its other Leases are about to run out or were given back by its end.
 */
export class Shards implements Lead {
  /** Resolves when a shard is ours for the first time; rejects when none can be, and when stopped before. */
  readonly begun: Promise<void>;
  readonly #options: ShardsOptions;
  readonly #begin = Promise.withResolvers<void>();
  readonly #board: Board;
  readonly #count: ShardCount;
  /** Of the Lease that all share. */
  readonly #watch: LeaseWatch;
  readonly #wishes: Wishes;
  readonly #elections: readonly Election[];
  /** Our own order of shards: each replica begins with another. */
  readonly #ranks: readonly number[];
  /** Gained by the worker, and not left. */
  readonly #gained = new Set<number>();
  /** Held, and the number of shards confirmed since. */
  readonly #confirmed = new Set<number>();
  /** How often each was taken, lost or renewed after it had run out: what was asked before tells nothing. */
  readonly #turns = new Map<number, number>();
  /** To whom. */
  readonly #leaving = new Map<number, string>();
  /** Could not be left the last time: others are tried first. */
  readonly #busy = new Set<number>();
  #hasBegun = false;
  readonly #stopping = new AbortController();
  #lastTake = Number.NEGATIVE_INFINITY;
  #over = false;

  constructor(options: ShardsOptions) {
    const { shards, random, name, times } = options;
    this.#options = options;
    this.begun = this.#begin.promise;
    this.begun.catch(() => {}); // whoever waits is told
    this.#board = new Board({ ...options, timeoutMs: times.renewDeadlineMs / 2 });
    this.#count = new ShardCount({ ...options, leaseOf: lease => this.#board.lease(lease) });
    const record = this.#board.lease(name);
    const see = (lease: Lease | undefined): void => this.#seeRecord(lease);
    this.#watch = record.watch({
      replace: ([lease]) => see(lease),
      upsert: see,
      remove: () => see(undefined),
    });
    this.#wishes = new Wishes({
      ...options,
      record,
      holdings: () => this.#holdings(),
      free: () => this.#elections.some(({ holder, claims }) => holder === undefined && !claims),
      give: (count, to) => this.#giveSome(count, to),
    });
    this.#ranks = shuffled(shards, random);
    this.#elections = Array.from({ length: shards }, (_, shard) => this.#election(shard));
  }

  start(): void {
    this.#run().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#begin.reject(error);
    });
  }

  /** @param release gives the Leases back: only when nothing of ours is under way any more. */
  async stop(release: boolean): Promise<void> {
    this.#stopping.abort();
    this.#wishes.stop();
    this.#begin.reject(new Error('stopped before it led'));
    await Promise.all([this.#board.stop(), ...this.#elections.map(election => election.stop(release))]);
  }

  owns(uid: string, ms: number): boolean {
    const shard = shardOf(uid, this.#options.shards);
    return this.#confirmed.has(shard) && this.#elections[shard]?.owns(uid, ms) === true;
  }

  fence(uid: string): AbortSignal {
    const election = this.#elections[shardOf(uid, this.#options.shards)];
    return election === undefined ? AbortSignal.abort() : election.fence(uid);
  }

  /** Shards that are ours now, in order. */
  get owned(): readonly number[] {
    return [...this.#gained]
      .filter(shard => this.#elections[shard]?.leads === true && this.#confirmed.has(shard))
      .toSorted((a, b) => a - b);
  }

  /** A shard is, or was, ours. */
  get ledOnce(): boolean {
    return this.#gained.size > 0;
  }

  /** Nobody has all of them. */
  get leader(): undefined {
    return undefined;
  }

  /** @returns why the Leases cannot be followed, or undefined. */
  notReady(): string | undefined {
    if (!this.#board.health.syncedOnce) return 'not synced with the API server';
    return this.#board.health.deaf ? 'nothing is heard of the Leases' : undefined;
  }

  notHealthy(): string | undefined {
    return this.#board.health.stuck ? 'the watch of the Leases is stuck' : undefined;
  }

  #election(shard: number): Election {
    const { name, shards, log } = this.#options;
    return new Election({
      ...this.#options,
      log: forShard(log, shard),
      leases: this.#board.lease(leaseNameOf(name, shard, shards)),
      onRenewed: () => {
        if (this.#confirmed.has(shard)) this.#options.worker.renewed();
      },
      onDeposed: () => this.#end(),
      onFailed: error => this.#fail(error),
      onLeading: leads => this.#onLeading(shard, leads),
      onSeen: () => this.#wishes.look(),
      takeAt: (freeSince, lease) => this.#takeAt(shard, freeSince, lease),
      taken: { [NOTE.reservedFor]: null },
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    await this.#count.settle(signal);
    if (signal.aborted) return;
    this.#board.start();
    this.#watch.start();
    for (const election of this.#elections) election.start();
    this.#wishes.start();
  }

  // ---- one shard

  #onLeading(shard: number, leads: boolean): void {
    const turn = (this.#turns.get(shard) ?? 0) + 1;
    this.#turns.set(shard, turn);
    this.#confirmed.delete(shard);
    if (leads) void this.#confirm(shard, turn);
    this.#owns();
  }

  /** Also after a lease that had run out: that nobody took this one does not tell that nobody works with another number. */
  async #confirm(shard: number, turn: number): Promise<void> {
    try {
      await this.#count.confirm(this.#stopping.signal);
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#fail(error);
      return;
    }
    const { worker } = this.#options;
    if (this.#turns.get(shard) !== turn || this.#over) return;
    this.#confirmed.add(shard);
    const known = this.#gained.has(shard);
    this.#gained.add(shard);
    this.#owns();
    if (known) worker.renewed();
    else worker.gain(shard);
    this.#hasBegun = true;
    this.#begin.resolve();
  }

  #owns(): void {
    this.#options.onOwned(this.owned.length);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#wishes.stop();
    this.#options.onDeposed();
  }

  /** Before the first shard is ours it is a start that failed; later it is the end. */
  #fail(error: unknown): void {
    const { log, shards } = this.#options;
    this.#begin.reject(error);
    if (!this.#hasBegun || this.#over) return;
    log.error({ shards, todo: told(error) }, 'shards cannot be worked on, so this one ends');
    this.#end();
  }

  // ---- who has what

  #takeAt(shard: number, freeSince: number, lease: Lease | undefined): number {
    const { shards, clock, times, identity } = this.#options;
    const reserved = lease?.metadata.annotations?.[NOTE.reservedFor];
    const now = clock.monotonic();
    let at = freeSince;
    if (reserved !== identity) {
      const held = this.#elections.filter(({ claims }) => claims).length;
      const from = reserved === undefined ? freeSince : freeSince + times.retryMs;
      at = Math.max(from, this.#lastTake) + patienceMs(held, this.#ranks[shard] ?? 0, shards, times.retryMs);
    }
    if (at <= now) this.#lastTake = now;
    return at;
  }

  /** What is promised counts as though it were given. */
  #holdings(): Map<string, number> {
    const holdings = new Map<string, number>();
    for (const [shard, { holder, lease }] of this.#elections.entries()) {
      const who = this.#leaving.get(shard) ?? holder ?? lease?.metadata.annotations?.[NOTE.reservedFor];
      if (who !== undefined && who !== '') holdings.set(who, (holdings.get(who) ?? 0) + 1);
    }
    return holdings;
  }

  #seeRecord(lease: Lease | undefined): void {
    if (lease === undefined) {
      // Put back, or refused when another made it meanwhile.
      this.#count.settle(this.#stopping.signal).catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#fail(error);
      });
      return;
    }
    try {
      this.#count.check(lease);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#wishes.see(lease);
  }

  #giveSome(count: number, to: string): void {
    const ours = this.owned.filter(shard => !this.#leaving.has(shard));
    const idleFirst = ours.toSorted((a, b) => Number(this.#busy.has(a)) - Number(this.#busy.has(b)));
    for (const shard of idleFirst.slice(0, count)) void this.#give(shard, to);
  }

  async #give(shard: number, to: string): Promise<void> {
    const { worker, log } = this.#options;
    this.#leaving.set(shard, to);
    try {
      if (!(await worker.leave(shard))) {
        this.#busy.add(shard);
        log.info({ shard, to }, 'a shard is kept: what is under way takes too long');
        return;
      }
      this.#busy.delete(shard);
      this.#gained.delete(shard);
      this.#confirmed.delete(shard);
      this.#owns();
      log.info({ shard, to }, 'a shard is given to another replica');
      await this.#elections[shard]?.give({ [NOTE.reservedFor]: to });
    } finally {
      this.#leaving.delete(shard);
    }
  }
}

function shuffled(count: number, random: Random): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = Math.floor(random.next() * (at + 1));
    const [a = 0, b = 0] = [order[at], order[other]];
    order[at] = b;
    order[other] = a;
  }
  return order;
}

function forShard(log: Log, shard: number): Log {
  return {
    debug: (fields, message) => log.debug({ ...fields, shard }, message),
    info: (fields, message) => log.info({ ...fields, shard }, message),
    warn: (fields, message) => log.warn({ ...fields, shard }, message),
    error: (fields, message) => log.error({ ...fields, shard }, message),
  };
}

/** Our own refusals alone are texts for people. */
const told = (error: unknown): string => (error instanceof Error ? error.message : 'unknown');
