/** Who takes, asks for and gives shards, so that each replica has as many as any other, or one more or less. Pure. */

/**
 * How long a free Lease is left to others, in ms: the more one has the longer, so that who has less takes it first. A
 * replica that is alone has all after one retry period, however many they are.
 * @param held how many we have, and are about to have.
 * @param rank of that shard in our own order, from 0: replicas that begin at once do not all begin with the same.
 */
export function patienceMs(held: number, rank: number, shards: number, retryMs: number): number {
  return ((2 * retryMs) / shards ** 2) * (held + rank / shards);
}

/** By holder: how many shards it has, or is about to be given. */
export type Holdings = ReadonlyMap<string, number>;

const of = (holdings: Holdings, who: string): number => holdings.get(who) ?? 0;

/** Whether to ask for a shard: someone has two more than we. */
export function isPoor(me: string, holdings: Holdings): boolean {
  const own = of(holdings, me);
  return [...holdings].some(([who, count]) => who !== me && count >= own + 2);
}

/**
 * How many shards to give to who asks: half of the difference, and only the richest gives. So each gift brings the two
 * nearer to each other, and neither comes to have less than the other had.
 */
export function gift(me: string, to: string, holdings: Holdings): number {
  const own = of(holdings, me);
  if (to === me || own < of(holdings, to) + 2) return 0;
  const richer = [...holdings].some(([who, count]) => count > own || (count === own && who < me));
  return richer ? 0 : Math.floor((own - of(holdings, to)) / 2);
}
