import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { WriteBudget } from '../../src/kube/write-budget.ts';
import { MemoryLog } from './fake-api.ts';

const SECOND = 1000;

function budget(perSecond: number) {
  const clock = new VirtualClock({ startMs: 0 });
  const log = new MemoryLog();
  const made = new WriteBudget({ clock, perSecond, log });
  /** Name and time of each write, as it may be sent. */
  const sent: [string, number][] = [];
  const write = (name: string, options: { canWait?: boolean; signal?: AbortSignal } = {}): void => {
    made.take(options.canWait ?? false, options.signal).then(
      () => sent.push([name, clock.monotonic()]),
      (error: unknown) => sent.push([`${name}: ${String(error)}`, clock.monotonic()]),
    );
  };
  return { clock, sent, write, log };
}

describe('a budget for writes', () => {
  test('lets two seconds’ worth go at once, then so many a second, in the order they came', async () => {
    const { clock, sent, write } = budget(10);
    for (let index = 0; index < 60; index += 1) write(`${index}`);
    await clock.settle();
    expect(sent).toHaveLength(20);
    await clock.advance(10 * SECOND);
    expect(sent.map(([name]) => Number(name))).toEqual(Array.from({ length: 60 }, (_, index) => index));
    for (const [index, [, at]] of sent.slice(20).entries()) expect(at).toBe((index + 1) * 100);
    expect(clock.pending).toBe(0);
  });

  test('in no second more than three seconds’ worth go, and in the long run none is lost', async () => {
    const { clock, sent, write } = budget(7.5);
    for (let index = 0; index < 600; index += 1) {
      write(`${index}`);
      await clock.advance(100);
    }
    const times = sent.map(([, at]) => at);
    for (const [index, at] of times.entries())
      expect(at - (times[index - 23] ?? Number.NEGATIVE_INFINITY)).toBeGreaterThan(SECOND);
    expect(times.length).toBeGreaterThanOrEqual(Math.floor(60 * 7.5));
    expect(times.length).toBeLessThanOrEqual(60 * 7.5 + 15);
  });

  test('below one a second still lets one go at a time', async () => {
    const { clock, sent, write } = budget(0.1);
    for (let index = 0; index < 3; index += 1) write(`${index}`);
    await clock.advance(25 * SECOND);
    expect(sent).toEqual([
      ['0', 0],
      ['1', 10 * SECOND],
      ['2', 20 * SECOND],
    ]);
  });

  test('events go when nobody else waits', async () => {
    const { clock, sent, write } = budget(1);
    for (const name of ['a', 'b', 'event 1', 'event 2', 'c', 'd'])
      write(name, { canWait: name.startsWith('event') });
    await clock.advance(4 * SECOND);
    expect(sent.map(([name]) => name)).toEqual(['a', 'b', 'c', 'd', 'event 1', 'event 2']);
  });

  test('whoever gives up leaves the line, and takes nothing', async () => {
    const { clock, sent, write } = budget(1);
    const giving = new AbortController();
    write('a');
    write('b');
    write('c', { signal: giving.signal });
    write('d');
    write('e', { signal: AbortSignal.abort('late') });
    await clock.advance(500);
    giving.abort('gone');
    await clock.advance(500);
    expect(sent).toEqual([
      ['a', 0],
      ['b', 0],
      ['e: late', 0],
      ['c: gone', 500],
      ['d', SECOND],
    ]);
    expect(clock.pending).toBe(0);
  });

  test('tells of waits of more than a second, once a minute', async () => {
    const { clock, write, log } = budget(1);
    for (let index = 0; index < 90; index += 1) write(`${index}`);
    await clock.advance(90 * SECOND);
    expect(log.lines.map(({ fields, message }) => [fields.waitedMs, message])).toEqual([
      [2 * SECOND, 'writes wait for the budget'],
      [62 * SECOND, 'writes wait for the budget'],
    ]);
  });
});
