import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { FailureClass } from '../errors.ts';
import { FAMILIES, type Family } from './families.ts';
import { Owned } from './owned.ts';

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

/** Times in milliseconds since 1970. */
export interface CredentialState {
  readonly expiresAt?: number | undefined;
  readonly renewAt?: number | undefined;
  readonly ready: boolean;
  readonly lastSuccess?: number | undefined;
  readonly rejections: number;
}

/** What `/metrics` shows. Label sets are closed, or go with the object that they tell of. Nothing secret has a label. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #owned = new Owned();
  readonly #perCredential: boolean;
  /** As last told, by resource. */
  readonly #restarts = new Map<string, number>();
  readonly #providerOf = new Map<string, string>();
  readonly #refreshTotal = this.#counter(FAMILIES.refreshTotal);
  readonly #refreshDuration = this.#histogram(FAMILIES.refreshDuration);
  readonly #refreshLateness = this.#histogram(FAMILIES.refreshLateness);
  readonly #expiry = this.#gauge(FAMILIES.credentialExpiry);
  readonly #renew = this.#gauge(FAMILIES.credentialRenew);
  readonly #ready = this.#gauge(FAMILIES.credentialReady);
  readonly #lastSuccess = this.#gauge(FAMILIES.credentialLastSuccess);
  readonly #rejections = this.#gauge(FAMILIES.credentialRejections);
  readonly #circuit = this.#gauge(FAMILIES.providerCircuitOpen);
  readonly #queueDepth = this.#gauge(FAMILIES.queueDepth);
  readonly #queueWait = this.#histogram(FAMILIES.queueWait);
  readonly #watchAge = this.#gauge(FAMILIES.watchLastEventAge);
  readonly #watchRestarts = this.#counter(FAMILIES.watchRestarts);
  readonly #leader = this.#gauge(FAMILIES.leader);
  readonly #apiRequests = this.#counter(FAMILIES.apiRequests);

  /** @param options.process whether the process's own metrics are shown as well; they watch the event loop and the collector. */
  constructor(options: {
    readonly perCredential: boolean;
    readonly process?: boolean;
  }) {
    this.#perCredential = options.perCredential;
    if (options.process === true) collectDefaultMetrics({ register: this.#registry });
  }

  /** A provider was accepted: its attempts stand at zero rather than being absent, so that a first failure is an increase. */
  acceptProvider(
    provider: string,
    flows: readonly { readonly name: string; readonly refreshable: boolean }[],
  ): void {
    const kept = new Set<string>();
    for (const flow of flows) {
      for (const grant of flow.refreshable ? GRANTS : (['Login'] as const)) {
        kept.add(`${flow.name}/${grant}`);
        for (const result of RESULTS) this.#count({ provider, flow: flow.name, grant, result }, 0);
      }
    }
    this.#owned.drop(provider, part => part.startsWith('total/') && !kept.has(flowOf(part)));
  }

  /** One attempt has ended. */
  refreshed(attempt: Attempt): void {
    const { provider, seconds, latenessSeconds } = attempt;
    this.#count(attempt, 1);
    const owner = provider;
    if (seconds !== undefined) {
      const labels = { provider, grant: attempt.grant.toLowerCase() };
      this.#refreshDuration.observe(labels, seconds);
      this.#owned.add(owner, `duration/${labels.grant}`, () => this.#refreshDuration.remove(labels));
    }
    if (latenessSeconds !== undefined) {
      this.#refreshLateness.observe({ provider }, Math.max(0, latenessSeconds));
      this.#owned.add(owner, 'lateness', () => this.#refreshLateness.remove({ provider }));
    }
  }

  setCredential(namespace: string, name: string, provider: string, state: CredentialState): void {
    if (!this.#perCredential) return;
    const key = `${namespace}/${name}`;
    if (this.#providerOf.get(key) !== provider) this.removeCredential(namespace, name);
    this.#providerOf.set(key, provider);
    const labels = { namespace, name, provider };
    this.#ready.set(labels, state.ready ? 1 : 0);
    this.#rejections.set(labels, state.rejections);
    for (const [gauge, ms] of [
      [this.#expiry, state.expiresAt],
      [this.#renew, state.renewAt],
      [this.#lastSuccess, state.lastSuccess],
    ] as const) {
      if (ms === undefined) gauge.remove(labels);
      else gauge.set(labels, ms / 1000);
    }
  }

  removeCredential(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    const provider = this.#providerOf.get(key);
    if (provider === undefined) return;
    this.#providerOf.delete(key);
    const labels = { namespace, name, provider };
    for (const gauge of [this.#expiry, this.#renew, this.#ready, this.#lastSuccess, this.#rejections])
      gauge.remove(labels);
  }

  circuit(provider: string, origin: string, open: boolean): void {
    const labels = { provider, origin };
    this.#circuit.set(labels, open ? 1 : 0);
    this.#owned.add(provider, `circuit/${origin}`, () => this.#circuit.remove(labels));
  }

  /** No credential uses the origin any more. */
  removeOrigin(provider: string, origin: string): void {
    this.#owned.drop(provider, part => part === `circuit/${origin}`);
  }

  removeProvider(provider: string): void {
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

  leader(leads: boolean): void {
    this.#leader.set(leads ? 1 : 0);
  }

  /** @param code of the answer; `error` when no whole one came. */
  apiRequest(verb: string, code: number | 'error'): void {
    this.#apiRequests.inc({ verb, code });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text that Prometheus scrapes. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  #count(attempt: Pick<Attempt, 'provider' | 'flow' | 'grant' | 'result'>, by: number): void {
    const { provider, flow, grant, result } = attempt;
    const labels = { provider, flow, grant: grant.toLowerCase(), result: result.toLowerCase() };
    this.#refreshTotal.inc(labels, by);
    this.#owned.add(provider, `total/${flow}/${grant}/${result}`, () => this.#refreshTotal.remove(labels));
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

/** `total/<flow>/<grant>/<result>` to `<flow>/<grant>`; flows are DNS labels. */
function flowOf(part: string): string {
  return part.split('/').slice(1, 3).join('/');
}
