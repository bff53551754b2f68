import type { Reason } from '../api/reasons.ts';
import { labelText } from './exposition.ts';

/** What is known of one credential. Times in ms since 1970, by the API server's clock. */
export interface CredentialState {
  readonly ready: boolean;
  /** Of the condition Ready. */
  readonly reason: Reason;
  /** It holds a token, or did once. */
  readonly begun?: boolean;
  readonly suspended?: boolean;
  readonly expiresAt?: number | undefined;
  /** When the held token is to be renewed; absent when nothing will be sent. */
  readonly renewAt?: number | undefined;
  /** When the held token was asked for. */
  readonly lastSuccess?: number | undefined;
  /** Refused logins with the present inputs. */
  readonly rejections: number;
  /** Why nothing is sent until a person helps. */
  readonly stopped?: Reason | undefined;
  /** Why the last attempt failed. */
  readonly failing?: Reason | undefined;
}

/**
 * - live: the Secret holds a live token. dead: it did, and does not now.
 * - new: it never did, so that nobody relies on it yet; suspended: a person wants it so. Neither is for or against the service.
 */
export const STATES = ['live', 'dead', 'new', 'suspended'] as const;
export type State = (typeof STATES)[number];

export interface Entry {
  readonly provider: string;
  readonly state: CredentialState;
  /** Its labels as they stand in the exposition. */
  readonly labels: string;
}

export interface Seconds {
  live: number;
  dead: number;
}

/** What is kept of one: as little as can be, since there may be very many. */
class Kept implements Entry {
  readonly #key: string;
  readonly provider: string;
  readonly state: CredentialState;
  readonly begun: boolean;
  /** Up to when its seconds are counted; monotonic ms. */
  since: number;
  /** Monotonic ms; a token dies by the clock, whether or not anyone looks at it. */
  readonly liveUntil: number;
  #labels: string | undefined;

  constructor(key: string, provider: string, state: CredentialState, before: Kept | undefined, time: Time) {
    const { begun = false, ready, expiresAt } = state;
    this.#key = key;
    this.provider = provider;
    this.state = state;
    this.begun = begun || ready || before?.begun === true;
    this.since = time.monotonic();
    this.liveUntil = expiresAt === undefined ? Number.POSITIVE_INFINITY : this.since + expiresAt - time.now();
    this.#labels = before?.provider === provider ? before.#labels : undefined;
  }

  /** Made when it is asked for: where there are many, nobody does. */
  get labels(): string {
    const slash = this.#key.indexOf('/');
    const [namespace, name] = [this.#key.slice(0, slash), this.#key.slice(slash + 1)];
    this.#labels ??= labelText({ namespace, name, provider: this.provider });
    return this.#labels;
  }
}

export interface Time {
  /** ms since 1970, by the API server's clock. */
  now(): number;
  monotonic(): number;
}

/** The credentials that this replica works on, as last concluded, and the seconds that they were with and without a live token. */
export class Credentials {
  readonly #time: Time;
  readonly #kept = new Map<string, Kept>();
  #counts = false;
  readonly #count: (provider: string, seconds: Seconds) => void;

  /** @param count takes seconds as they are settled. */
  constructor(time: Time, count: (provider: string, seconds: Seconds) => void) {
    this.#time = time;
    this.#count = count;
  }

  get size(): number {
    return this.#kept.size;
  }

  set(namespace: string, name: string, provider: string, state: CredentialState): void {
    const key = `${namespace}/${name}`;
    const before = this.#kept.get(key);
    if (before !== undefined) this.#settle(before, this.#time.monotonic());
    this.#kept.set(key, new Kept(key, provider, state, before, this.#time));
  }

  remove(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#settle(kept, this.#time.monotonic());
    this.#kept.delete(key);
  }

  /** Whether this replica works on them: seconds that it does not are for another to count. */
  counting(counts: boolean): void {
    this.settle();
    this.#counts = counts;
  }

  /** Counts the seconds up to now. */
  settle(): void {
    const now = this.#time.monotonic();
    const sums = new Map<string, Seconds>();
    for (const kept of this.#kept.values()) {
      const sum = sums.get(kept.provider) ?? { live: 0, dead: 0 };
      if (this.#counts) add(sum, secondsOf(kept, now));
      kept.since = now;
      sums.set(kept.provider, sum);
    }
    for (const [provider, sum] of sums) this.#count(provider, sum);
  }

  /** As they are now: what changes later is not in it. */
  entries(): readonly Entry[] {
    return [...this.#kept.values()];
  }

  /** Each with its state now. */
  *states(): Generator<readonly [Entry, State]> {
    const now = this.#time.monotonic();
    for (const kept of this.#kept.values()) yield [kept, stateOf(kept, now)];
  }

  #settle(kept: Kept, now: number): void {
    if (this.#counts) this.#count(kept.provider, secondsOf(kept, now));
  }
}

function stateOf({ state, begun, liveUntil }: Kept, now: number): State {
  if (state.suspended === true) return 'suspended';
  if (state.ready && now < liveUntil) return 'live';
  return begun ? 'dead' : 'new';
}

function secondsOf({ state, begun, since, liveUntil }: Kept, now: number): Seconds {
  if (state.suspended === true || !begun) return { live: 0, dead: 0 };
  const all = now - since;
  const live = state.ready ? Math.min(all, Math.max(0, liveUntil - since)) : 0;
  return { live: live / 1000, dead: (all - live) / 1000 };
}

function add(sum: Seconds, { live, dead }: Seconds): void {
  sum.live += live;
  sum.dead += dead;
}
