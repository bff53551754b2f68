/** What the credentials of an origin need, in requests a minute: one for each renewal period. */
export class Demand {
  /** Credential to what it adds. */
  readonly #credentials = new Map<string, { provider: string; origin: string; perMinute: number }>();
  /** Provider to origin to the sum, and of how many. */
  readonly #sums = new Map<string, Map<string, { perMinute: number; credentials: number }>>();
  /** Provider to its worst origin, as found last: to look through all origins at each renewal would cost more than the renewal. */
  readonly #worst = new Map<string, { origin: string; perMinute: number } | undefined>();

  /** @param periodMs between two renewals; undefined when none is due ever. */
  set(key: string, provider: string, origin: string, periodMs: number | undefined): void {
    const perMinute = periodMs === undefined ? 0 : 60_000 / Math.max(1000, periodMs);
    const before = this.#credentials.get(key);
    if (before?.provider === provider && before.origin === origin && before.perMinute === perMinute) return;
    this.remove(key);
    this.#credentials.set(key, { provider, origin, perMinute });
    this.#add(provider, origin, perMinute, 1);
  }

  /** @returns the provider that needs less now. */
  remove(key: string): string | undefined {
    const before = this.#credentials.get(key);
    if (before === undefined) return undefined;
    this.#credentials.delete(key);
    this.#add(before.provider, before.origin, -before.perMinute, -1);
    return before.provider;
  }

  /** Every origin that a credential uses. */
  *origins(): Generator<{ provider: string; origin: string }> {
    for (const [provider, origins] of this.#sums) {
      for (const origin of origins.keys()) yield { provider, origin };
    }
  }

  /** The origin of this provider that needs most. */
  worst(provider: string): { origin: string; perMinute: number } | undefined {
    if (this.#worst.has(provider)) return this.#worst.get(provider);
    let worst: { origin: string; perMinute: number } | undefined;
    for (const [origin, { perMinute }] of this.#sums.get(provider) ?? []) {
      // Sums of floats come back to almost nothing.
      if (perMinute > Math.max(1e-6, worst?.perMinute ?? 0)) worst = { origin, perMinute };
    }
    if (this.#sums.has(provider)) this.#worst.set(provider, worst);
    return worst;
  }

  #add(provider: string, origin: string, perMinute: number, credentials: number): void {
    const origins = this.#sums.get(provider) ?? new Map<string, { perMinute: number; credentials: number }>();
    const sum = origins.get(origin) ?? { perMinute: 0, credentials: 0 };
    sum.perMinute += perMinute;
    sum.credentials += credentials;
    const worst = this.#worst.get(provider);
    if (worst === undefined || worst.origin === origin || sum.perMinute > worst.perMinute)
      this.#worst.delete(provider);
    if (sum.credentials > 0) origins.set(origin, sum);
    else origins.delete(origin);
    if (origins.size > 0) this.#sums.set(provider, origins);
    else this.#sums.delete(provider);
  }
}
