import { LEASE_ANNOTATION as NOTE } from '../api/names.ts';
import type { Lease, LeaseClient } from '../kube/lease.ts';
import type { Clock, Random, Timer } from '../loop/clock.ts';
import { gift, type Holdings, isPoor } from './balance.ts';
import type { LeaseTimes } from './standing.ts';

export interface WishesOptions {
  /** The Lease that all replicas share, where wishes stand. */
  readonly record: LeaseClient;
  readonly identity: string;
  readonly times: LeaseTimes;
  readonly clock: Clock;
  readonly random: Random;
  readonly holdings: () => Holdings;
  /** Whether a shard is free that we could take. */
  readonly free: () => boolean;
  /** Gives as many shards to who asked. */
  readonly give: (count: number, to: string) => void;
}

/** Asks others for shards, and answers who asks us: one wish stands at a time, and each is answered once. */
export class Wishes {
  readonly #options: WishesOptions;
  readonly #stopping = new AbortController();
  #seen: Lease | undefined;
  #answered = '';
  #made = 0;
  #timer: Timer | undefined;

  constructor(options: WishesOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, times, random } = this.#options;
    this.#timer = clock.after(times.retryMs * (0.5 + random.next()), () => {
      void this.#ask().finally(() => {
        if (!this.#stopping.signal.aborted) this.start();
      });
    });
  }

  stop(): void {
    this.#stopping.abort();
    this.#timer?.cancel();
  }

  /** The Lease that all share is so. */
  see(lease: Lease | undefined): void {
    this.#seen = lease;
    this.look();
  }

  /** Who has what has changed: a wish that stands may be for us to answer, when nobody has more. */
  look(): void {
    const { identity, holdings } = this.#options;
    const record = this.#seen;
    const wish = record?.metadata.annotations?.[NOTE.wantedBy] ?? '';
    const [to = ''] = wish.split(' ');
    if (record === undefined || to === '' || wish === this.#answered) return;
    if (this.#stopping.signal.aborted || gift(identity, to, holdings()) === 0) return;
    this.#answered = wish;
    void this.#answer(record, to);
  }

  /** Who takes the wish down answers it, and nobody else. */
  async #answer(lease: Lease, to: string): Promise<void> {
    const { record, identity, holdings, give } = this.#options;
    const { signal } = this.#stopping;
    try {
      await record.annotate(lease, { [NOTE.wantedBy]: null }, { signal });
    } catch {
      return; // it will be asked again
    }
    give(gift(identity, to, holdings()), to);
  }

  /** Asks where someone has two more, and nothing is free. */
  async #ask(): Promise<void> {
    const { record, identity, holdings, free } = this.#options;
    const { signal } = this.#stopping;
    if (this.#seen === undefined || free() || !isPoor(identity, holdings())) return;
    this.#made += 1;
    const wish = { [NOTE.wantedBy]: `${identity} ${this.#made}` };
    // Changed meanwhile, or not reached: the next time will do.
    await record.annotate(this.#seen, wish, { signal }).catch(() => {});
  }
}
