import type { Collections } from './collections.ts';
import type { Share } from './lead/share.ts';
import { type Clock, sleep } from './loop/clock.ts';

export interface ShardWorkOptions {
  readonly share: Share;
  readonly clock: Clock;
  readonly collections: Collections;
  /** How long a shard that is to be left may take, ms. */
  readonly leaveMs: number;
  readonly draining: () => boolean;
  /** What is known of these shards is looked at: they are worked on from now on. */
  readonly lookAt: (shards: readonly number[]) => void;
  /** Resolves when nothing of what it says is being looked at. */
  readonly settled: (which: (uid: string | undefined) => boolean) => Promise<unknown>;
  /** UIDs of credentials of which an answer is still to be saved. */
  readonly unsaved: () => readonly (string | undefined)[];
  /** All that is known of a credential goes. */
  readonly forget: (key: string) => void;
}

const LEAVE_MS = 25_000;

/** Takes over shards that this replica has come to own, and lets go of those that it gives away. */
export class ShardWork {
  readonly #options: ShardWorkOptions;
  #begun = false;
  #listing = false;

  constructor(options: Omit<ShardWorkOptions, 'leaveMs'> & { readonly leaveMs?: number | undefined }) {
    this.#options = { ...options, leaveMs: options.leaveMs ?? LEAVE_MS };
  }

  /** Every collection is known. */
  begin(): void {
    this.#begun = true;
    void this.#list();
  }

  /** To be listed, and then worked on. */
  gain(shard: number): void {
    this.#options.share.gain(shard);
    if (this.#begun) void this.#list();
  }

  /** One list after another, each with all that was gained before it. */
  async #list(): Promise<void> {
    const { share, collections, draining, lookAt } = this.#options;
    if (this.#listing) return;
    this.#listing = true;
    while (share.wants && !draining()) {
      const batch = share.begin();
      await collections.relist();
      collections.forgetStrays();
      share.activate(batch);
      lookAt(batch);
    }
    this.#listing = false;
  }

  /**
   * Nothing new starts for the shard, and what is under way ends; then everything of it is forgotten.
   * @returns false when that takes too long, or when an answer is still to be saved: then it is worked on as before.
   */
  async leave(shard: number): Promise<boolean> {
    const { share, clock, leaveMs, collections, settled, unsaved, lookAt, forget } = this.#options;
    const isOf = (uid: string | undefined): boolean => uid !== undefined && share.of(uid) === shard;
    share.pause(shard);
    const given = new AbortController();
    const late = sleep(clock, leaveMs, given.signal).catch(() => {});
    const left = await Promise.race([settled(isOf).then(() => true), late.then(() => false)]);
    given.abort();
    if (!left || unsaved().some(isOf)) {
      share.resume(shard);
      lookAt([shard]);
      return false;
    }
    share.forget(shard);
    for (const key of collections.forget(shard)) forget(key);
    return true;
  }
}
