import type { Clock, Random } from '../../src/loop/clock.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export function pick<T>(random: Random, from: readonly T[]): T {
  const found = from[Math.floor(random.next() * from.length)];
  if (found === undefined) throw new Error('nothing to pick from');
  return found;
}

/** Evenly spread over orders of magnitude: as many of some minutes as of some hours. */
export function between(random: Random, least: number, most: number): number {
  return least * (most / least) ** random.next();
}

/** Calls `event` again and again, at random times with this mean between them; it may return how long to hold the next back. */
export function nowAndThen(
  clock: Clock,
  random: Random,
  meanMs: number,
  event: () => number | undefined,
): () => void {
  let stopped = false;
  const arm = (held: number): void => {
    clock.after(held - Math.log(1 - random.next()) * meanMs, () => {
      if (!stopped) arm(event() ?? 0);
    });
  };
  arm(0);
  return () => {
    stopped = true;
  };
}
