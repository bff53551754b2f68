import { ANNOTATION, REFRESH_REQUESTED_AT, SESSION_SUFFIX } from './api/names.ts';
import { keyOf, type ObjectMeta } from './api/meta.ts';
import { Demand } from './decide/demand.ts';
import { Digester } from './decide/digest.ts';
import { OriginHealth } from './decide/origin-health.ts';
import { Refusals } from './decide/refusals.ts';
import type { KubeClient } from './kube/client.ts';
import { loadDigestKey } from './kube/digest-key.ts';
import { EventRecorder } from './kube/events.ts';
import { isRetriable, KubeError } from './kube/kube-error.ts';
import { ListWatch } from './kube/list-watch.ts';
import {
  type CredentialObject,
  credentialPath,
  type ProviderObject,
  providerPath,
  readCredential,
  readProvider,
} from './kube/objects.ts';
import { readMeta, type SecretMeta, slimSecretMeta } from './kube/secret.ts';
import type { ServerTime } from './kube/server-time.ts';
import { Store } from './kube/store.ts';
import { type Clock, type Random, sleep } from './loop/clock.ts';
import type { Log } from './loop/log.ts';
import { type Place, Queue } from './loop/queue.ts';
import { Schedule } from './loop/schedule.ts';
import type { Metrics } from './observe/metrics.ts';
import { Gate } from './provider/gate.ts';
import type { Engine, Transport } from './provider/types.ts';
import { Providers, reconcileProvider } from './providers.ts';
import { reconcile } from './reconcile.ts';
import type { Context, Settings } from './steps/context.ts';
import { laneOf, splitLane } from './steps/plan.ts';

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
  /** Whether this replica may act on a key for the next `ms`; the place of leases and shards. */
  readonly owns?: (key: string, ms: number) => boolean;
}

/** A watch that has told nothing for this long is not healthy: bookmarks come each minute. */
const SILENT_WATCH_MS = 900_000;
const LATE_SCHEDULER_MS = 60_000;
const LAST_WRITES_MS = 5000;
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 60_000;
/** How often a provider's status may follow a need that goes up and down. */
const NEED_SHOWN_EVERY_MS = 60_000;

/**
 * watch -> queue -> reconcile -> schedule. Whatever happens only ever names a key to look at;
 * what is done then depends on what is found, never on why it is looked at.
 */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #credentials = new Store<CredentialObject>();
  readonly #providerStore = new Store<ProviderObject>();
  readonly #secrets = new Store<SecretMeta>();
  readonly #namespaces = new Store<{ metadata: ObjectMeta }>();
  readonly #providers: Providers;
  readonly #demand = new Demand();
  /** Provider to the need that its Saturated condition names. */
  readonly #needShown = new Map<string, number>();
  readonly #events: EventRecorder;
  readonly #gate: Gate;
  readonly #health: OriginHealth;
  readonly #probes: Schedule;
  readonly #queue: Queue;
  readonly #providerQueue: Queue;
  readonly #watches = new Map<string, ListWatch<{ metadata: ObjectMeta }>>();
  readonly #retries = new Map<string, number>();
  /** By credential being looked at: Secrets that changed meanwhile. The echo of its own write may come before the write's answer. */
  readonly #unjudged = new Map<string, Set<string>>();
  readonly #abandon = new AbortController();
  /** Whose circuits /metrics shows. */
  #shownLanes: ReadonlySet<string> = new Set();
  #context: Context | undefined;
  #started = false;
  #draining = false;

  constructor(options: OperatorOptions) {
    this.#options = options;
    const { clock, client, serverTime, random, log, metrics } = options;
    this.#providers = new Providers(options.engine, this.#providerStore);
    this.#events = new EventRecorder(client, serverTime, options.instance, log);
    this.#gate = new Gate({ clock, wake: key => this.#queue.add(key) });
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
    this.#providerQueue = new Queue({
      clock,
      concurrency: 4,
      handle: name => this.#lookAtProvider(name),
      place: () => ({ line: 'again', rank: 0 }),
      onError: (name, error) => this.#providerFailed(name, error),
    });
  }

  /** Resolves when every collection is known and work has begun. @throws what stands in the way of the digest key. */
  async start(): Promise<void> {
    this.#context = this.#makeContext(await this.#digester());
    this.#index();
    this.#watch();
    for (const watch of this.#watches.values()) watch.start();
    await Promise.all([...this.#watches.values()].map(watch => watch.synced));
    this.#started = true;
    for (const provider of this.#providerStore.values()) this.#providerQueue.add(keyOf(provider));
    for (const credential of this.#credentials.values()) this.#queue.add(keyOf(credential));
    this.#options.log.info(
      { credentials: this.#credentials.size, providers: this.#providerStore.size },
      'watching; work begins',
    );
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
        log.warn({ ...describe(error), retryInMs: wait }, 'waiting for the API server');
        await sleep(clock, wait, this.#abandon.signal);
      }
    }
  }

  /**
   * Drains: nothing new starts, what a provider has answered is written.
   * @param graceMs by which it ends, whatever stands in the way; requests to providers are aborted a little earlier, so
   * that what came of them can be written.
   */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#draining = true;
    const overdue = clock.after(graceMs - Math.min(LAST_WRITES_MS, graceMs / 2), () => this.#abandon.abort());
    const given = new AbortController();
    await Promise.race([this.#drain(), sleep(clock, graceMs, given.signal).catch(() => {})]);
    overdue.cancel();
    given.abort();
  }

  async #drain(): Promise<void> {
    this.#probes.clear();
    await Promise.all([this.#queue.drain(), this.#providerQueue.drain()]);
    await Promise.all([this.#events.flush(), ...[...this.#watches.values()].map(watch => watch.stop())]);
  }

  /** Work has begun. @returns what is missing, or undefined. */
  notReady(): string | undefined {
    return this.#started && !this.#draining ? undefined : 'not synced with the API server';
  }

  /** The loops are alive. @returns what is not, or undefined. */
  notHealthy(): string | undefined {
    const now = this.#options.clock.monotonic();
    if ([...this.#watches.values()].some(({ health }) => now - health.lastEventMono > SILENT_WATCH_MS))
      return 'a watch is silent';
    return this.#queue.lateness > LATE_SCHEDULER_MS ? 'the scheduler is late' : undefined;
  }

  /** For metrics, read when they are scraped. */
  observeInto(metrics: Metrics): void {
    metrics.queueDepth(this.#queue.depth);
    this.#showCircuits(metrics);
    const now = this.#options.clock.monotonic();
    for (const [name, { health }] of this.#watches) {
      metrics.watch(name, { ageSeconds: (now - health.lastEventMono) / 1000, restarts: health.restarts });
    }
  }

  #makeContext(digester: Digester): Context {
    const options = this.#options;
    return {
      ...options,
      credentials: this.#credentials,
      secrets: this.#secrets,
      providers: this.#providers,
      gate: this.#gate,
      health: this.#health,
      digester,
      processDigester: new Digester('process', options.randomBytes(32)),
      refusals: new Refusals(key => this.#queue.add(key)),
      memories: new Map(),
      events: this.#events,
      demand: this.#demand,
      demandChanged: provider => this.#demandChanged(provider),
      namespaceLabels: namespace => this.#namespaceLabels(namespace),
      owns: options.owns ?? (() => true),
      abandon: this.#abandon.signal,
      draining: () => this.#draining,
      outside: work => this.#queue.outside(work),
    };
  }

  #index(): void {
    this.#credentials.index('provider', ({ spec }) => (spec === undefined ? [] : [spec.providerRef.name]));
    this.#credentials.index('secret', secretsOf);
    this.#credentials.index('namespace', ({ metadata }) => [metadata.namespace ?? '']);
    this.#secrets.index('credential', ({ metadata }) => {
      const named = metadata.annotations?.[ANNOTATION.credential];
      return named === undefined ? [] : [named];
    });
    this.#credentials.onChange((key, old, next) => {
      if (next === undefined || old === undefined || isNews(old, next)) this.#queue.add(key);
    });
    this.#providerStore.onChange((name, old, next) => {
      this.#providerQueue.add(name);
      if (next === undefined) {
        this.#options.metrics.removeProvider(name);
        this.#needShown.delete(name);
      }
      if (next !== undefined && old !== undefined && !isNews(old, next)) return;
      for (const key of this.#credentials.byIndex('provider', name)) this.#queue.add(key);
    });
    this.#secrets.onChange((key, _old, next) => {
      for (const credential of this.#credentials.byIndex('secret', key)) {
        const unjudged = this.#unjudged.get(credential);
        if (unjudged !== undefined && next !== undefined) unjudged.add(key);
        else if (next === undefined || !this.#isOurWrite(credential, next)) this.#queue.add(credential);
      }
    });
    this.#namespaces.onChange(name => {
      for (const key of this.#credentials.byIndex('namespace', name)) this.#queue.add(key);
    });
  }

  /** The echo of a write of ours is no news. */
  #isOurWrite(credential: string, { metadata }: SecretMeta): boolean {
    const memory = this.#context?.memories.get(credential);
    const { name, resourceVersion } = metadata;
    const target = memory?.target;
    if (target !== undefined && target.name === name) return target.version === resourceVersion;
    return name.endsWith(SESSION_SUFFIX) && memory?.session?.version === resourceVersion;
  }

  #watch(): void {
    const { watchNamespaces } = this.#options;
    this.#listWatch('clustertokenproviders', providerPath(), readProvider, this.#providerStore.feed());
    const scopes = watchNamespaces.length === 0 ? [undefined] : watchNamespaces;
    for (const namespace of scopes) {
      const secrets = namespace === undefined ? '/api/v1/secrets' : `/api/v1/namespaces/${namespace}/secrets`;
      const suffix = namespace === undefined ? '' : `/${namespace}`;
      this.#listWatch(
        `providercredentials${suffix}`,
        credentialPath(namespace),
        readCredential,
        this.#credentials.feed(namespace),
      );
      this.#listWatch(`secrets${suffix}`, secrets, slimSecretMeta, this.#secrets.feed(namespace), true);
    }
    if (watchNamespaces.length === 0) {
      this.#listWatch('namespaces', '/api/v1/namespaces', readMeta, this.#namespaces.feed(), true);
    }
  }

  #listWatch<T extends { metadata: ObjectMeta }>(
    name: string,
    path: string,
    parse: (raw: unknown) => T | undefined,
    handler: ReturnType<Store<T>['feed']>,
    metadataOnly = false,
  ): void {
    const { client, clock, random, log } = this.#options;
    this.#watches.set(
      name,
      new ListWatch({ client, path, metadataOnly, parse, handler, clock, random, log, name }),
    );
  }

  async #look(key: string): Promise<void> {
    if (this.#context === undefined || !this.#started) return;
    const unjudged = new Set<string>();
    this.#unjudged.set(key, unjudged);
    let next: number | undefined;
    try {
      next = await reconcile(key, this.#context);
    } finally {
      this.#unjudged.delete(key);
      for (const changed of unjudged) {
        const secret = this.#secrets.get(changed);
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
    const retryAfter = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
    this.#options.log.warn(
      { key, ...describe(error), retryInMs: Math.round(Math.max(wait, retryAfter)) },
      'reconcile failed',
    );
    this.#queue.addWithin(key, Math.max(wait, retryAfter));
  }

  async #lookAtProvider(name: string): Promise<void> {
    if (!this.#started) return;
    this.#needShown.set(name, this.#demand.worst(name)?.perMinute ?? 0);
    const { client, serverTime, metrics } = this.#options;
    const entry = this.#providers.get(name);
    if (entry?.compiled.ok === true)
      metrics.acceptProvider(name, [...entry.compiled.provider.flows.values()]);
    await reconcileProvider(name, {
      client,
      serverTime,
      store: this.#providerStore,
      providers: this.#providers,
      demand: this.#demand,
      events: this.#events,
    });
  }

  #providerFailed(name: string, error: unknown): void {
    this.#options.log.warn({ provider: name, ...describe(error) }, 'provider status not written');
    this.#providerQueue.addWithin(name, 10_000);
  }

  /** New credentials stand in a line of their own, by namespaces in turn; the others by their tokens' expiry. */
  #place(key: string): Place {
    const credential = this.#credentials.get(key);
    const token = credential?.status?.token;
    if (token === undefined && credential?.status?.failures === undefined) {
      return { line: 'first', group: credential?.metadata.namespace ?? '' };
    }
    return {
      line: 'again',
      rank: token?.expiresAt === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(token.expiresAt),
    };
  }

  #demandChanged(provider: string): void {
    const entry = this.#providers.get(provider);
    const limit = entry?.compiled.ok === true ? entry.compiled.provider.limits.requestsPerMinute : undefined;
    const worst = this.#demand.worst(provider);
    const saturated = limit !== undefined && worst !== undefined && worst.perMinute > limit;
    const shown =
      this.#providerStore.get(provider)?.status?.conditions.find(({ type }) => type === 'Saturated')
        ?.status === 'True';
    if (saturated !== shown) this.#providerQueue.add(provider);
    else if (
      saturated &&
      Math.abs(worst.perMinute - (this.#needShown.get(provider) ?? 0)) > worst.perMinute / 10
    ) {
      this.#providerQueue.addWithin(provider, NEED_SHOWN_EVERY_MS);
    }
  }

  #circuitChanged(lane: string, open: boolean): void {
    const { provider, origin } = splitLane(lane);
    this.#options.log.warn(
      { provider, origin, open },
      open ? 'circuit opened: one credential probes' : 'circuit closed',
    );
  }

  /** Every origin that is in use, also one that never failed; what is no longer used goes. */
  #showCircuits(metrics: Metrics): void {
    const used = new Set<string>();
    for (const { provider, origin } of this.#demand.origins()) {
      if (this.#providerStore.get(provider) === undefined) continue;
      const lane = laneOf(provider, origin);
      used.add(lane);
      metrics.circuit(provider, origin, this.#health.isOpen(lane));
    }
    for (const lane of this.#shownLanes) {
      const { provider, origin } = splitLane(lane);
      if (!used.has(lane)) metrics.removeOrigin(provider, origin);
    }
    this.#shownLanes = used;
  }

  #namespaceLabels(namespace: string): Readonly<Record<string, string>> {
    const labels = this.#namespaces.get(namespace)?.metadata.labels;
    return { 'kubernetes.io/metadata.name': namespace, ...labels };
  }
}

/** Every Secret whose change may matter: the source, the target, where the token stood before, the session. */
function secretsOf({ metadata, spec, status }: CredentialObject): string[] {
  if (spec === undefined) return [];
  const names = new Set([
    spec.source.secretRef.name,
    spec.target.name ?? metadata.name,
    metadata.name + SESSION_SUFFIX,
    status?.token?.secretName ?? metadata.name,
  ]);
  return [...names].map(name => `${metadata.namespace ?? ''}/${name}`);
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

function describe(error: unknown): Record<string, unknown> {
  if (error instanceof KubeError) return { code: error.code, reason: error.reason, detail: error.message };
  // A defect of ours: its name and place, never its message, which may quote a value.
  if (!(error instanceof Error)) return { reason: 'Unknown' };
  return { reason: error.name, at: error.stack?.split('\n').slice(1, 4).join(' ').trim() };
}
