import type { Query } from '../kube/client.ts';
import { shardOf, shardSelector } from './shard.ts';

/**
 * Which shards' objects this replica keeps, and which of them it works on.
 *
 * ```
 * gained ──a list that has it begins──> kept ──listed──> worked on ──about to be given──> kept ──> forgotten
 * ```
 * A shard is worked on only after a list that began when it was ours: what its former owner wrote is in that.
 */
export class Share {
  readonly shards: number;
  readonly #wanted = new Set<number>();
  readonly #kept = new Set<number>();
  readonly #active = new Set<number>();

  constructor(shards: number) {
    this.shards = shards;
  }

  of(uid: string): number {
    return shardOf(uid, this.shards);
  }

  gain(shard: number): void {
    this.#wanted.add(shard);
  }

  /** Whether a list must begin for what was gained. */
  get wants(): boolean {
    return this.#wanted.size > 0;
  }

  /** A list begins now. @returns the shards that are in it for the first time. */
  begin(): readonly number[] {
    const batch = [...this.#wanted];
    this.#wanted.clear();
    for (const shard of batch) this.#kept.add(shard);
    return batch;
  }

  /** The list is here. What was forgotten or gained again meanwhile was not in it, or not for good. */
  activate(batch: readonly number[]): void {
    for (const shard of batch) {
      if (this.#kept.has(shard) && !this.#wanted.has(shard)) this.#active.add(shard);
    }
  }

  pause(shard: number): void {
    this.#active.delete(shard);
  }

  resume(shard: number): void {
    if (this.#kept.has(shard)) this.#active.add(shard);
  }

  forget(shard: number): void {
    this.#wanted.delete(shard);
    this.#kept.delete(shard);
    this.#active.delete(shard);
  }

  keeps(uid: string): boolean {
    return this.has(this.of(uid));
  }

  /** Whether its objects are kept. */
  has(shard: number): boolean {
    return this.#kept.has(shard);
  }

  works(uid: string): boolean {
    return this.#active.has(this.of(uid));
  }

  /** In order. */
  get active(): readonly number[] {
    return [...this.#active].toSorted((a, b) => a - b);
  }

  /** What a list or watch asks for. */
  get query(): Query {
    const selector = shardSelector(this.#kept, this.shards);
    return selector === undefined ? {} : { shardSelector: selector };
  }
}
