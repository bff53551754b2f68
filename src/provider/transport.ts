import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { Agent, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { Failure } from '../errors.ts';
import type { Clock } from '../loop/clock.ts';
import { isCertificates } from './certificates.ts';
import {
  type Dial,
  guardedConnector,
  type Resolve,
  systemDial,
  systemResolver,
  tlsOptions,
} from './connect.ts';
import { exchange } from './exchange.ts';
import { caBundleInvalid, FailureError, failureOf, requestInvalid } from './failures.ts';
import { createGuard, type Guard, type NetworkSpec } from './guard.ts';
import { type ProxySettings, proxyFor } from './proxy.ts';
import type { Transport } from './types.ts';

/** How many network settings keep their connections and trust store at hand; more share in turn. */
const MAX_NETWORKS = 64;
/** A wave of renewals reuses connections; between waves an idle one would only go stale, and a stale one costs a login's outcome. */
const KEEP_ALIVE_MS = 4000;
const PROXY_TIMEOUT_MS = 30_000;

export interface TransportOptions {
  readonly clock: Clock;
  readonly proxy?: ProxySettings;
  /** In place of the system's resolver. */
  readonly resolve?: Resolve;
  /** In place of opening sockets. */
  readonly dial?: Dial;
  /** In place of every connection: simulations and tests in memory. Scheme and literal addresses are still judged. */
  readonly dispatcher?: Dispatcher;
}

/** Sends requests to providers. @see Transport */
export function createTransport(options: TransportOptions): Transport {
  const { clock, dispatcher } = options;
  const proxy = options.proxy ?? { except: [] };
  const networks = new Networks({
    clock,
    resolve: options.resolve ?? systemResolver(),
    dial: options.dial ?? systemDial,
  });
  return {
    async send(account, request, signal, mayStart = () => true) {
      try {
        const network = networks.of(account.provider.spec.network);
        const way = network.way(request.url, proxy);
        if ('failure' in way) return { ok: false, failure: way.failure };
        const through = dispatcher ?? network.dispatcher(way.proxy);
        const { timeoutMs } = account.provider.limits;
        return await exchange(through, way, request, { clock, timeoutMs, signal, mayStart });
      } catch (error) {
        return { ok: false, failure: failureOf(error, false) };
      }
    },
    close: () => networks.close(),
  };
}

interface Connecting {
  readonly clock: Clock;
  readonly resolve: Resolve;
  readonly dial: Dial;
}

/** Where a URL leads, or why it may not be gone to. */
type Way =
  | { readonly origin: string; readonly path: string; readonly proxy: string | undefined }
  | { readonly failure: Failure };

/** URLs whose way is remembered: of most providers all credentials' requests go to one. */
const MAX_WAYS = 1000;

/** Networks by their settings, the least recently used closed when there are too many. */
class Networks {
  readonly #connecting: Connecting;
  /** Found again without serialising, as long as the definition's object is the same. */
  readonly #bySpec = new WeakMap<NetworkSpec, string>();
  readonly #byKey = new Map<string, Network>();

  constructor(connecting: Connecting) {
    this.#connecting = connecting;
  }

  of(spec: NetworkSpec): Network {
    const key = this.#bySpec.get(spec) ?? keyOf(spec);
    this.#bySpec.set(spec, key);
    const network = this.#byKey.get(key) ?? new Network(spec, this.#connecting);
    // a Map keeps the order of insertion: the first is the one used longest ago
    this.#byKey.delete(key);
    this.#byKey.set(key, network);
    const [oldest] = this.#byKey;
    if (this.#byKey.size > MAX_NETWORKS && oldest !== undefined) {
      this.#byKey.delete(oldest[0]);
      void oldest[1].close();
    }
    return network;
  }

  async close(): Promise<void> {
    const all = [...this.#byKey.values()];
    this.#byKey.clear();
    await Promise.all(all.map(network => network.destroy()));
  }
}

function keyOf(spec: NetworkSpec): string {
  return JSON.stringify([[...spec.allowCIDRs].sort(), spec.allowHTTP, spec.caBundle ?? null]);
}

/** What one `spec.network` connects with: its guard, its trust store, its pools. */
class Network {
  readonly guard: Guard;
  readonly #spec: NetworkSpec;
  readonly #connecting: Connecting;
  readonly #dispatchers = new Map<string, Dispatcher>();
  readonly #ways = new Map<string, Way>();
  #trust: SecureContext | undefined;

  constructor(spec: NetworkSpec, connecting: Connecting) {
    this.guard = createGuard(spec);
    this.#spec = spec;
    this.#connecting = connecting;
  }

  /** Judged by the URL alone: what its host resolves to is judged when it is connected to. */
  way(url: string, proxies: ProxySettings): Way {
    const known = this.#ways.get(url);
    if (known !== undefined) return known;
    const way = this.#wayTo(url, proxies);
    if (this.#ways.size >= MAX_WAYS) this.#ways.clear();
    this.#ways.set(url, way);
    return way;
  }

  #wayTo(text: string, proxies: ProxySettings): Way {
    if (!URL.canParse(text)) return { failure: requestInvalid() };
    const url = new URL(text);
    const failure = this.guard.judgeUrl(url);
    if (failure !== undefined) return { failure };
    return { origin: url.origin, path: url.pathname + url.search, proxy: proxyFor(url, proxies) };
  }

  /** @param proxy its URL, or undefined to connect directly. */
  dispatcher(proxy: string | undefined): Dispatcher {
    const key = proxy ?? '';
    const known = this.#dispatchers.get(key);
    if (known !== undefined) return known;
    const made = proxy === undefined ? this.#direct() : this.#proxied(proxy);
    this.#dispatchers.set(key, made);
    return made;
  }

  /** Lets what is under way end. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map(dispatcher => dispatcher.close()));
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map(dispatcher => dispatcher.destroy()));
  }

  #direct(): Dispatcher {
    const connect = guardedConnector({
      ...this.#connecting,
      guard: this.guard,
      secureContext: this.#secureContext(),
    });
    return new Agent({ ...POOL, connect });
  }

  #proxied(proxy: string): Dispatcher {
    return new ProxyAgent({
      ...POOL,
      uri: proxy,
      connectTimeout: PROXY_TIMEOUT_MS,
      requestTls: { ...tlsOptions(this.#secureContext()), allowH2: false },
      proxyTls: { rejectUnauthorized: true, allowH2: false },
      // a proxy that takes CONNECT and says nothing
      clientFactory: (origin, opts) => new Pool(origin, { ...opts, headersTimeout: PROXY_TIMEOUT_MS }),
    });
  }

  /** Made once: parsing some 250 roots takes 15 ms. Without a bundle Node's own shared store serves. */
  #secureContext(): SecureContext | undefined {
    const { caBundle } = this.#spec;
    if (caBundle === undefined || caBundle.trim() === '') return undefined;
    if (!isCertificates(caBundle)) throw new FailureError(caBundleInvalid());
    // `ca` replaces the defaults, which hold the roots and what NODE_EXTRA_CA_CERTS adds
    this.#trust ??= createSecureContext({ ca: [...getCACertificates('default'), caBundle] });
    return this.#trust;
  }
}

/** Deadlines are the exchange's own; undici's are coarse, and start late. Pipelining stays at 1, or a reset could re-send what was written. */
const POOL: Agent.Options = {
  allowH2: false,
  pipelining: 1,
  keepAliveTimeout: KEEP_ALIVE_MS,
  keepAliveMaxTimeout: KEEP_ALIVE_MS,
  headersTimeout: 0,
  bodyTimeout: 0,
};
