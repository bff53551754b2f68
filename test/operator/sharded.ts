import { expect, onTestFinished } from 'vitest';
import type { WireResponse } from '../../sandbox/wire.ts';
import type { Run } from '../../sandbox/world.ts';
import { shardOf } from '../../src/lead/shard.ts';
import { type Asked, refused, Trouble, type TroubleOptions } from './trouble.ts';

/** Seconds, of the default times. */
export const LEASE = 15;
export const RETRY = 2;
/** Seconds that a token lives: it is renewed after 67 to 133 s, and then each 120 to 133 s. */
export const LIFE = 200;
/** So long that each is renewed, and some time more. */
export const ROUND = 170;

/**
 * Replicas that share the work by shards, at a provider that knows one refresh token of each account at a time: whatever
 * is sent besides is refused, and costs a login. Whoever sends must hold the Lease of the credential's shard.
 */
export class Sharded extends Trouble {
  readonly shards: number;
  readonly names: readonly string[];
  /** Who sent while another held the Lease. */
  readonly trespasses: string[] = [];
  /** Seconds between what was sent for one credential, where that is too soon. */
  readonly hasty: string[] = [];
  readonly #refreshTokens = new Map<string, string>();
  readonly #holders = new Map<string, string>();
  readonly #grantedAt = new Map<string, number>();

  constructor({
    shards,
    credentials = 8,
    ...options
  }: TroubleOptions & { readonly shards: number; readonly credentials?: number }) {
    super({ rotate: true, expiresIn: LIFE, ...options });
    this.shards = shards;
    this.names = Array.from({ length: credentials }, (_, index) => `c${index}`);
    this.answer = asked => this.strictly(asked);
    this.world.api.listen(({ version }) => {
      const { kind, metadata, spec } = version.object as unknown as Stored;
      if (kind === 'Lease' && spec?.holderIdentity)
        this.#holders.set(metadata.name, bare(spec.holderIdentity));
    });
    for (const name of this.names) this.apply(name, {}, { flow: 'session' });
  }

  /** Whose login or refresh token it is; empty when that serves no longer. */
  userOf(asked: Asked): string {
    if (asked.step === 'login') return asked.username;
    return [...this.#refreshTokens].find(([, token]) => token === asked.refreshToken)?.[0] ?? '';
  }

  strictly(asked: Asked): WireResponse {
    const user = this.userOf(asked);
    if (user === '') return refused();
    const holder = this.#holders.get(this.leaseOf(user));
    if (holder !== asked.sender)
      this.trespasses.push(`${asked.sender} for ${user} of ${holder} at ${this.now}`);
    const last = this.#grantedAt.get(user) ?? Number.NEGATIVE_INFINITY;
    if (this.now - last < 40) this.hasty.push(`${user}: ${this.now - last} s`);
    this.#grantedAt.set(user, this.now);
    const given = this.judge(asked);
    this.#refreshTokens.set(user, `refresh-${this.tokens.length}`);
    return given;
  }

  /** When a token was last given for it. */
  grantedAt(name: string): number {
    return this.#grantedAt.get(name) ?? Number.NEGATIVE_INFINITY;
  }

  shardOf(name: string): number {
    return shardOf(this.meta('providercredentials', name).uid, this.shards);
  }

  leaseName(shard: number): string {
    return `tokensync-${shard}-of-${this.shards}`;
  }

  leaseOf(name: string): string {
    return this.leaseName(this.shardOf(name));
  }

  nameOf(run: Run): string {
    return `operator-${this.world.runs.indexOf(run) + 1}`;
  }

  async replica(...flags: string[]): Promise<Run> {
    const run = this.world.start(['--leader-elect', `--shards=${this.shards}`, ...flags]);
    onTestFinished(() => run.crash());
    await this.world.clock.settle();
    return run;
  }

  async replicas(count: number, ...flags: string[]): Promise<Run[]> {
    const runs: Run[] = [];
    for (let made = 0; made < count; made += 1) runs.push(await this.replica(...flags));
    return runs;
  }

  /** By shard; empty where nobody has it. */
  get holders(): string[] {
    return Array.from({ length: this.shards }, (_, shard) => {
      const spec = this.world.api.get('leases', this.leaseName(shard), 'tokensync')?.spec;
      return bare((spec as Stored['spec'])?.holderIdentity ?? '');
    });
  }

  owned(run: Run): number[] {
    return this.holders.flatMap((holder, shard) => (holder === this.nameOf(run) ? [shard] : []));
  }

  ownedNames(run: Run): string[] {
    const owned = this.owned(run);
    return this.names.filter(name => owned.includes(this.shardOf(name)));
  }

  /** Whose series a scrape shows. */
  shownBy(scrape: string): string[] {
    return this.names.filter(name =>
      new RegExp(`^tokensync_credential_ready\\{.*name="${name}"`, 'm').test(scrape),
    );
  }

  /** How many shards each of them has, the most first. */
  counts(runs: readonly Run[]): number[] {
    return runs.map(run => this.owned(run).length).toSorted((a, b) => b - a);
  }

  /** All shards are held by these, and as evenly as can be. */
  isFair(runs: readonly Run[]): boolean {
    const counts = this.counts(runs);
    const sum = counts.reduce((a, b) => a + b, 0);
    return sum === this.shards && (counts[0] ?? 0) - (counts.at(-1) ?? 0) <= 1;
  }

  get live(): boolean {
    return this.names.every(name => this.condition(name, 'Ready')?.status === 'True');
  }

  get refusals(): number {
    return this.asked.length - this.tokens.length;
  }

  /** @param logins that were to be expected: one for each credential, and what failures cost. */
  expectSound(logins: number = this.names.length): void {
    expect(this.trespasses).toEqual([]);
    expect(this.hasty).toEqual([]);
    expect([this.logins, this.refusals]).toEqual([logins, logins - this.names.length]);
    expect(this.live).toBe(true);
  }
}

interface Stored {
  readonly kind?: string;
  readonly metadata: { readonly name: string };
  readonly spec?: { readonly holderIdentity?: string } | undefined;
}

const bare = (holder: string): string => holder.replace(/_[0-9a-f]{16}$/, '');
