import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { sleep, systemClock } from '../../src/loop/clock.ts';

describe('the system clock', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const DAY = 86_400_000;
  test.each([0, 1, 1000, 2 ** 31 - 1, 2 ** 31, 60 * DAY, 400 * DAY])(
    'calls back after %i ms, neither before nor twice',
    ms => {
      let calls = 0;
      systemClock.after(ms, () => {
        calls += 1;
      });
      vi.advanceTimersByTime(Math.max(0, ms - 1));
      if (ms > 0) expect(calls).toBe(0);
      vi.advanceTimersByTime(1);
      expect(calls).toBe(1);
      vi.advanceTimersByTime(ms + 1);
      expect(calls).toBe(1);
    },
  );

  test('a time that is past is now', () => {
    const callback = vi.fn();
    systemClock.after(-5000, callback);
    vi.advanceTimersByTime(0);
    expect(callback).toHaveBeenCalledOnce();
  });

  test('a cancelled timer is silent, also one that is longer than setTimeout can hold', () => {
    const callback = vi.fn();
    const timers = [systemClock.after(10, callback), systemClock.after(30 * DAY, callback)];
    vi.advanceTimersByTime(5);
    timers[0]?.cancel();
    vi.advanceTimersByTime(29 * DAY);
    timers[1]?.cancel();
    vi.advanceTimersByTime(60 * DAY);
    expect(callback).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('the wall clock may jump, and monotonic time takes no notice', () => {
    const before = systemClock.monotonic();
    vi.setSystemTime(systemClock.wall() + 365 * DAY);
    vi.advanceTimersByTime(100);
    expect(systemClock.monotonic() - before).toBe(100);
  });
});

describe('sleep', () => {
  test('ends after its time', async () => {
    const clock = new VirtualClock({ startMs: 0 });
    let over = false;
    const slept = sleep(clock, 1000).then(() => {
      over = true;
    });
    await clock.advance(999);
    expect(over).toBe(false);
    await clock.advance(1);
    await slept;
    expect(clock.pending).toBe(0);
  });

  test.each(['before', 'while'])(
    'ends with the reason of an abort %s it waits, and leaves no timer',
    async when => {
      const clock = new VirtualClock({ startMs: 0 });
      const abort = new AbortController();
      const reason = new Error('enough');
      if (when === 'before') abort.abort(reason);
      const slept = sleep(clock, 1000, abort.signal);
      abort.abort(reason);
      await expect(slept).rejects.toBe(reason);
      expect(clock.pending).toBe(0);
    },
  );
});
