import { expect, it } from 'vitest';
import type { Asked } from '../../bench/lib/journal.ts';
import { firstAskedSince, heldAt, mostWithin, outOfOrder } from '../../bench/lib/recovery.ts';

const asked = (index: number, at: number, origin = 0): Asked => [index, origin, at, 0];

it('of each credential the first request after the outage counts, in the order they came', () => {
  const all = [asked(1, 5), asked(2, 30), asked(1, 20), asked(1, 40)];
  expect(firstAskedSince(all, 10)).toEqual([asked(1, 20), asked(2, 30)]);
});

it('what a credential held is what was written last before', () => {
  const written: [number, number, number, number, number][] = [
    [1, 10, 0, 100, 1],
    [1, 20, 0, 200, 2],
    [1, 90, 0, 900, 3],
    [2, 90, 0, 900, 1],
  ];
  expect([...heldAt({ written }, 50)]).toEqual([[1, 200]]);
});

it('order is told by the share of pairs that lie wrong, at each origin by itself', () => {
  const ends = new Map([
    [1, 10_000],
    [2, 20_000],
    [3, 30_000],
    [4, 20_500],
  ]);
  expect(outOfOrder([asked(1, 1), asked(2, 2), asked(3, 3)], ends)).toBe(0);
  expect(outOfOrder([asked(3, 1), asked(2, 2), asked(1, 3)], ends)).toBe(1);
  expect(outOfOrder([asked(1, 1), asked(3, 2), asked(2, 3)], ends)).toBeCloseTo(1 / 3);
  // Within a second nothing is told apart; another origin has a line of its own; what held nothing has no end.
  expect(outOfOrder([asked(4, 1), asked(2, 2)], ends)).toBe(0);
  expect(outOfOrder([asked(3, 1, 0), asked(1, 2, 1)], ends)).toBe(0);
  expect(outOfOrder([asked(3, 1), asked(9, 2)], ends)).toBe(0);
});

it('the busiest time of an origin is found wherever it begins', () => {
  const all = [asked(1, 0), asked(2, 900), asked(3, 1500), asked(4, 1899), asked(5, 1000, 1)];
  expect(mostWithin(all, 1000)).toBe(3);
  expect(mostWithin(all, 600)).toBe(2);
  expect(mostWithin([], 1000)).toBe(0);
});
