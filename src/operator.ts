import type { Log } from './api/log.ts';
import type { ObjectMeta } from './api/meta.ts';
import { REFRESH_REQUESTED_AT, SESSION_SUFFIX } from './api/names.ts';
import { Collections } from './collections.ts';
import { Demand } from './decide/demand.ts';
import { Digester } from './decide/digest.ts';
import { OriginHealth } from './decide/origin-health.ts';
import { partOf } from './decide/part.ts';
import { Refusals } from './decide/refusals.ts';
import type { KubeClient } from './kube/client.ts';
import { loadDigestKey } from './kube/digest-key.ts';
import { EventRecorder } from './kube/events.ts';
import { isRetriable } from './kube/kube-error.ts';
import type { SecretMeta } from './kube/secret.ts';
import type { ServerTime } from './kube/server-time.ts';
import { type Ownership, SOLE_OWNER } from './lead/ownership.ts';
import type { Share } from './lead/share.ts';
import { eitherOf } from './loop/abort.ts';
import { type Clock, type Random, sleep } from './loop/clock.ts';
import { type Place, Queue } from './loop/queue.ts';
import { Schedule } from './loop/schedule.ts';
import type { Metrics } from './observe/metrics.ts';
import { Gate, type Limits } from './provider/gate.ts';
import type { Engine, Transport } from './provider/types.ts';
import { ProviderWork } from './provider-work.ts';
import { Providers } from './providers.ts';
import { forget, reconcile } from './reconcile.ts';
import { ShardWork } from './shard-work.ts';
import type { Context, Settings } from './steps/context.ts';
import { Memories } from './steps/memories.ts';
import { splitLane } from './steps/plan.ts';
import { retryAfterOf, told } from './told.ts';

export interface OperatorOptions {
  readonly settings: Settings;
  /** Empty: all namespaces. */
  readonly watchNamespaces: readonly string[];
  readonly maxConcurrentReconciles: number;
  /** This replica's name, for events. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly client: KubeClient;
  readonly serverTime: ServerTime;
  readonly engine: Engine;
  readonly transport: Transport;
  readonly metrics: Metrics;
  readonly log: Log;
  /** @see Gate */
  readonly later?: ((give: () => void) => void) | undefined;
  /** Which objects this replica may act on; by default all. */
  readonly ownership?: Ownership;
  /** Which of them it keeps, where it does not keep all. */
  readonly share?: Share;
  /** How many credentials at most have their Secrets read at a start. */
  readonly readAtStart?: number;
  /** How long a shard that is to be left may take, ms. */
  readonly leaveMs?: number;
}

/** Credentials whose Secrets are read at a start, so that a repair needs no login; more would take minutes. */
const READ_AT_START = 5000;
/** Few enough that all of them are still at hand when they are looked at. */
const SLICE = 200;
const LATE_SCHEDULER_MS = 60_000;
const LAST_WRITES_MS = 5000;
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 60_000;

/**
 * watch -> queue -> reconcile -> schedule. Whatever happens only ever names a key to look at;
 * what is done then depends on what is found, never on why it is looked at.
 */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #collections: Collections;
  readonly #providers: Providers;
  readonly #demand = new Demand();
  readonly #events: EventRecorder;
  readonly #gate: Gate;
  readonly #health: OriginHealth;
  readonly #probes: Schedule;
  readonly #queue: Queue;
  readonly #providerWork: ProviderWork;
  readonly #shardWork: ShardWork | undefined;
  readonly #retries = new Map<string, number>();
  /** By credential being looked at: Secrets that changed meanwhile. The echo of its own write may come before the write's answer. */
  readonly #unjudged = new Map<string, Set<string>>();
  readonly #abandon = new AbortController();
  readonly #ownership: Ownership;
  /** By fence, and made once for each. */
  readonly #abandons = new WeakMap<AbortSignal, AbortSignal>();
  /** Keys that were due while they were not ours. */
  readonly #disowned = new Set<string>();
  #context: Context | undefined;
  #started = false;
  #draining = false;

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#ownership = options.ownership ?? SOLE_OWNER;
    const { clock, client, serverTime, random, log, metrics } = options;
    this.#collections = new Collections(options);
    this.#providers = new Providers(options.engine, this.#collections.providers);
    this.#events = new EventRecorder(client, serverTime, options.instance, log);
    this.#gate = new Gate({ clock, wake: key => this.#queue.add(key), later: options.later });
    this.#probes = new Schedule(clock, lane => this.#health.probeDue(lane));
    this.#health = new OriginHealth({
      now: () => clock.monotonic(),
      chance: () => random.next(),
      wake: key => this.#queue.add(key),
      probeIn: (lane, ms) => this.#probes.within(lane, ms),
      circuitChanged: (lane, open) => this.#circuitChanged(lane, open),
    });
    this.#queue = new Queue({
      clock,
      concurrency: options.maxConcurrentReconciles,
      handle: key => this.#look(key),
      place: key => this.#place(key),
      onError: (key, error) => this.#failed(key, error),
      onWait: ms => metrics.queueWait(ms / 1000),
    });
    this.#providerWork = new ProviderWork({
      ...options,
      ownership: this.#ownership,
      collections: this.#collections,
      providers: this.#providers,
      events: this.#events,
      demand: this.#demand,
      health: this.#health,
      limits: limits => this.#limits(limits),
    });
    this.#shardWork = options.share && this.#makeShardWork(options.share);
  }

  /** Resolves when every collection is known and work has begun. @throws what stands in the way of the digest key. */
  async start(): Promise<void> {
    this.#context = this.#makeContext(await this.#digester());
    this.#listen();
    const batch = this.#options.share?.begin() ?? [];
    await this.#collections.start();
    this.#collections.forgetStrays();
    this.#options.share?.activate(batch);
    this.#started = true;
    const { providers, credentials } = this.#collections;
    this.#providerWork.begin();
    void this.#addAll([...credentials.keys()]);
    this.#options.log.info(
      { credentials: credentials.size, providers: providers.size },
      'watching; work begins',
    );
    this.#shardWork?.begin();
  }

  /** A slice at once, that nothing else waits for long. */
  async #addAll(keys: readonly string[]): Promise<void> {
    for (let first = 0; first < keys.length; first += SLICE) {
      if (first > 0) await new Promise(setImmediate);
      for (const key of keys.slice(first, first + SLICE)) this.#queue.add(key);
    }
  }

  /** A shard is ours from now on. */
  gain(shard: number): void {
    this.#shardWork?.gain(shard);
  }

  /** @returns whether the shard can be given away: nothing of it is under way or known any more. */
  async leave(shard: number): Promise<boolean> {
    return (await this.#shardWork?.leave(shard)) ?? false;
  }

  #makeShardWork(share: Share): ShardWork {
    const { clock, leaveMs } = this.#options;
    return new ShardWork({
      share,
      clock,
      leaveMs,
      collections: this.#collections,
      draining: () => this.#draining,
      lookAt: shards => {
        this.#providerWork.gained(uid => shards.includes(share.of(uid)));
        for (const shard of shards) for (const key of this.#collections.inShard(shard)) this.#queue.add(key);
      },
      settled: which =>
        Promise.all([this.#queue.settled(key => which(this.#uidOf(key))), this.#providerWork.settled(which)]),
      unsaved: () => [...(this.#context?.memories.unsaved() ?? [])].map(({ uid }) => uid),
      forget: key => this.#forget(key),
    });
  }

  #forget(key: string): void {
    this.#queue.forget(key);
    this.#retries.delete(key);
    this.#disowned.delete(key);
    if (this.#context !== undefined) forget(key, this.#context);
  }

  /** Waits for an API server that is not there yet; what is forbidden or malformed is for a person. */
  async #digester(): Promise<Digester> {
    const { client, settings, randomBytes, clock, log } = this.#options;
    for (let wait = RETRY_FIRST_MS; ; wait = Math.min(RETRY_MOST_MS, wait * 2)) {
      try {
        const { id, key } = await loadDigestKey(client, settings.operatorNamespace, randomBytes);
        return new Digester(id, key);
      } catch (error) {
        if (!isRetriable(error)) throw error;
        log.warn({ ...told(error), retryInMs: wait }, 'the digest key cannot be read yet');
        await sleep(clock, wait, this.#abandon.signal);
      }
    }
  }

  /**
   * Drains: nothing new starts, what a provider has answered is written.
   * @param graceMs by which it ends, whatever stands in the way; requests to providers are aborted a little earlier, so
   * that what came of them can be written.
   * @returns whether everything of ours has ended; else its last writes may still be on their way.
   */
  async stop(graceMs: number): Promise<boolean> {
    const { clock } = this.#options;
    this.#draining = true;
    const overdue = clock.after(graceMs - Math.min(LAST_WRITES_MS, graceMs / 2), () => this.#abandon.abort());
    const given = new AbortController();
    const late = sleep(clock, graceMs, given.signal).catch(() => {});
    const drained = await Promise.race([this.#drain().then(() => true), late.then(() => false)]);
    overdue.cancel();
    given.abort();
    return drained;
  }

  async #drain(): Promise<void> {
    this.#probes.clear();
    await Promise.all([this.#queue.drain(), this.#providerWork.drain()]);
    await this.#saveSessions();
    await Promise.all([this.#events.flush(), this.#collections.stop()]);
  }

  /** Refresh tokens whose saving was to be tried again later: there is no later. */
  async #saveSessions(): Promise<void> {
    const context = this.#context;
    if (context === undefined) return;
    const unsaved = [...context.memories.unsaved()];
    await Promise.all(unsaved.map(({ key }) => reconcile(key, context).catch(() => {})));
  }

  /** Keys may be ours that were not: what was refused is looked at again. */
  ownershipRenewed(): void {
    const again = [...this.#disowned];
    this.#disowned.clear();
    for (const key of again) this.#queue.add(key);
    this.#providerWork.ownershipRenewed();
  }

  /** Also of one that was deleted while it is worked on. */
  #uidOf(key: string): string | undefined {
    const { credentials } = this.#collections;
    return credentials.get(key)?.metadata.uid ?? this.#context?.memories.uidOf(key);
  }

  /** The API server answers again after an outage: what waits to ask it need not wait on. */
  hasten(): void {
    this.#collections.hasten();
    for (const key of this.#retries.keys()) this.#queue.add(key);
  }

  #abandonOf(key: string): AbortSignal {
    const fence = this.#ownership.fence(this.#uidOf(key) ?? '');
    const known = this.#abandons.get(fence);
    if (known !== undefined) return known;
    const abandon = eitherOf(fence, this.#abandon.signal);
    this.#abandons.set(fence, abandon);
    return abandon;
  }

  #owns(key: string, ms: number): boolean {
    const uid = this.#uidOf(key);
    // Of what is not there nothing can be sent, whosever it was.
    if (uid === undefined && this.#options.share !== undefined) return true;
    // It is looked at when its shard is worked on.
    if (this.#options.share?.works(uid ?? '') === false) return false;
    const owns = this.#ownership.owns(uid ?? '', ms);
    if (!owns) this.#disowned.add(key);
    return owns;
  }

  /** Work has begun, and what happens is heard of. @returns what is missing, or undefined. */
  notReady(): string | undefined {
    if (!this.#started || this.#draining) return 'not synced with the API server';
    const { deaf } = this.#collections;
    return deaf === undefined ? undefined : `nothing is heard of ${deaf} from the API server`;
  }

  /** The loops are alive. @returns what is not, or undefined. */
  notHealthy(): string | undefined {
    const { stuck } = this.#collections;
    if (stuck !== undefined) return `the watch of ${stuck} is stuck`;
    return this.#queue.lateness > LATE_SCHEDULER_MS ? 'the scheduler is late' : undefined;
  }

  /** Nothing is going on: what was kept for the next look, to be quick, takes less memory meanwhile. */
  rest(): void {
    this.#collections.rest();
    this.#context?.memories.restAll();
  }

  /** For metrics, read when they are scraped. */
  observeInto(metrics: Metrics): void {
    metrics.queueDepth(this.#queue.depth);
    this.#providerWork.observeInto(metrics);
    this.#collections.observeInto(metrics);
  }

  #makeContext(digester: Digester): Context {
    const options = this.#options;
    return {
      ...options,
      credentials: this.#collections.credentials,
      secrets: this.#collections.secrets,
      providers: this.#providers,
      gate: this.#gate,
      health: this.#health,
      digester,
      processDigester: new Digester('process', options.randomBytes(32)),
      refusals: new Refusals(key => this.#queue.add(key)),
      memories: new Memories(),
      events: this.#events,
      limits: limits => this.#limits(limits),
      many: () => this.#collections.credentials.size > (this.#options.readAtStart ?? READ_AT_START),
      demand: this.#demand,
      demandChanged: provider => this.#providerWork.demandChanged(provider),
      namespaceLabels: namespace => this.#collections.namespaceLabels(namespace),
      owns: (key, ms) => this.#owns(key, ms),
      abandon: key => this.#abandonOf(key),
      draining: () => this.#draining,
      outside: work => this.#queue.outside(work),
    };
  }

  /** What a change names to be looked at. */
  #listen(): void {
    const { credentials, providers, secrets, namespaces } = this.#collections;
    credentials.onChange((key, old, next) => {
      if (next === undefined || old === undefined || isNews(old, next)) this.#queue.add(key);
      // Its series go now, however long the queue is.
      if (next === undefined && old !== undefined) this.#options.metrics.removeCredential(key);
    });
    providers.onChange((name, old, next) => {
      if (next !== undefined && old !== undefined && !isNews(old, next)) {
        this.#providerWork.statusChanged(name);
        return;
      }
      if (next === undefined) this.#providerWork.deleted(name);
      this.#providerWork.changed(name);
      for (const key of credentials.byIndex('provider', name)) this.#queue.add(key);
    });
    secrets.onChange((key, _old, next) => {
      for (const credential of this.#collections.usersOf(key)) {
        const unjudged = this.#unjudged.get(credential);
        if (unjudged !== undefined && next !== undefined) unjudged.add(key);
        else if (next === undefined || !this.#isOurWrite(credential, next)) this.#queue.add(credential);
      }
    });
    namespaces.onChange(name => {
      for (const key of credentials.byIndex('namespace', name)) this.#queue.add(key);
    });
  }

  /** The echo of a write of ours is no news. */
  #isOurWrite(credential: string, { metadata }: SecretMeta): boolean {
    const known = this.#context?.memories.versionsOf(credential);
    const { name, resourceVersion } = metadata;
    const target = known?.target;
    if (target !== undefined && target.name === name) return target.version === resourceVersion;
    return name.endsWith(SESSION_SUFFIX) && known?.session === resourceVersion;
  }

  async #look(key: string): Promise<void> {
    if (this.#context === undefined || !this.#started || !this.#owns(key, 0)) return;
    const unjudged = new Set<string>();
    this.#unjudged.set(key, unjudged);
    let next: number | undefined;
    try {
      next = await reconcile(key, this.#context);
    } finally {
      this.#unjudged.delete(key);
      for (const changed of unjudged) {
        const secret = this.#collections.secrets.get(changed);
        if (secret === undefined || !this.#isOurWrite(key, secret)) this.#queue.add(key);
      }
    }
    this.#retries.delete(key);
    if (next !== undefined) this.#queue.addWithin(key, next);
  }

  /** The API server stood in the way; the provider's failures are dealt with in reconcile. */
  #failed(key: string, error: unknown): void {
    const tried = this.#retries.get(key) ?? 0;
    this.#retries.set(key, tried + 1);
    const wait =
      Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(tried, 10)) *
      (0.75 + this.#options.random.next() / 2);
    const retryAfter = retryAfterOf(error);
    this.#options.log.warn(
      { credential: key, ...told(error), retryInMs: Math.round(Math.max(wait, retryAfter)) },
      'reconcile failed',
    );
    this.#queue.addWithin(key, Math.max(wait, retryAfter));
  }

  /** New credentials stand in a line of their own, by namespaces in turn; the others by their tokens' expiry. */
  #place(key: string): Place {
    const credential = this.#collections.credentials.get(key);
    const token = credential?.status?.token;
    if (token === undefined && credential?.status?.failures === undefined) {
      return { line: 'first', group: credential?.metadata.namespace ?? '' };
    }
    return {
      line: 'again',
      rank: token?.expiresAt === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(token.expiresAt),
    };
  }

  /** The limits hold for all replicas together. */
  #limits(limits: Limits): Limits {
    const { share } = this.#options;
    return share === undefined ? limits : partOf(limits, { owned: share.active, shards: share.shards });
  }

  #circuitChanged(lane: string, open: boolean): void {
    const { provider, origin } = splitLane(lane);
    this.#options.log.warn(
      { provider, origin, open },
      open ? 'circuit opened: one credential probes' : 'circuit closed',
    );
  }
}

/** Status is ours alone, and labels change nothing: only these ask for another look. */
function isNews(old: { metadata: ObjectMeta }, next: { metadata: ObjectMeta }): boolean {
  return (
    old.metadata.uid !== next.metadata.uid ||
    old.metadata.generation !== next.metadata.generation ||
    old.metadata.deletionTimestamp !== next.metadata.deletionTimestamp ||
    old.metadata.annotations?.[REFRESH_REQUESTED_AT] !== next.metadata.annotations?.[REFRESH_REQUESTED_AT]
  );
}
