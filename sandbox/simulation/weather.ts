import type { Clock, Random } from '../../src/loop/clock.ts';
import type { ApiServer } from '../apiserver/server.ts';
import type { Call, Fault } from '../apiserver/faults.ts';
import type { SimulatedProvider } from '../providers/simulated.ts';
import type { Providers } from '../providers/index.ts';
import { Calm } from './calm.ts';
import { between, HOUR, MINUTE, nowAndThen, pick } from './chance.ts';

/** Names are what the summary counts. */
const PROVIDER_TROUBLES = [
  'refuse',
  'hang',
  'reset',
  500,
  502,
  503,
  'flaky',
  'throttle',
  'answers lost',
  'slow',
  'rejects all',
] as const;
type ProviderTrouble = (typeof PROVIDER_TROUBLES)[number];

const API_TROUBLES = ['down', 'hang', 'flaky', 'conflicts', 'slow'] as const;

const PROVIDER_GAP_MS = 30 * HOUR;
const API_GAP_MS = 20 * HOUR;
const WATCH_GAP_MS = 4 * HOUR;
/** In how long a silent watch is found out at most: it may have fallen silent before its first bookmark. */
const STALL_MS = 11 * MINUTE;

/** What goes wrong around the operator, at times and for lengths that the seed tells. */
export class Weather {
  readonly api: Calm;
  /** Changes are told without delay. */
  readonly news: Calm;
  /** How often what happened. */
  readonly counts = new Map<string, number>();
  /** Providers that refuse everyone: nobody changes a password there meanwhile. */
  readonly rejecting = new Set<SimulatedProvider>();
  readonly #providers: ReadonlyMap<SimulatedProvider, Calm>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #stops: (() => void)[] = [];
  #ended = false;
  readonly #healing = new Set<() => void>();

  constructor(options: {
    clock: Clock;
    random: Random;
    api: ApiServer;
    providers: Providers;
    beforeTrouble: () => void;
  }) {
    const { clock, random, api, providers, beforeTrouble } = options;
    const calm = (): Calm => new Calm(() => clock.wall(), beforeTrouble);
    this.#clock = clock;
    this.#random = random;
    this.api = calm();
    this.news = calm();
    this.#providers = new Map(providers.all.map(provider => [provider, calm()]));
    for (const provider of providers.all) {
      // each has a clock of its own, off by up to hours
      provider.behaviour.clockSkewMs = Math.round((random.next() - 0.5) * 4 * HOUR);
      this.#stops.push(nowAndThen(clock, random, PROVIDER_GAP_MS, () => this.#providerTrouble(provider)));
    }
    this.#stops.push(nowAndThen(clock, random, API_GAP_MS, () => this.#apiTrouble(api)));
    this.#stops.push(nowAndThen(clock, random, WATCH_GAP_MS, () => this.#watchTrouble(api)));
  }

  provider(provider: SimulatedProvider): Calm {
    const calm = this.#providers.get(provider);
    if (calm === undefined) throw new Error(`no provider ${provider.name}`);
    return calm;
  }

  /** From now on all is well. */
  end(): void {
    this.#ended = true;
    for (const stop of this.#stops) stop();
    for (const heal of [...this.#healing]) heal();
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** @param befall makes it so; returns how to undo it. @returns for how long. */
  #trouble(calm: Calm, what: string, ms: number, befall: () => () => void): number {
    if (this.#ended) return 0;
    this.#count(what);
    calm.begin();
    const undo = befall();
    const heal = (): void => {
      if (!this.#healing.delete(heal)) return;
      undo();
      calm.end();
    };
    this.#healing.add(heal);
    this.#clock.after(ms, heal);
    return ms;
  }

  #providerTrouble(provider: SimulatedProvider): number {
    const random = this.#random;
    const kind = pick(random, PROVIDER_TROUBLES);
    const ms = between(random, MINUTE, 5 * HOUR);
    return this.#trouble(this.provider(provider), `provider: ${kind}`, ms, () =>
      this.#befall(provider, kind),
    );
  }

  /** @returns how to undo it. */
  #befall(provider: SimulatedProvider, kind: ProviderTrouble): () => void {
    const { behaviour } = provider;
    const random = this.#random;
    switch (kind) {
      case 'refuse':
      case 'hang':
      case 'reset':
      case 500:
      case 502:
      case 503:
        behaviour.down = kind;
        break;
      case 'flaky': {
        const share = random.next();
        behaviour.down = () =>
          random.next() < share ? pick(random, ['refuse', 'hang', 'reset', 500, 503] as const) : undefined;
        break;
      }
      case 'throttle':
        behaviour.throttle = {
          requests: Math.floor(random.next() * 4),
          windowMs: Math.round(between(random, 10_000, 20 * MINUTE)),
        };
        break;
      case 'answers lost': {
        const share = 0.3 + random.next() * 0.7;
        behaviour.answerLost = () => random.next() < share;
        break;
      }
      case 'slow':
        behaviour.latencyMs = between(random, 500, 12_000);
        behaviour.jitterMs = behaviour.latencyMs;
        break;
      case 'rejects all':
        return this.#rejectAll(provider);
    }
    return () => {
      behaviour.down = undefined;
      behaviour.throttle = undefined;
      behaviour.answerLost = () => false;
      behaviour.latencyMs = 0;
      behaviour.jitterMs = 0;
    };
  }

  /** As when a provider's own database is away: right passwords are refused. */
  #rejectAll(provider: SimulatedProvider): () => void {
    const passwords = [...provider.accounts.values()].map(account => [account, account.password] as const);
    for (const [account] of passwords) account.password = `nobody knows ${this.#random.next()}`;
    this.rejecting.add(provider);
    return () => {
      for (const [account, password] of passwords) account.password = password;
      this.rejecting.delete(provider);
    };
  }

  #apiTrouble(api: ApiServer): number {
    const random = this.#random;
    const kind = pick(random, API_TROUBLES);
    const ms = between(random, 20_000, kind === 'down' || kind === 'hang' ? 40 * MINUTE : 2 * HOUR);
    const share = between(random, 0.02, 0.5);
    const some = (part: number) => (): boolean => random.next() < share * part;
    const faults: [(call: Call) => boolean, Fault][] =
      kind === 'down'
        ? [[() => true, 'refuse']]
        : kind === 'hang'
          ? [[() => true, 'hang']]
          : kind === 'slow'
            ? [[some(1), { delayMs: between(random, 200, 20_000) }]]
            : kind === 'conflicts'
              ? [
                  [
                    call => call.verb === 'patch' && random.next() < share,
                    { status: 409, reason: 'Conflict' },
                  ],
                ]
              : [
                  [some(0.2), { status: 500, reason: 'InternalError' }],
                  [some(0.2), { status: 503, reason: 'ServiceUnavailable' }],
                  [some(0.2), { status: 429, reason: 'TooManyRequests', retryAfter: 3 }],
                  [some(0.2), 'reset'],
                  [some(0.2), { afterCommit: 'reset' }],
                  [some(0.05), { afterCommit: 'hang' }],
                ];
    return this.#trouble(this.api, `api: ${kind}`, ms, () => inject(api, faults));
  }

  #watchTrouble(api: ApiServer): number {
    const kind = pick(this.#random, ['end', 'reset', 'stall', 'compaction'] as const);
    this.#count(`watches: ${kind}`);
    switch (kind) {
      case 'end':
      case 'reset':
        api.dropWatches(kind);
        return 0;
      case 'stall':
        api.stallWatches();
        return this.#trouble(this.news, 'watches: silent', STALL_MS, () => () => {});
      case 'compaction':
        api.compact();
        api.dropWatches('reset');
        return 0;
    }
  }
}

function inject(api: ApiServer, faults: readonly [(call: Call) => boolean, Fault][]): () => void {
  const injected = faults.map(([match, fault]) => api.inject(match, fault, Number.POSITIVE_INFINITY));
  return () => {
    for (const injection of injected) injection.cancel();
  };
}
