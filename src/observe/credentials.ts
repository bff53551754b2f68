import { Columns, type CredentialState, type Kept } from './credential-columns.ts';
import { labelText } from './exposition.ts';

/**
 * - live: the Secret holds a live token. dead: it did, and does not now.
 * - new: it never did, so that nobody relies on it yet; suspended: a person wants it so. Neither is for or against the service.
 */
export const STATES = ['live', 'dead', 'new', 'suspended'] as const;
export type State = (typeof STATES)[number];

/** One of those that are shown each by itself. */
export class Entry {
  readonly #key: string;
  readonly #columns: Columns;
  #labels: string | undefined;

  constructor(key: string, columns: Columns) {
    this.#key = key;
    this.#columns = columns;
  }

  /** As it is now; undefined when it is gone. */
  get state(): CredentialState | undefined {
    return this.#columns.find(this.#key)?.state;
  }

  /** Its labels as they stand in the exposition. */
  get labels(): string {
    const slash = this.#key.indexOf('/');
    const [namespace, name] = [this.#key.slice(0, slash), this.#key.slice(slash + 1)];
    const provider = this.#columns.find(this.#key)?.provider ?? '';
    this.#labels ??= labelText({ namespace, name, provider });
    return this.#labels;
  }
}

export interface Seconds {
  live: number;
  dead: number;
}

export interface Time {
  /** ms since 1970, by the API server's clock. */
  now(): number;
  monotonic(): number;
}

/** The credentials that this replica works on, as last concluded, and the seconds that they were with and without a live token. */
export class Credentials {
  readonly #time: Time;
  readonly #kept = new Columns();
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

  /** @param key the very text that others keep too. */
  set(key: string, provider: string, state: CredentialState): void {
    const now = this.#time.monotonic();
    const before = this.#kept.find(key);
    if (before !== undefined) this.#settle(before, now);
    const { begun = false, ready, expiresAt } = state;
    this.#kept.set(key, {
      provider,
      state: { ...state, begun: begun || ready || before?.state.begun === true },
      since: now,
      liveUntil: expiresAt === undefined ? Number.POSITIVE_INFINITY : now + expiresAt - this.#time.now(),
    });
  }

  remove(key: string): void {
    const kept = this.#kept.find(key);
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
    for (const [, slot] of this.#kept.slots()) {
      const kept = this.#kept.at(slot);
      const sum = sums.get(kept.provider) ?? { live: 0, dead: 0 };
      if (this.#counts) add(sum, secondsOf(kept, now));
      this.#kept.settled(slot, now);
      sums.set(kept.provider, sum);
    }
    for (const [provider, sum] of sums) this.#count(provider, sum);
  }

  /** Each as it is when its turn comes; of what is gone by then, nothing. */
  entries(): readonly Entry[] {
    return [...this.#kept.slots()].map(([key]) => new Entry(key, this.#kept));
  }

  /** Each with its state now. */
  *states(): Generator<readonly [Kept, State]> {
    const now = this.#time.monotonic();
    for (const [, slot] of this.#kept.slots()) {
      const kept = this.#kept.at(slot);
      yield [kept, stateOf(kept, now)];
    }
  }

  #settle(kept: Kept, now: number): void {
    if (this.#counts) this.#count(kept.provider, secondsOf(kept, now));
  }
}

function stateOf({ state, liveUntil }: Kept, now: number): State {
  if (state.suspended === true) return 'suspended';
  if (state.ready && now < liveUntil) return 'live';
  return state.begun === true ? 'dead' : 'new';
}

function secondsOf({ state, since, liveUntil }: Kept, now: number): Seconds {
  if (state.suspended === true || state.begun !== true) return { live: 0, dead: 0 };
  const all = now - since;
  const live = state.ready ? Math.min(all, Math.max(0, liveUntil - since)) : 0;
  return { live: live / 1000, dead: (all - live) / 1000 };
}

function add(sum: Seconds, { live, dead }: Seconds): void {
  sum.live += live;
  sum.dead += dead;
}
