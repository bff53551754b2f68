import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { Schedule } from '../../src/loop/schedule.ts';

function made() {
  const clock = new VirtualClock({ startMs: 0 });
  const fired: [string, number][] = [];
  const schedule = new Schedule(clock, key => fired.push([key, clock.monotonic()]));
  return { clock, fired, schedule };
}

describe('a schedule', () => {
  test('keeps the earliest of several times of a key, and fires once', async () => {
    const { clock, fired, schedule } = made();
    for (const ms of [50, 20, 30]) schedule.within('a', ms);
    expect(schedule.size).toBe(1);
    await clock.advance(100);
    expect(fired).toEqual([['a', 20]]);
  });

  test('has forgotten a key when it fires, so that it can be set anew from there', async () => {
    const clock = new VirtualClock({ startMs: 0 });
    const fired: number[] = [];
    const schedule: Schedule = new Schedule(clock, key => {
      fired.push(clock.monotonic());
      if (fired.length < 3) schedule.within(key, 10);
    });
    schedule.within('a', 10);
    await clock.advance(100);
    expect(fired).toEqual([10, 20, 30]);
  });

  test('arms one timer, however many keys wait', () => {
    const { clock, schedule } = made();
    for (let key = 0; key < 1000; key++) schedule.within(`${key}`, 1000 - (key % 7));
    expect(clock.pending).toBe(1);
    expect(schedule.size).toBe(1000);
  });

  test('stays right though keys are moved and cancelled ten thousand times behind another', async () => {
    const { clock, fired, schedule } = made();
    schedule.within('first', 1);
    for (let round = 0; round < 10_000; round++) {
      schedule.within('a', 20_000 - round);
      if (round % 2 === 0) schedule.cancel('a');
    }
    schedule.within('b', 30_000);
    await clock.advance(60_000);
    expect(fired).toEqual([
      ['first', 1],
      ['a', 10_001],
      ['b', 30_000],
    ]);
  });

  test('says how late it is: when the process was held up, its timers come late', () => {
    let now = 0;
    const held = { monotonic: () => now, wall: () => now, after: () => ({ cancel: () => {} }) };
    const schedule = new Schedule(held, () => {});
    expect(schedule.lateness).toBe(0);
    schedule.within('a', 100);
    schedule.within('b', 500);
    now = 700;
    expect(schedule.lateness).toBe(600);
    schedule.cancel('a');
    expect(schedule.lateness).toBe(200);
  });

  test('is silent once it is cleared', async () => {
    const { clock, fired, schedule } = made();
    schedule.within('a', 10);
    schedule.clear();
    await clock.advance(100);
    expect([fired, schedule.size, clock.pending]).toEqual([[], 0, 0]);
    schedule.within('a', 10);
    await clock.advance(100);
    expect(fired).toEqual([['a', 110]]);
  });

  test('does what a plain table of times would do, whatever is asked of it', async () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      fc.record({ do: fc.constant('within' as const), key, ms: fc.integer({ min: -5, max: 50 }) }),
      fc.record({ do: fc.constant('cancel' as const), key }),
      fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 30 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
        const { clock, fired, schedule } = made();
        const due = new Map<string, number>();
        const expected: [string, number][] = [];
        for (const each of steps) {
          const now = clock.monotonic();
          if (each.do === 'within') {
            const at = now + Math.max(0, each.ms);
            due.set(each.key, Math.min(due.get(each.key) ?? at, at));
            schedule.within(each.key, each.ms);
          } else if (each.do === 'cancel') {
            due.delete(each.key);
            schedule.cancel(each.key);
          } else {
            for (const [key, at] of due) {
              if (at > now + each.ms) continue;
              expected.push([key, at]);
              due.delete(key);
            }
            await clock.advance(each.ms);
          }
          expect(schedule.size).toBe(due.size);
        }
        const order = (a: [string, number], b: [string, number]) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1);
        expect(fired.sort(order)).toEqual(expected.sort(order));
      }),
      { numRuns: 50 },
    );
  });
});
