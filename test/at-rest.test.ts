import { beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '../sandbox/virtual-clock.ts';
import { collectAtRest } from '../src/at-rest.ts';

const MIB = 2 ** 20;
let clock: VirtualClock;
/** How long the process stood still, ms. */
let still: number;
let heap: { spent: number; used: number; cost: number; rested: number; collected: boolean[] };
let stop: () => void;

beforeEach(() => {
  clock = new VirtualClock({ startMs: 0 });
  still = 0;
  const ours = {
    monotonic: () => clock.monotonic() + still,
    wall: () => clock.wall() + still,
    after: (ms: number, callback: () => void) => clock.after(ms, callback),
  };
  heap = { spent: 0, used: 50 * MIB, cost: 0, rested: 0, collected: [] };
  stop = collectAtRest(() => (heap.rested += 1), ours, {
    spentMs: () => heap.spent,
    usedBytes: () => heap.used,
    collect: thorough => {
      expect(heap.rested, 'what only work needs is garbage by then').toBe(heap.collected.length + 1);
      heap.collected.push(thorough);
      heap.spent += heap.cost;
    },
  });
});

/** Some processor time within each of so many looks. */
async function spend(ms: number, looks = 1): Promise<void> {
  for (let look = 0; look < looks; look++) {
    heap.spent += ms;
    await clock.advance(3000);
  }
}

test('collects once when work is over, and not while it goes on', async () => {
  await spend(300, 5);
  expect(heap.collected).toEqual([]);
  await spend(0, 10);
  expect(heap.collected).toEqual([true]);
});

test('does nothing for what is not worth it', async () => {
  await spend(100, 4);
  await spend(0, 10);
  expect(heap.collected).toEqual([]);
});

test('what little goes on always adds up', async () => {
  await spend(40, 12);
  expect(heap.collected).toEqual([]);
  await spend(40, 1);
  expect(heap.collected).toHaveLength(1);
});

test('takes no more than a twentieth of the time that is used', async () => {
  heap.cost = 200;
  await spend(600);
  await spend(0);
  expect(heap.collected).toHaveLength(1);
  await spend(3500);
  await spend(0, 5);
  expect(heap.collected).toHaveLength(1);
  await spend(600);
  await spend(0);
  expect(heap.collected).toHaveLength(2);
});

test('a large heap is gone through once', async () => {
  heap.used = 300 * MIB;
  await spend(600);
  await spend(0);
  expect(heap.collected).toEqual([false]);
});

test('is not deceived by a process that stood still', async () => {
  await spend(600);
  still += 8000;
  await spend(0);
  expect(heap.collected).toEqual([]);
  await spend(0);
  expect(heap.collected).toEqual([true]);
});

test('stops', async () => {
  stop();
  await spend(600);
  await spend(0, 3);
  expect(heap.collected).toEqual([]);
});
