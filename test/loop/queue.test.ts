import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { sleep } from '../../src/loop/clock.ts';
import { type Place, Queue } from '../../src/loop/queue.ts';

interface Started {
  readonly key: string;
  readonly at: number;
}

/** A queue whose handler takes `runMs`, and what it did. */
function made(options: { concurrency?: number; runMs?: number; place?: (key: string) => Place } = {}) {
  const { concurrency = 1, runMs = 10, place = () => ({ line: 'again', rank: 0 }) as const } = options;
  const clock = new VirtualClock({ startMs: 0 });
  const started: Started[] = [];
  const errors: [string, unknown][] = [];
  const waits: number[] = [];
  const running = new Set<string>();
  let most = 0;
  const queue = new Queue({
    clock,
    concurrency,
    place,
    handle: async key => {
      expect(running.has(key), `${key} runs twice at once`).toBe(false);
      running.add(key);
      most = Math.max(most, running.size);
      started.push({ key, at: clock.monotonic() });
      await sleep(clock, runMs);
      running.delete(key);
    },
    onError: (key, error) => errors.push([key, error]),
    onWait: ms => waits.push(ms),
  });
  return {
    clock,
    queue,
    started,
    errors,
    waits,
    most: () => most,
    keys: () => started.map(({ key }) => key),
  };
}

test('two thousand that wait elsewhere for slow answers hold up nobody, and none of them waits for another', async () => {
  const clock = new VirtualClock({ startMs: 0 });
  const ended: { key: string; at: number }[] = [];
  const queue = new Queue({
    clock,
    concurrency: 4,
    place: () => ({ line: 'again', rank: 0 }),
    handle: async key => {
      if (key.startsWith('slow')) await queue.outside(sleep(clock, 5000));
      await sleep(clock, 1);
      ended.push({ key, at: clock.monotonic() });
    },
    onError: (_key, error) => {
      throw error;
    },
  });
  for (let index = 0; index < 2000; index += 1) queue.add(`slow ${index}`);
  queue.add('quick');
  await clock.advance(10_000);
  expect(ended[0]).toEqual({ key: 'quick', at: 1 });
  expect(ended).toHaveLength(2001);
  // All answers come at once; those are then dealt with side by side.
  expect(ended.at(-1)?.at).toBe(5001);
});

describe('a key', () => {
  test('that is asked for several times before its turn is handled once', async () => {
    const { clock, queue, keys } = made();
    for (const key of ['a', 'b', 'b', 'b']) queue.add(key);
    expect(queue.depth).toBe(1);
    await clock.advance(100);
    expect(keys()).toEqual(['a', 'b']);
  });

  test('that is asked for while it is handled is handled once more, however often it was', async () => {
    const { clock, queue, started } = made({ concurrency: 8 });
    queue.add('a');
    await clock.advance(5);
    for (let time = 0; time < 3; time++) queue.add('a');
    expect([queue.inFlight, queue.depth]).toEqual([1, 0]);
    await clock.advance(100);
    expect(started).toEqual([
      { key: 'a', at: 0 },
      { key: 'a', at: 10 },
    ]);
  });

  test.each([
    ['the earliest of several delays counts', [50, 20, 30], [20]],
    ['no delay is now', [50, 0], [0]],
    ['a negative one is now too', [-10], [0]],
  ])('with delays: %s', async (_what, delays, expected) => {
    const { clock, queue, started } = made();
    for (const ms of delays) queue.addWithin('a', ms);
    await clock.advance(200);
    expect(started.map(({ at }) => at)).toEqual(expected);
  });

  test('whose delay ends while it is handled is handled again', async () => {
    const { clock, queue, started } = made();
    queue.add('a');
    queue.addWithin('a', 5);
    await clock.advance(100);
    expect(started.map(({ at }) => at)).toEqual([0, 10]);
  });

  test('that is forgotten has no wait any more', async () => {
    const { clock, queue, started } = made();
    queue.addWithin('a', 5);
    expect(queue.waiting).toBe(1);
    queue.forget('a');
    await clock.advance(100);
    expect([started, queue.waiting]).toEqual([[], 0]);
  });

  test('whose handling fails harms no other', async () => {
    const clock = new VirtualClock({ startMs: 0 });
    const handled: string[] = [];
    const errors: [string, unknown][] = [];
    const queue = new Queue({
      clock,
      concurrency: 1,
      place: () => ({ line: 'again', rank: 0 }),
      handle: key => {
        handled.push(key);
        return key === 'bad' ? Promise.reject(new Error('no')) : Promise.resolve();
      },
      onError: (key, error) => errors.push([key, error]),
    });
    for (const key of ['bad', 'good']) queue.add(key);
    await clock.settle();
    expect(handled).toEqual(['bad', 'good']);
    expect(errors).toEqual([['bad', new Error('no')]]);
  });
});

describe('turns', () => {
  const place = (key: string): Place => {
    const [line, name = ''] = key.split(':');
    return line === 'first' ? { line, group: name.charAt(0) } : { line: 'again', rank: Number(name) };
  };
  const order = async (keys: readonly string[]): Promise<string[]> => {
    const { clock, queue, keys: handled } = made({ place });
    queue.add('again:0');
    for (const key of keys) queue.add(key);
    await clock.advance(10_000);
    return handled().slice(1);
  };

  test.each([
    ['the nearest expiry first', ['again:3', 'again:1', 'again:2'], ['again:1', 'again:2', 'again:3']],
    [
      "a namespace's crowd holds up no other's one",
      ['first:a1', 'first:a2', 'first:a3', 'first:b1'],
      ['first:a1', 'first:b1', 'first:a2', 'first:a3'],
    ],
    [
      'a wave of renewals holds up no new credential, nor new ones the renewals',
      ['again:1', 'again:2', 'again:3', 'first:a1', 'first:a2', 'first:a3'],
      ['first:a1', 'again:1', 'first:a2', 'again:2', 'first:a3', 'again:3'],
    ],
  ])('%s', async (_what, keys, expected) => {
    expect(await order(keys)).toEqual(expected);
  });

  test('how long each stood in line is told', async () => {
    const { clock, queue, waits } = made();
    for (const key of ['a', 'b', 'c']) queue.add(key);
    await clock.advance(100);
    expect(waits).toEqual([0, 10, 20]);
  });
});

describe('draining', () => {
  test('ends when what is being handled has ended, and starts nothing', async () => {
    const { clock, queue, keys } = made();
    queue.add('a');
    queue.add('b');
    queue.add('a');
    queue.addWithin('c', 50_000);
    let drained = false;
    const drain = queue.drain().then(() => {
      drained = true;
    });
    for (const key of ['d', 'a']) queue.add(key);
    queue.addWithin('e', 1);
    await clock.advance(9);
    expect(drained).toBe(false);
    await clock.advance(1000);
    await drain;
    expect(keys()).toEqual(['a']);
    expect([queue.waiting, clock.pending], 'no timer holds up the end').toEqual([0, 0]);
  });

  test('is over at once when nothing is being handled', async () => {
    const { queue } = made();
    await expect(queue.drain()).resolves.toBeUndefined();
  });
});

test('whatever is asked and when: no key twice at once, never more than allowed, and every request gets a run in time', async () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const step = fc.oneof(
    fc.record({ do: fc.constant('add' as const), key, ms: fc.constant(0) }),
    fc.record({ do: fc.constant('within' as const), key, ms: fc.integer({ min: 0, max: 40 }) }),
    fc.record({
      do: fc.constant('advance' as const),
      key: fc.constant(''),
      ms: fc.integer({ min: 0, max: 25 }),
    }),
  );
  const options = fc.record({
    concurrency: fc.integer({ min: 1, max: 3 }),
    runMs: fc.integer({ min: 0, max: 30 }),
    lines: fc.integer({ min: 0, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(
      options,
      fc.array(step, { maxLength: 40 }),
      async ({ concurrency, runMs, lines }, steps) => {
        const place = (name: string): Place =>
          name.charCodeAt(0) - 97 < lines
            ? { line: 'first', group: name }
            : { line: 'again', rank: name.charCodeAt(0) };
        const { clock, queue, started, most } = made({ concurrency, runMs, place });
        const asked: { key: string; startedBefore: number; by: number }[] = [];
        for (const each of steps) {
          if (each.do === 'advance') await clock.advance(each.ms);
          else {
            const now = clock.monotonic();
            // What is in line or being handled may come before it: five keys, each at most once more.
            asked.push({
              key: each.key,
              startedBefore: started.length,
              by: now + each.ms + 11 * (runMs + 1),
            });
            if (each.do === 'add') queue.add(each.key);
            else queue.addWithin(each.key, each.ms);
          }
        }
        await clock.advance(2000);
        expect(most()).toBeLessThanOrEqual(concurrency);
        expect([queue.depth, queue.inFlight, queue.waiting]).toEqual([0, 0, 0]);
        for (const request of asked) {
          const run = started.slice(request.startedBefore).find(({ key: name }) => name === request.key);
          expect(run?.at, `${request.key} is due by ${request.by}`).toBeLessThanOrEqual(request.by);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('settles for some keys when the last of them has ended, whatever the others do', async () => {
  const { clock, queue } = made({ concurrency: 3, runMs: 10 });
  const settled: string[] = [];
  await queue.settled(() => true);
  queue.add('a');
  await clock.advance(5);
  queue.add('b');
  void queue.settled(key => key === 'a').then(() => settled.push('a'));
  void queue.settled(key => key === 'b').then(() => settled.push('b'));
  void queue.settled(key => key === 'c').then(() => settled.push('c'));
  await clock.advance(1);
  expect(settled).toEqual(['c']);
  await clock.advance(4);
  expect(settled).toEqual(['c', 'a']);
  await clock.advance(5);
  expect(settled).toEqual(['c', 'a', 'b']);
});
