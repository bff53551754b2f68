import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { ServerTime } from '../../src/kube/server-time.ts';

const START = Date.parse('2026-11-21T10:00:00.300Z');
const HOUR = 3_600_000;

/** An API server whose clock is `skewMs` ahead of the true time, asked over a wire of `latencyMs` each way. */
async function ask(clock: VirtualClock, time: ServerTime, skewMs = 0, latencyMs = 5): Promise<void> {
  const sent = clock.monotonic();
  await clock.advance(latencyMs);
  const date = new Date(START + clock.monotonic() + skewMs).toUTCString();
  await clock.advance(latencyMs);
  time.observe(date, sent, clock.monotonic());
}

const trueTime = (clock: VirtualClock): number => START + clock.monotonic();

describe('ServerTime', () => {
  test.each([0, 5 * HOUR, -5 * HOUR])('is the server’s, with the local clock off by %d ms', async skewMs => {
    const clock = new VirtualClock({ startMs: START, skewMs });
    const time = new ServerTime(clock);
    expect(time.synced).toBe(false);
    expect(time.now()).toBe(START + skewMs);
    await ask(clock, time);
    expect(time.synced).toBe(true);
    expect(Math.abs(time.now() - trueTime(clock))).toBeLessThanOrEqual(510);
    clock.skewMs = -skewMs;
    await clock.advance(1000);
    expect(Math.abs(time.now() - trueTime(clock))).toBeLessThanOrEqual(510);
  });

  test('grows exact over answers that the second hides, and never runs backwards', async () => {
    const clock = new VirtualClock({ startMs: START });
    const time = new ServerTime(clock);
    let last = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < 200; i++) {
      await ask(clock, time);
      await clock.advance(137);
      expect(time.now()).toBeGreaterThanOrEqual(last);
      last = time.now();
    }
    expect(Math.abs(time.now() - trueTime(clock))).toBeLessThan(30);
  });

  test('a slow answer widens nothing', async () => {
    const clock = new VirtualClock({ startMs: START });
    const time = new ServerTime(clock);
    for (let i = 0; i < 100; i++) {
      await ask(clock, time);
      await clock.advance(91);
    }
    await ask(clock, time, 0, 20_000);
    expect(Math.abs(time.now() - trueTime(clock))).toBeLessThan(50);
  });

  test.each([50e-6, -50e-6])(
    'bears the drift of an oscillator, %d, for days without a jump',
    async rate => {
      const clock = new VirtualClock({ startMs: START });
      const time = new ServerTime(clock);
      let last = time.now();
      for (let minute = 0; minute < 3000; minute++) {
        await ask(clock, time, clock.monotonic() * rate);
        const now = time.now();
        // it takes up to the second that a Date hides to find the offset
        if (minute > 200) expect(Math.abs(now - last - 59_910)).toBeLessThan(250);
        last = now;
        await clock.advance(59_900);
      }
      expect(Math.abs(time.now() - trueTime(clock) - clock.monotonic() * rate)).toBeLessThan(600);
    },
    10_000,
  );

  test.each([
    ['forward', 2 * HOUR],
    ['back', -2 * HOUR],
  ])('follows the server’s clock when it is set %s', async (_, stepMs) => {
    const clock = new VirtualClock({ startMs: START });
    const time = new ServerTime(clock);
    await ask(clock, time);
    time.now();
    await ask(clock, time, stepMs);
    expect(Math.abs(time.now() - trueTime(clock) - stepMs)).toBeLessThanOrEqual(510);
  });

  test('a small step back is waited out', async () => {
    const clock = new VirtualClock({ startMs: START });
    const time = new ServerTime(clock);
    for (let i = 0; i < 50; i++) {
      await ask(clock, time);
      await clock.advance(91);
    }
    const before = time.now();
    await ask(clock, time, -2000);
    expect(time.now()).toBe(before);
    // Whoever waits for a time is not told that it is nearer than it is.
    const soon = before + 100;
    const wait = time.until(soon);
    expect(wait).toBeGreaterThan(1500);
    await clock.advance(wait);
    expect(time.now()).toBe(soon);
    await clock.advance(4000 - wait);
    expect(Math.abs(time.now() - trueTime(clock) + 2000)).toBeLessThanOrEqual(510);
  });

  test.each([undefined, '', 'yesterday'])('passes over a Date of %s', header => {
    const time = new ServerTime(new VirtualClock({ startMs: START }));
    time.observe(header, 0, 10);
    expect(time.synced).toBe(false);
  });
});
