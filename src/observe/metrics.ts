import { setImmediate as nextTurn } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { FailureClass } from '../errors.ts';
import type { CredentialState } from './credential-columns.ts';
import { credentialSeries } from './credential-series.ts';
import { Credentials, type Seconds, STATES, type Time } from './credentials.ts';
import { CONTENT_TYPE, END, formatFor, toOpenMetrics } from './exposition.ts';
import { FAMILIES, type Family } from './families.ts';
import { Owned } from './owned.ts';
import { type Summary, summarize } from './summary.ts';

const GRANTS = ['Login', 'Refresh'] as const;
export type GrantKind = (typeof GRANTS)[number];
export type Result = 'Success' | FailureClass;
const RESULTS = [
  'Success',
  'Rejected',
  'Throttled',
  'Unavailable',
  'Unusable',
  'Invalid',
] as const satisfies readonly Result[];

export interface Attempt {
  readonly provider: string;
  readonly flow: string;
  readonly grant: GrantKind;
  readonly result: Result;
  /** Of the exchange; absent when nothing was sent. */
  readonly seconds?: number;
  /** After the renewal was due; absent for what was not scheduled. */
  readonly latenessSeconds?: number;
}

/** How often the event loop's lag is looked at: the library's own 10 ms take 0.3 % of a core, which is half of what a process at rest costs. */
const LAG_PRECISION_MS = 50;

/** `auto`: while there are no more than {@link AUTO_MOST}. */
export type PerCredential = 'auto' | 'on' | 'off';
export const AUTO_MOST = 5000;
/** A number that goes up and down at the limit does not make the series come and go. */
const AUTO_AGAIN = 4500;

export interface OriginHealthNow {
  readonly circuitOpen: boolean;
  readonly rejectsAll: boolean;
  readonly paused: boolean;
}

/** What a scraper gets: pieces, between which others have their turn. */
export interface Exposition {
  readonly contentType: string;
  readonly pieces: AsyncIterable<string>;
}

/** What `/metrics` shows. Label sets are closed, or go with the object that they tell of. Nothing secret has a label. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #owned = new Owned();
  readonly #time: Time;
  readonly #mode: PerCredential;
  readonly #credentials: Credentials;
  readonly #providers = new Set<string>();
  /** Whose seconds are shown. */
  readonly #timed = new Set<string>();
  #shown = true;
  #leads = false;
  /** Whose errors stand at zero or more. */
  readonly #verbs = new Set<string>();
  /** As last told, by resource. */
  readonly #restarts = new Map<string, number>();

  readonly #buildInfo = this.#gauge(FAMILIES.buildInfo);
  readonly #leader = this.#gauge(FAMILIES.leader);
  readonly #shards = this.#gauge(FAMILIES.shards);
  readonly #shardsOwned = this.#gauge(FAMILIES.shardsOwned);
  readonly #seconds = this.#counter(FAMILIES.credentialSeconds);
  readonly #byState = this.#gauge(FAMILIES.credentialsState);
  readonly #byReady = this.#gauge(FAMILIES.credentials);
  readonly #stopped = this.#gauge(FAMILIES.credentialsStopped);
  readonly #failing = this.#gauge(FAMILIES.credentialsFailing);
  readonly #refused = this.#gauge(FAMILIES.credentialsRefused);
  readonly #pastRenewal = this.#gauge(FAMILIES.credentialsPastRenewal);
  readonly #expiring = this.#gauge(FAMILIES.credentialsExpiring);
  readonly #expired = this.#gauge(FAMILIES.credentialsExpired);
  readonly #soonestExpiry = this.#gauge(FAMILIES.soonestExpiry);
  readonly #accepted = this.#gauge(FAMILIES.providerAccepted);
  readonly #saturated = this.#gauge(FAMILIES.providerSaturated);
  readonly #circuit = this.#gauge(FAMILIES.providerCircuitOpen);
  readonly #rejectsAll = this.#gauge(FAMILIES.providerRejectsAll);
  readonly #paused = this.#gauge(FAMILIES.providerPaused);
  readonly #refreshTotal = this.#counter(FAMILIES.refreshTotal);
  readonly #refreshDuration = this.#histogram(FAMILIES.refreshDuration);
  readonly #refreshLateness = this.#histogram(FAMILIES.refreshLateness);
  readonly #queueDepth = this.#gauge(FAMILIES.queueDepth);
  readonly #queueWait = this.#histogram(FAMILIES.queueWait);
  readonly #watchRestarts = this.#counter(FAMILIES.watchRestarts);
  readonly #watchAge = this.#gauge(FAMILIES.watchLastEventAge);
  readonly #apiRequests = this.#counter(FAMILIES.apiRequests);

  /** @param options.process whether the process's own metrics are shown as well; they watch the event loop and the collector. */
  constructor(options: {
    readonly perCredential: PerCredential;
    readonly time: Time;
    readonly version: string;
    readonly process?: boolean;
  }) {
    this.#mode = options.perCredential;
    this.#time = options.time;
    this.#credentials = new Credentials(options.time, (provider, seconds) =>
      this.#addSeconds(provider, seconds),
    );
    this.#buildInfo.set({ version: options.version, node: process.version }, 1);
    if (options.process === true) this.#collectProcess();
  }

  /** A provider is there. */
  setProvider(provider: string, is: { readonly accepted: boolean; readonly saturated: boolean }): void {
    this.#providers.add(provider);
    this.#addSeconds(provider, { live: 0, dead: 0 });
    this.#accepted.set({ provider }, is.accepted ? 1 : 0);
    this.#saturated.set({ provider }, is.saturated ? 1 : 0);
    this.#owned.add(provider, 'is', () => {
      this.#accepted.remove({ provider });
      this.#saturated.remove({ provider });
    });
  }

  /** Its definition was accepted: its attempts stand at zero rather than being absent, so that a first failure is an increase. */
  acceptProvider(
    provider: string,
    flows: readonly { readonly name: string; readonly refreshable: boolean }[],
  ): void {
    const kept = new Set<string>();
    this.#late(provider);
    for (const flow of flows) {
      for (const grant of flow.refreshable ? GRANTS : (['Login'] as const)) {
        kept.add(`${flow.name}/${grant}`);
        this.#took(provider, grant);
        for (const result of RESULTS) this.#count({ provider, flow: flow.name, grant, result }, 0);
      }
    }
    this.#owned.drop(provider, part => part.startsWith('total/') && !kept.has(flowOf(part)));
  }

  /** One attempt has ended. */
  refreshed(attempt: Attempt): void {
    const { provider, grant, seconds, latenessSeconds } = attempt;
    this.#count(attempt, 1);
    if (seconds !== undefined) this.#took(provider, grant, seconds);
    if (latenessSeconds !== undefined) this.#late(provider, Math.max(0, latenessSeconds));
  }

  setCredential(key: string, provider: string, state: CredentialState): void {
    this.#credentials.set(key, provider, state);
  }

  removeCredential(key: string): void {
    this.#credentials.remove(key);
  }

  origin(provider: string, origin: string, health: OriginHealthNow): void {
    const labels = { provider, origin };
    this.#circuit.set(labels, health.circuitOpen ? 1 : 0);
    this.#rejectsAll.set(labels, health.rejectsAll ? 1 : 0);
    this.#paused.set(labels, health.paused ? 1 : 0);
    this.#owned.add(provider, `origin/${origin}`, () => {
      for (const gauge of [this.#circuit, this.#rejectsAll, this.#paused]) gauge.remove(labels);
    });
  }

  /** No credential uses the origin any more. */
  removeOrigin(provider: string, origin: string): void {
    this.#owned.drop(provider, part => part === `origin/${origin}`);
  }

  removeProvider(provider: string): void {
    this.#providers.delete(provider);
    this.#owned.drop(provider);
  }

  queueDepth(keys: number): void {
    this.#queueDepth.set(keys);
  }

  queueWait(seconds: number): void {
    this.#queueWait.observe(seconds);
  }

  /** @param health.ageSeconds since the server's last sign of life. @param health.restarts of lists and watches, so far. */
  watch(resource: string, health: { readonly ageSeconds: number; readonly restarts: number }): void {
    this.#watchAge.set({ resource }, health.ageSeconds);
    this.#watchRestarts.inc({ resource }, health.restarts - (this.#restarts.get(resource) ?? 0));
    this.#restarts.set(resource, health.restarts);
  }

  shards(count: number): void {
    this.#shards.set(count);
  }

  /** Of shards; where there is one, it is all. Who has none says nothing of credentials: other replicas do. */
  owned(shards: number): void {
    const leads = shards > 0;
    this.#credentials.counting(leads);
    this.#leads = leads;
    this.#leader.set(leads ? 1 : 0);
    this.#shardsOwned.set(shards);
  }

  /** @param code of the answer; `error` when no whole one came. */
  apiRequest(verb: string, code: number | 'error'): void {
    if (!this.#verbs.has(verb)) this.#apiRequests.inc({ verb, code: 'error' }, 0);
    this.#verbs.add(verb);
    this.#apiRequests.inc({ verb, code });
  }

  /** @param accept the scraper's header: OpenMetrics for who prefers it. */
  expose(accept?: string): Exposition {
    const format = formatFor(accept);
    const pieces = async function* (this: Metrics) {
      this.#collect();
      const entries = this.#shown && this.#leads ? this.#credentials.entries() : [];
      for (const { name } of this.#registry.getMetricsAsArray()) {
        const text = `${await this.#registry.getSingleMetricAsString(name)}\n`;
        yield format === 'openmetrics' ? toOpenMetrics(text) : text;
        await nextTurn();
      }
      yield* credentialSeries(entries);
      if (END[format] !== '') yield END[format];
    };
    return { contentType: CONTENT_TYPE[format], pieces: pieces.call(this) };
  }

  /** What is counted over all credentials, at each scrape: no series outlives what it tells of. */
  #collect(): void {
    const most = this.#shown ? AUTO_MOST : AUTO_AGAIN;
    this.#shown = this.#mode === 'auto' ? this.#credentials.size <= most : this.#mode === 'on';
    this.#credentials.settle();
    for (const gauge of [
      this.#byState,
      this.#byReady,
      this.#stopped,
      this.#failing,
      this.#refused,
      this.#pastRenewal,
      this.#expiring,
      this.#expired,
      this.#soonestExpiry,
    ])
      gauge.reset();
    // Zeros from a standby would say that all is well.
    const states = this.#leads ? this.#credentials.states() : [];
    const summaries = summarize(states, this.#leads ? this.#providers : [], this.#time.now());
    for (const [provider, summary] of summaries) this.#show(provider, summary);
    for (const provider of this.#timed) {
      if (this.#providers.has(provider) || summaries.has(provider) || !this.#leads) continue;
      for (const state of ['live', 'dead']) this.#seconds.remove({ provider, state });
      this.#timed.delete(provider);
    }
  }

  #show(provider: string, summary: Summary): void {
    for (const state of STATES) this.#byState.set({ provider, state }, summary.states[state]);
    for (const [key, count] of summary.ready) {
      const [ready = '', reason = ''] = key.split('/');
      this.#byReady.set({ provider, ready, reason }, count);
    }
    for (const [reason, count] of summary.stopped) this.#stopped.set({ provider, reason }, count);
    for (const [reason, count] of summary.failing) this.#failing.set({ provider, reason }, count);
    for (const failing of ['true', 'false'] as const)
      this.#pastRenewal.set({ provider, failing }, summary.pastRenewal[failing]);
    this.#refused.set({ provider }, summary.refused);
    this.#expiring.set({ provider }, summary.expiring);
    this.#expired.set({ provider }, summary.expired);
    if (summary.soonestExpiry !== undefined)
      this.#soonestExpiry.set({ provider }, summary.soonestExpiry / 1000);
  }

  #addSeconds(provider: string, { live, dead }: Seconds): void {
    this.#timed.add(provider);
    this.#seconds.inc({ provider, state: 'live' }, live);
    this.#seconds.inc({ provider, state: 'dead' }, dead);
  }

  /** Without seconds: stands at zero. */
  #took(provider: string, grant: GrantKind, seconds?: number): void {
    const labels = { provider, grant: grant.toLowerCase() };
    if (seconds !== undefined) this.#refreshDuration.observe(labels, seconds);
    else if (!this.#owned.has(provider, `duration/${grant}`)) this.#refreshDuration.zero(labels);
    this.#owned.add(provider, `duration/${grant}`, () => this.#refreshDuration.remove(labels));
  }

  #late(provider: string, seconds?: number): void {
    if (seconds !== undefined) this.#refreshLateness.observe({ provider }, seconds);
    else if (!this.#owned.has(provider, 'lateness')) this.#refreshLateness.zero({ provider });
    this.#owned.add(provider, 'lateness', () => this.#refreshLateness.remove({ provider }));
  }

  #count(attempt: Pick<Attempt, 'provider' | 'flow' | 'grant' | 'result'>, by: number): void {
    const { provider, flow, grant, result } = attempt;
    const labels = { provider, flow, grant: grant.toLowerCase(), result: result.toLowerCase() };
    this.#refreshTotal.inc(labels, by);
    this.#owned.add(provider, `total/${flow}/${grant}/${result}`, () => this.#refreshTotal.remove(labels));
  }

  #collectProcess(): void {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LAG_PRECISION_MS });
    // Gauges that are named like counters, which promtool and OpenMetrics refuse; each has a twin without `_total`.
    for (const name of ['handles', 'requests', 'resources'])
      this.#registry.removeSingleMetric(`nodejs_active_${name}_total`);
  }

  #counter<const F extends Family>({ name, help, labels }: F): Counter<F['labels'][number]> {
    return new Counter({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  #gauge<const F extends Family>(family: F): Gauge<F['labels'][number]> {
    const { name, help, labels } = family;
    return new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
    });
  }

  #histogram<const F extends Family>(family: F): Histogram<F['labels'][number]> {
    const { name, help, labels, buckets = [] } = family;
    return new Histogram({
      name,
      help,
      labelNames: [...labels],
      buckets: [...buckets],
      registers: [this.#registry],
    });
  }
}

/** Its pieces as one text. */
export async function wholeText({ pieces }: Exposition): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

/** `total/<flow>/<grant>/<result>` to `<flow>/<grant>`; flows are DNS labels. */
function flowOf(part: string): string {
  return part.split('/').slice(1, 3).join('/');
}
