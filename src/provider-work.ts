import type { Log } from './api/log.ts';
import { keyOf } from './api/meta.ts';
import type { Collections } from './collections.ts';
import type { Demand } from './decide/demand.ts';
import type { OriginHealth } from './decide/origin-health.ts';
import type { KubeClient } from './kube/client.ts';
import type { EventRecorder } from './kube/events.ts';
import type { ServerTime } from './kube/server-time.ts';
import type { Ownership } from './lead/ownership.ts';
import type { Share } from './lead/share.ts';
import type { Clock } from './loop/clock.ts';
import { Queue } from './loop/queue.ts';
import type { Metrics } from './observe/metrics.ts';
import type { Limits } from './provider/gate.ts';
import { type Providers, reconcileProvider } from './providers.ts';
import { laneOf, splitLane } from './steps/plan.ts';
import { retryAfterOf, told } from './told.ts';

export interface ProviderWorkOptions {
  readonly clock: Clock;
  readonly client: KubeClient;
  readonly serverTime: ServerTime;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly collections: Collections;
  readonly providers: Providers;
  readonly demand: Demand;
  readonly health: OriginHealth;
  /** This replica's part of what a definition allows. */
  readonly limits: (limits: Limits) => Limits;
  readonly ownership: Ownership;
  readonly share?: Share | undefined;
}

const RETRY_MS = 10_000;
const CONCURRENCY = 4;
/** How often a provider's status may follow a need that goes up and down. */
const NEED_SHOWN_EVERY_MS = 60_000;

/** What is told of providers: their status, and in metrics also their origins. */
export class ProviderWork {
  readonly #options: ProviderWorkOptions;
  readonly #queue: Queue;
  /** Provider to the need that its Saturated condition names. */
  readonly #needShown = new Map<string, number>();
  /** That were due while they were not ours. */
  readonly #disowned = new Set<string>();
  /** Whose health /metrics shows. */
  #shownLanes: ReadonlySet<string> = new Set();
  #begun = false;

  constructor(options: ProviderWorkOptions) {
    this.#options = options;
    this.#queue = new Queue({
      clock: options.clock,
      concurrency: CONCURRENCY,
      handle: name => this.#look(name),
      place: () => ({ line: 'again', rank: 0 }),
      onError: (name, error) => this.#failed(name, error),
    });
  }

  /** Every collection is known. */
  begin(): void {
    this.#begun = true;
    for (const provider of this.#options.collections.providers.values()) this.#queue.add(keyOf(provider));
  }

  /** It was made, its spec was changed, or it was deleted. */
  changed(name: string): void {
    this.#queue.add(name);
  }

  deleted(name: string): void {
    this.#options.metrics.removeProvider(name);
    this.#needShown.delete(name);
  }

  /** A status that is not ours is another operator's, of other namespaces: neither may answer the other at once. */
  statusChanged(name: string): void {
    this.#queue.addWithin(name, NEED_SHOWN_EVERY_MS);
  }

  demandChanged(name: string): void {
    const worst = this.#options.demand.worst(name);
    const saturated = this.#isSaturated(name);
    const conditions = this.#options.collections.providers.get(name)?.status?.conditions;
    const shown = conditions?.find(({ type }) => type === 'Saturated')?.status === 'True';
    if (saturated !== shown) this.#queue.add(name);
    else if (
      saturated &&
      worst !== undefined &&
      Math.abs(worst.perMinute - (this.#needShown.get(name) ?? 0)) > worst.perMinute / 10
    ) {
      this.#queue.addWithin(name, NEED_SHOWN_EVERY_MS);
    }
  }

  /** What was refused since it was not ours is looked at again. */
  ownershipRenewed(): void {
    const names = [...this.#disowned];
    this.#disowned.clear();
    for (const name of names) this.#queue.add(name);
  }

  /** They are worked on from now on. */
  gained(isGained: (uid: string) => boolean): void {
    for (const provider of this.#options.collections.providers.values())
      if (isGained(provider.metadata.uid)) this.#queue.add(keyOf(provider));
  }

  /** Resolves when none of these is being looked at. */
  settled(which: (uid: string | undefined) => boolean): Promise<void> {
    const { providers } = this.#options.collections;
    return this.#queue.settled(name => which(providers.get(name)?.metadata.uid));
  }

  drain(): Promise<void> {
    return this.#queue.drain();
  }

  /** For metrics, read when they are scraped. */
  observeInto(metrics: Metrics): void {
    const { collections, providers } = this.#options;
    for (const provider of collections.providers.values()) {
      const name = keyOf(provider);
      const accepted = providers.get(name)?.compiled.ok === true;
      metrics.setProvider(name, { accepted, saturated: this.#isSaturated(name) });
    }
    this.#showOrigins(metrics);
  }

  async #look(name: string): Promise<void> {
    if (!this.#begun) return;
    const { client, serverTime, metrics, collections, providers, demand, limits, events } = this.#options;
    const entry = providers.get(name);
    if (entry?.compiled.ok === true)
      metrics.acceptProvider(name, [...entry.compiled.provider.flows.values()]);
    const uid = collections.providers.get(name)?.metadata.uid ?? '';
    if (this.#options.share?.works(uid) === false) return;
    if (!this.#options.ownership.owns(uid, 0)) {
      this.#disowned.add(name);
      return;
    }
    this.#needShown.set(name, demand.worst(name)?.perMinute ?? 0);
    const store = collections.providers;
    await reconcileProvider(name, { client, serverTime, store, providers, demand, limits, events });
  }

  #failed(name: string, error: unknown): void {
    this.#options.log.warn({ provider: name, ...told(error) }, 'provider status not written');
    this.#queue.addWithin(name, Math.max(RETRY_MS, retryAfterOf(error)));
  }

  #isSaturated(name: string): boolean {
    const { providers, limits, demand } = this.#options;
    const entry = providers.get(name);
    const most =
      entry?.compiled.ok === true ? limits(entry.compiled.provider.limits).requestsPerMinute : undefined;
    return most !== undefined && (demand.worst(name)?.perMinute ?? 0) > most;
  }

  /** Every origin that is in use, also one that never failed; what is no longer used goes. */
  #showOrigins(metrics: Metrics): void {
    const { demand, health, collections } = this.#options;
    const used = new Set<string>();
    for (const { provider, origin } of demand.origins()) {
      if (collections.providers.get(provider) === undefined) continue;
      const lane = laneOf(provider, origin);
      used.add(lane);
      metrics.origin(provider, origin, {
        circuitOpen: health.isOpen(lane),
        rejectsAll: health.rejectsAll(lane),
        paused: health.isPaused(lane),
      });
    }
    for (const lane of this.#shownLanes) {
      const { provider, origin } = splitLane(lane);
      if (!used.has(lane)) metrics.removeOrigin(provider, origin);
    }
    this.#shownLanes = used;
  }
}
