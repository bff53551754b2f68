import type { Random } from '../src/loop/clock.ts';

/**
 * Chance that repeats: the same seed gives the same numbers on every machine.
 * A text as seed makes streams that do not disturb one another: `seeded(`${seed}/outages`)`.
 */
export function seeded(seed: number | string): Random {
  let state = hash(String(seed));
  return {
    // mulberry32: one word of state, period 2^32, plenty for a simulated year
    next: () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}

/** FNV-1a over UTF-16 units, so that near seeds give far streams. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value | 0;
}
