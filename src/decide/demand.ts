import { roomFor, Slots } from '../loop/slots.ts';

/** What the credentials of an origin need together. */
interface Sum {
  readonly provider: string;
  readonly origin: string;
  perMinute: number;
  credentials: number;
}

/** What the credentials of an origin need, in requests a minute: one for each renewal period. */
export class Demand {
  readonly #slots = new Slots();
  /** By slot of a credential: what it adds, and to what. */
  #perMinute = new Float64Array(0);
  readonly #sumOf: (Sum | undefined)[] = [];
  /** Provider to origin. */
  readonly #sums = new Map<string, Map<string, Sum>>();
  /** Provider to its worst origin, as found last: to look through all origins at each renewal would cost more than the renewal. */
  readonly #worst = new Map<string, Pick<Sum, 'origin' | 'perMinute'> | undefined>();

  /** @param periodMs between two renewals; undefined when none is due ever. */
  set(key: string, provider: string, origin: string, periodMs: number | undefined): void {
    const perMinute = periodMs === undefined ? 0 : 60_000 / Math.max(1000, periodMs);
    const known = this.#slots.find(key);
    const before = known === undefined ? undefined : this.#sumOf[known];
    if (known !== undefined && before?.provider === provider && before.origin === origin) {
      const change = perMinute - (this.#perMinute[known] ?? 0);
      this.#perMinute[known] = perMinute;
      if (change !== 0) this.#add(before, change, 0);
      return;
    }
    this.remove(key);
    const slot = this.#slots.take(key);
    this.#perMinute = roomFor(this.#perMinute, this.#slots.limit);
    this.#perMinute[slot] = perMinute;
    const sum = this.#sum(provider, origin);
    this.#sumOf[slot] = sum;
    this.#add(sum, perMinute, 1);
  }

  /** @returns the provider that needs less now. */
  remove(key: string): string | undefined {
    const slot = this.#slots.find(key);
    const sum = slot === undefined ? undefined : this.#sumOf[slot];
    if (slot === undefined || sum === undefined) return undefined;
    this.#slots.release(key);
    this.#sumOf[slot] = undefined;
    this.#add(sum, -(this.#perMinute[slot] ?? 0), -1);
    return sum.provider;
  }

  /** Every origin that a credential uses. */
  *origins(): Generator<{ provider: string; origin: string }> {
    for (const [provider, origins] of this.#sums) {
      for (const origin of origins.keys()) yield { provider, origin };
    }
  }

  /** The origin of this provider that needs most. */
  worst(provider: string): Pick<Sum, 'origin' | 'perMinute'> | undefined {
    if (this.#worst.has(provider)) return this.#worst.get(provider);
    let worst: Pick<Sum, 'origin' | 'perMinute'> | undefined;
    for (const [origin, { perMinute }] of this.#sums.get(provider) ?? []) {
      // Sums of floats come back to almost nothing.
      if (perMinute > Math.max(1e-6, worst?.perMinute ?? 0)) worst = { origin, perMinute };
    }
    if (this.#sums.has(provider)) this.#worst.set(provider, worst);
    return worst;
  }

  #sum(provider: string, origin: string): Sum {
    let origins = this.#sums.get(provider);
    if (origins === undefined) {
      origins = new Map();
      this.#sums.set(provider, origins);
    }
    let sum = origins.get(origin);
    if (sum === undefined) {
      sum = { provider, origin, perMinute: 0, credentials: 0 };
      origins.set(origin, sum);
    }
    return sum;
  }

  #add(sum: Sum, perMinute: number, credentials: number): void {
    const { provider, origin } = sum;
    sum.perMinute += perMinute;
    sum.credentials += credentials;
    const worst = this.#worst.get(provider);
    if (worst === undefined || worst.origin === origin || sum.perMinute > worst.perMinute)
      this.#worst.delete(provider);
    if (sum.credentials > 0) return;
    const origins = this.#sums.get(provider);
    origins?.delete(origin);
    if (origins?.size === 0) this.#sums.delete(provider);
  }
}
