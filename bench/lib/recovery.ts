import type { Asked } from './journal.ts';
import type { Seen } from './steadiness.ts';

/** What journals tell of the time after an outage: order, and limits. Pure; times in ms since 1970. */

/** Of each credential the first request since a time, in the order they came. */
export function firstAskedSince(asked: readonly Asked[], since: number): readonly Asked[] {
  const first = new Map<number, Asked>();
  for (const row of asked) if (row[2] >= since && !first.has(row[0])) first.set(row[0], row);
  return [...first.values()].sort((a, b) => a[2] - b[2]);
}

/** When each credential's token ends that it held at a time; absent: it held none. */
export function heldAt(seen: Pick<Seen, 'written'>, at: number): ReadonlyMap<number, number> {
  const held = new Map<number, number>();
  for (const [index, writtenAt, , expiresAt] of seen.written) if (writtenAt < at) held.set(index, expiresAt);
  return held;
}

/** Of all pairs of renewals at one origin whose ends lie apart, the share where the later end came first. */
export function outOfOrder(renewals: readonly Asked[], ends: ReadonlyMap<number, number>): number {
  let pairs = 0;
  let wrong = 0;
  const byOrigin = Map.groupBy(renewals, ([, origin]) => origin);
  for (const rows of byOrigin.values()) {
    const inTurn = rows.flatMap(([index]) => ends.get(index) ?? []);
    for (const [at, end] of inTurn.entries()) {
      for (let later = at + 1; later < inTurn.length; later++) {
        const other = inTurn[later] ?? end;
        if (Math.abs(other - end) <= APART_MS) continue;
        pairs += 1;
        if (other < end) wrong += 1;
      }
    }
  }
  return pairs === 0 ? 0 : wrong / pairs;
}
/** Ends are told in whole seconds. */
const APART_MS = 1000;

/** The most requests that one origin got within such a time, wherever it begins. */
export function mostWithin(asked: readonly Asked[], ms: number): number {
  let most = 0;
  for (const rows of Map.groupBy(asked, ([, origin]) => origin).values()) {
    const times = rows.map(([, , at]) => at).sort((a, b) => a - b);
    let from = 0;
    for (const [to, at] of times.entries()) {
      while (at - (times[from] ?? at) >= ms) from += 1;
      most = Math.max(most, to - from + 1);
    }
  }
  return most;
}
