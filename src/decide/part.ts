/** The part of a provider's limits that the owner of some shards may use. Pure. */

export interface Limits {
  readonly concurrency: number;
  /** Absent: no limit. */
  readonly requestsPerMinute?: number;
}

export interface Part {
  readonly owned: readonly number[];
  readonly shards: number;
}

/**
 * The parts of all shards add up to the limit, and to no more, as long as the limit is no smaller than the number of
 * shards. Below that a part would be nothing at all: then each replica may have one request under way, and the requests
 * a minute keep to the limit on average.
 */
export function partOf<T extends Limits>(limits: T, { owned, shards }: Part): T {
  if (owned.length >= shards) return limits;
  const { concurrency, requestsPerMinute } = limits;
  return {
    ...limits,
    concurrency: Math.max(1, whole(concurrency, owned, shards)),
    ...(requestsPerMinute === undefined
      ? {}
      : {
          requestsPerMinute:
            requestsPerMinute < shards
              ? (requestsPerMinute * Math.max(1, owned.length)) / shards
              : whole(requestsPerMinute, owned, shards),
        }),
  };
}

/** As many whole ones as fall into the shards' ranges. */
function whole(limit: number, owned: readonly number[], shards: number): number {
  const upTo = (shard: number): number => Math.floor((limit * shard) / shards);
  return owned.reduce((sum, shard) => sum + upTo(shard + 1) - upTo(shard), 0);
}
