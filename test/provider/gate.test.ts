import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Gate, type Limits, type Need, type Permit } from '../../src/provider/gate.ts';
import { ManualClock } from './manual-clock.ts';

const fresh = (namespace = 'a'): Need => ({ kind: 'new', urgent: false, namespace });
const renewal = (expiresAt: number, urgent = false): Need => ({
  kind: 'renewal',
  expiresAt,
  urgent,
  namespace: 'a',
});

/** A gate whose woken keys come back at once, as the queue does. */
function bench(limits: Limits, origin = 'o') {
  const clock = new ManualClock();
  const woken: string[] = [];
  const gate = new Gate({ clock, wake: key => woken.push(key) });
  const ask = (key: string, need: Need, other = limits): Permit | undefined =>
    gate.tryAcquire(key, origin, other, need);
  return { clock, woken, gate, ask };
}

/** Fills the only slot, lets all wait, then serves one at a time. @returns the order. */
function served(waiters: readonly (readonly [string, Need])[]): string[] {
  const { gate, woken, ask } = bench({ concurrency: 1 });
  let permit = ask('first', fresh());
  const needs = new Map(waiters);
  for (const [key, need] of waiters) expect(ask(key, need)).toBeUndefined();
  const order: string[] = [];
  while (order.length < waiters.length) {
    permit?.release();
    const key = woken.shift() ?? 'nobody';
    expect(woken).toEqual([]);
    order.push(key);
    permit = ask(key, needs.get(key) ?? fresh());
    expect(permit).toBeDefined();
  }
  permit?.release();
  expect(gate.size).toBe(0);
  return order;
}

describe('order', () => {
  test('namespaces of new credentials take turns', () => {
    expect(
      served([
        ['a1', fresh('a')],
        ['a2', fresh('a')],
        ['a3', fresh('a')],
        ['b1', fresh('b')],
        ['c1', fresh('c')],
        ['b2', fresh('b')],
      ]),
    ).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  test('new ones come before renewals, renewals by expiry', () => {
    expect(
      served([
        ['late', renewal(300)],
        ['endless', { kind: 'renewal', urgent: false, namespace: 'a' }],
        ['soon', renewal(100)],
        ['new', fresh()],
        ['between', renewal(200)],
      ]),
    ).toEqual(['new', 'soon', 'between', 'late', 'endless']);
  });

  test('of renewals those near their end come first, also where no new credential waits', () => {
    expect(
      served([
        ['r1', renewal(300)],
        ['r2', renewal(400)],
        ['u1', renewal(10, true)],
        ['u2', renewal(20, true)],
        ['u3', renewal(30, true)],
      ]),
    ).toEqual(['u1', 'u2', 'u3', 'r1', 'r2']);
  });

  test('urgent renewals, by expiry, take turns with new credentials', () => {
    expect(
      served([
        ['n1', fresh()],
        ['n2', fresh()],
        ['n3', fresh()],
        ['r1', renewal(50)],
        ['u2', renewal(20, true)],
        ['u1', renewal(10, true)],
      ]),
    ).toEqual(['u1', 'n1', 'u2', 'n2', 'n3', 'r1']);
  });

  test('a key keeps its place when it asks again, and moves when it becomes urgent', () => {
    const { woken, ask } = bench({ concurrency: 1 });
    const permit = ask('x', fresh());
    for (const key of ['1', '2', '3']) ask(key, renewal(100));
    ask('1', renewal(100));
    ask('3', renewal(100, true));
    permit?.release();
    expect(woken).toEqual(['3']);
    ask('3', renewal(100, true))?.release();
    expect(woken).toEqual(['3', '1']);
  });
});

describe('places', () => {
  test('as many at once as the limit says, and it may change', () => {
    const { gate, woken, ask } = bench({ concurrency: 2 });
    const one = ask('1', fresh());
    expect(ask('2', fresh())).toBeDefined();
    expect(ask('3', fresh())).toBeUndefined();
    expect(ask('4', fresh())).toBeUndefined();
    expect(gate.stats('o')).toEqual({ inFlight: 2, waiting: 2, reserved: 0 });
    // more room: it is 3's turn before 5's
    expect(ask('5', fresh(), { concurrency: 3 })).toBeUndefined();
    expect(woken).toEqual(['3']);
    one?.release();
    one?.release();
    expect(woken).toEqual(['3', '4']);
    expect(ask('3', fresh(), { concurrency: 1 })).toBeDefined();
    expect(gate.stats('o')).toEqual({ inFlight: 2, waiting: 1, reserved: 1 });
  });

  test('nobody overtakes one who was woken', () => {
    const { woken, ask } = bench({ concurrency: 1 });
    ask('1', fresh())?.release();
    const permit = ask('1', fresh());
    ask('2', fresh());
    permit?.release();
    expect(ask('3', renewal(0, true))).toBeUndefined();
    expect(woken).toEqual(['2']);
    expect(ask('2', fresh())).toBeDefined();
  });

  test('who does not come back within 10 s loses the place', () => {
    const { clock, woken, ask } = bench({ concurrency: 1 });
    const permit = ask('1', fresh());
    ask('2', fresh());
    ask('3', fresh());
    permit?.release();
    clock.advance(9_999);
    expect(woken).toEqual(['2']);
    clock.advance(1);
    expect(woken).toEqual(['2', '3']);
    expect(ask('2', fresh())).toBeUndefined();
    expect(ask('3', fresh())).toBeDefined();
  });

  test('who cancels leaves the line, or gives the place to the next', () => {
    const { gate, woken, ask } = bench({ concurrency: 1 });
    const permit = ask('1', fresh());
    for (const key of ['2', '3', '4']) ask(key, fresh());
    gate.cancel('3');
    gate.cancel('nobody');
    permit?.release();
    gate.cancel('2');
    expect(woken).toEqual(['2', '4']);
    gate.cancel('4');
    expect(gate.size).toBe(0);
  });

  test('a key that turns to another origin leaves the first', () => {
    const { gate, woken } = bench({ concurrency: 1 });
    const limits = { concurrency: 1 };
    const permit = gate.tryAcquire('1', 'o', limits, fresh());
    gate.tryAcquire('2', 'o', limits, fresh());
    expect(gate.tryAcquire('2', 'p', limits, fresh())).toBeDefined();
    permit?.release();
    expect([woken, gate.stats('o').waiting]).toEqual([[], 0]);
  });

  test('one origin never holds up another', () => {
    const { gate, woken } = bench({ concurrency: 1 });
    for (let i = 0; i < 100; i++)
      gate.tryAcquire(`${i}`, 'dead', { concurrency: 1, requestsPerMinute: 1 }, fresh());
    expect(gate.tryAcquire('x', 'live', { concurrency: 1 }, fresh())).toBeDefined();
    expect([woken, gate.stats('dead').waiting]).toEqual([[], 99]);
  });

  test('a place is given on only when what was put off is done', () => {
    const woken: string[] = [];
    const later: (() => void)[] = [];
    const gate = new Gate({
      clock: new ManualClock(),
      wake: key => woken.push(key),
      later: give => later.push(give),
    });
    const limits = { concurrency: 1 };
    const permit = gate.tryAcquire('0', 'o', limits, fresh());
    gate.tryAcquire('1', 'o', limits, fresh());
    permit?.release();
    permit?.release();
    expect([woken, later.length, gate.stats('o').inFlight]).toEqual([[], 1, 1]);
    expect(gate.tryAcquire('2', 'o', limits, fresh())).toBeUndefined();
    later[0]?.();
    expect([woken, gate.stats('o').inFlight]).toEqual([['1'], 0]);
  });

  test('a woken key may come back while it is being woken', () => {
    const clock = new ManualClock();
    const order: string[] = [];
    const gate: Gate = new Gate({
      clock,
      wake: key => {
        order.push(key);
        gate.tryAcquire(key, 'o', { concurrency: 1 }, fresh())?.release();
      },
    });
    const permit = gate.tryAcquire('0', 'o', { concurrency: 1 }, fresh());
    for (const key of ['1', '2', '3']) gate.tryAcquire(key, 'o', { concurrency: 1 }, fresh());
    permit?.release();
    expect([order, gate.size]).toEqual([['1', '2', '3'], 0]);
  });

  test('many who leave without being served leave nothing behind', () => {
    const { gate, woken, ask } = bench({ concurrency: 1 });
    const permit = ask('first', fresh());
    ask('z', renewal(5));
    for (let i = 0; i < 1000; i++) {
      ask('x', renewal(i));
      ask('y', renewal(i, true));
    }
    expect(gate.stats('o').waiting).toBe(3);
    permit?.release();
    ask('y', renewal(0, true))?.release();
    ask('z', renewal(5))?.release();
    ask('x', renewal(0))?.release();
    expect(woken).toEqual(['y', 'z', 'x']);
    expect(gate.size).toBe(0);
  });
});

describe('requests per minute', () => {
  test.each([1, 2, 7, 59, 60, 61, 300, 6000])(
    '%i: used to the full, and never exceeded',
    requestsPerMinute => {
      const { clock, gate, woken, ask } = bench({ concurrency: 1000, requestsPerMinute });
      const times: number[] = [];
      const total = requestsPerMinute * 3;
      const come = (key: string): void => {
        const permit = ask(key, fresh());
        if (permit === undefined) return;
        times.push(clock.monotonic());
        permit.release();
      };
      for (let i = 0; i < total; i++) come(`${i}`);
      while (times.length < total && clock.monotonic() < 300_000) {
        clock.advance(1);
        for (const key of woken.splice(0)) come(key);
      }
      expect(times.length).toBe(total);
      times.forEach((time, i) => {
        const first = times[i - requestsPerMinute];
        if (first !== undefined) expect(time - first).toBeGreaterThanOrEqual(60_000);
      });
      expect(times.at(-1)).toBeLessThan(185_000);
      clock.advance(60_001);
      expect([gate.size, clock.armed]).toEqual([0, 0]);
    },
  );

  test('an idle origin is remembered until its budget is back', () => {
    const { clock, gate, ask } = bench({ concurrency: 1, requestsPerMinute: 1 });
    ask('1', fresh())?.release();
    clock.advance(30_000);
    expect(ask('2', fresh())).toBeUndefined();
    gate.cancel('2');
    clock.advance(29_999);
    expect(gate.size).toBe(1);
    clock.advance(2);
    expect(gate.size).toBe(0);
    expect(ask('3', fresh())).toBeDefined();
  });

  test('the next is woken in time, also while exchanges last', () => {
    const { clock, woken, ask } = bench({ concurrency: 9, requestsPerMinute: 60 });
    ask('1', fresh());
    ask('2', fresh());
    ask('3', fresh());
    clock.advance(1_001);
    expect(ask('2', fresh())).toBeDefined();
    clock.advance(1_001);
    expect(woken).toEqual(['2', '3']);
  });

  test('raising or lifting the limit lets more through at once; it gives nothing back', () => {
    const { clock, woken, ask } = bench({ concurrency: 9, requestsPerMinute: 1 });
    ask('1', fresh());
    ask('2', fresh());
    expect(ask('3', fresh(), { concurrency: 9, requestsPerMinute: 60 })).toBeUndefined();
    clock.advance(1_001);
    expect(woken).toEqual(['2']);
    ask('4', fresh(), { concurrency: 9 });
    expect(woken).toEqual(['2', '3']);
  });
});

/** Keys that ask, hold and release at one origin, with what must hold at each admission. */
class Crowd {
  readonly #bench;
  readonly #limits: Limits;
  readonly #held = new Map<string, Permit>();
  readonly #times: number[] = [];
  readonly waiting = new Set<string>();

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#bench = bench(limits);
  }

  ask(key: string, need: Need): void {
    if (this.#held.has(key)) return;
    this.waiting.add(key);
    const permit = this.#bench.ask(key, need);
    if (permit === undefined) return;
    this.waiting.delete(key);
    this.#held.set(key, permit);
    const now = this.#bench.clock.monotonic();
    this.#times.push(now);
    const first = this.#times.at(-1 - (this.#limits.requestsPerMinute ?? Number.POSITIVE_INFINITY));
    if (first !== undefined) expect(now - first).toBeGreaterThanOrEqual(60_000);
  }

  release(key: string): void {
    this.#held.get(key)?.release();
    this.#held.delete(key);
  }

  cancel(key: string): void {
    if (this.#held.has(key)) return;
    this.#bench.gate.cancel(key);
    this.waiting.delete(key);
  }

  wait(ms: number): void {
    this.#bench.clock.advance(ms);
  }

  check(): void {
    const { inFlight, reserved } = this.#bench.gate.stats('o');
    expect(inFlight).toBe(this.#held.size);
    expect(inFlight + reserved).toBeLessThanOrEqual(this.#limits.concurrency);
  }

  /** Everyone ends what they do, and those that wait come when they are woken, or, having been too slow, of themselves. */
  drain(seconds: number): void {
    for (let i = 0; i < seconds && this.waiting.size > 0; i++) {
      for (const key of [...this.#held.keys()]) this.release(key);
      for (const key of [...this.#bench.woken.splice(0), ...this.waiting]) {
        if (this.waiting.has(key)) this.ask(key, fresh());
      }
      this.wait(1000);
    }
    for (const key of [...this.#held.keys()]) this.release(key);
    this.wait(70_000);
    expect([this.waiting.size, this.#bench.gate.size, this.#bench.clock.armed]).toEqual([0, 0, 0]);
  }
}

test('whatever is asked, in whatever order: limits hold, everyone is served, nothing is left', () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 14 }).map(String),
    act: fc.constantFrom('ask', 'ask', 'ask', 'release', 'cancel', 'wait'),
    need: fc.record({
      kind: fc.constantFrom('new' as const, 'renewal' as const),
      expiresAt: fc.integer({ min: 0, max: 50 }),
      urgent: fc.boolean(),
      namespace: fc.constantFrom('a', 'b', 'c'),
    }),
    ms: fc.integer({ min: 0, max: 15_000 }),
  });
  const limitsOf = fc.record(
    { concurrency: fc.integer({ min: 1, max: 4 }), requestsPerMinute: fc.integer({ min: 1, max: 130 }) },
    { requiredKeys: ['concurrency'] },
  );
  fc.assert(
    fc.property(limitsOf, fc.array(step, { maxLength: 120 }), (limits, steps) => {
      const crowd = new Crowd(limits);
      for (const { key, act, need, ms } of steps) {
        if (act === 'ask') crowd.ask(key, need);
        if (act === 'release') crowd.release(key);
        if (act === 'cancel') crowd.cancel(key);
        if (act === 'wait') crowd.wait(ms);
        crowd.check();
      }
      crowd.drain(1000);
    }),
    { numRuns: 150 },
  );
});
