import { describe, expect, test } from 'vitest';
import { seeded } from '../../sandbox/random.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { sleep } from '../../src/loop/clock.ts';
import { threadMs } from '../support/processor-time.ts';

const START = Date.UTC(2026, 0, 1);
const clockAt = (): VirtualClock => new VirtualClock({ startMs: START });

describe('VirtualClock', () => {
  test('fires in the order of due times, equal ones in the order of arming', async () => {
    const clock = clockAt();
    const fired: string[] = [];
    const arm = (ms: number, name: string) =>
      clock.after(ms, () => fired.push(`${name}@${clock.monotonic()}`));
    arm(20, 'd');
    arm(10, 'b');
    arm(10, 'c');
    arm(-5, 'a');
    arm(31, 'late');
    await clock.advance(30);
    expect(fired).toEqual(['a@0', 'b@10', 'c@10', 'd@20']);
    expect(clock.monotonic()).toBe(30);
    expect(clock.pending).toBe(1);
  });

  test('lets microtasks, nextTicks and immediates through before the next instant', async () => {
    const clock = clockAt();
    const seen: string[] = [];
    clock.after(1, () => {
      void Promise.resolve()
        .then(() => new Promise<void>(resolve => process.nextTick(resolve)))
        .then(() => new Promise<void>(resolve => setImmediate(resolve)))
        .then(() => seen.push(`chain@${clock.monotonic()}`));
    });
    clock.after(1, () => seen.push('same instant'));
    clock.after(2, () => seen.push(`next@${clock.monotonic()}`));
    await clock.runUntilIdle();
    expect(seen).toEqual(['same instant', 'chain@1', 'next@2']);
  });

  test('a sleeper that sleeps again wakes at the sums', async () => {
    const clock = clockAt();
    const woke: number[] = [];
    const sleeper = async (): Promise<void> => {
      for (let turn = 0; turn < 3; turn++) {
        await sleep(clock, 1000);
        woke.push(clock.monotonic());
      }
    };
    const done = sleeper();
    await clock.runUntil(2500);
    expect(woke).toEqual([1000, 2000]);
    await clock.runUntilIdle();
    await done;
    expect(woke).toEqual([1000, 2000, 3000]);
  });

  test('a cancelled timer never fires, however many there are', async () => {
    const clock = clockAt();
    let fired = 0;
    const timers = Array.from({ length: 5000 }, (_, index) => clock.after(index, () => fired++));
    for (const [index, timer] of timers.entries()) if (index % 5 !== 0) timer.cancel();
    timers[1]?.cancel();
    expect(clock.pending).toBe(1000);
    await clock.advance(10_000);
    expect(fired).toBe(1000);
    expect(clock.pending).toBe(0);
  });

  test('the wall clock jumps alone', async () => {
    const clock = clockAt();
    const operator = clock.view(-3_600_000);
    let fired = false;
    operator.after(1000, () => {
      fired = true;
    });
    clock.skewMs = 86_400_000;
    expect(clock.wall()).toBe(START + 86_400_000);
    clock.skewMs = 0;
    expect(operator.wall()).toBe(START - 3_600_000);
    await clock.advance(999);
    expect(fired).toBe(false);
    operator.skewMs = 1e12;
    await clock.advance(1);
    expect(fired).toBe(true);
    expect(operator.monotonic()).toBe(1000);
    expect(clock.wall()).toBe(START + 1000);
  });

  test('stops where a condition comes to hold', async () => {
    const clock = clockAt();
    let count = 0;
    const tick = (): void => {
      count++;
      clock.after(10, tick);
    };
    clock.after(10, tick);
    expect(await clock.runUntilTrue(() => count === 3, 1000)).toBe(true);
    expect(clock.monotonic()).toBe(30);
    expect(await clock.runUntilTrue(() => count < 0, 100)).toBe(false);
    expect(clock.monotonic()).toBe(130);
    await expect(clock.runUntilIdle(50)).rejects.toThrow('still armed');
  });

  test('says so when timers re-arm for ever at one instant', async () => {
    const clock = clockAt();
    const spin = (): void => void clock.after(0, spin);
    clock.after(5, spin);
    await expect(clock.advance(10)).rejects.toThrow('re-arming at 5 ms');
  });

  test('a callback that throws is the caller’s to see, and time goes on after it', async () => {
    const clock = clockAt();
    let later = false;
    clock.after(1, () => {
      throw new Error('bad timer');
    });
    clock.after(2, () => {
      later = true;
    });
    await expect(clock.advance(5)).rejects.toThrow('bad timer');
    await clock.advance(5);
    expect(later).toBe(true);
  });

  test('is fast: fifty thousand instants, in well under a second of processor time', async () => {
    const clock = clockAt();
    let fired = 0;
    for (let due = 0; due < 50_000; due++) clock.after(due, () => fired++);
    const before = threadMs();
    await clock.runUntilIdle();
    expect(fired).toBe(50_000);
    expect(threadMs() - before).toBeLessThan(5000);
  });
});

describe('seeded', () => {
  const draw = (seed: number | string, count: number): number[] => {
    const random = seeded(seed);
    return Array.from({ length: count }, () => random.next());
  };

  test('repeats for a seed, differs between seeds', () => {
    expect(draw(7, 50)).toEqual(draw(7, 50));
    expect(draw(7, 5)).not.toEqual(draw(8, 5));
    expect(draw('7/outages', 5)).not.toEqual(draw('7/latency', 5));
  });

  test('is even over [0, 1)', () => {
    const buckets = Array.from({ length: 10 }, () => 0);
    for (const value of draw('even', 100_000)) {
      buckets[Math.floor(value * 10)] = (buckets[Math.floor(value * 10)] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});
