import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Demand } from '../../src/decide/demand.ts';

describe('what the credentials of an origin need in a minute', () => {
  test.each([
    ['one each 25 s', [25_000], 2.4],
    ['one a day and one an hour', [86_400_000, 3_600_000], 1 / 1440 + 1 / 60],
    ['nothing, for tokens that are kept for ever', [undefined], undefined],
    ['a second at least between two', [1], 60],
  ])('%s', (_what, periods, perMinute) => {
    const demand = new Demand();
    for (const [at, period] of periods.entries()) demand.set(`ns/${at}`, 'p', 'https://a', period);
    const worst = demand.worst('p');
    if (perMinute === undefined) expect(worst).toBeUndefined();
    else {
      expect(worst?.perMinute).toBeCloseTo(perMinute);
      expect(worst?.origin).toBe('https://a');
    }
  });

  test('is told of the origin that needs most, and of each provider apart', () => {
    const demand = new Demand();
    demand.set('a', 'p', 'https://a', 60_000);
    demand.set('b', 'p', 'https://b', 30_000);
    demand.set('c', 'q', 'https://a', 1000);
    expect(demand.worst('p')).toEqual({ origin: 'https://b', perMinute: 2 });
    expect(demand.worst('q')).toEqual({ origin: 'https://a', perMinute: 60 });
    expect(demand.worst('none')).toBeUndefined();
  });

  test('is the sum of those that are there, whatever came, changed and went before', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      provider: fc.constantFrom('p', 'q'),
      origin: fc.constantFrom('https://a', 'https://b'),
      period: fc.option(fc.integer({ min: 1000, max: 1_000_000 }), { nil: undefined }),
      remove: fc.boolean(),
      ask: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), steps => {
        const demand = new Demand();
        const there = new Map<string, (typeof steps)[number]>();
        for (const each of steps) {
          if (each.remove) {
            there.delete(each.key);
            demand.remove(each.key);
          } else {
            there.set(each.key, each);
            demand.set(each.key, each.provider, each.origin, each.period);
          }
          // What is remembered of an answer must not outlive it.
          if (each.ask) demand.worst(each.provider);
        }
        for (const provider of ['p', 'q']) {
          const need = ['https://a', 'https://b'].map(origin =>
            [...there.values()]
              .filter(each => each.provider === provider && each.origin === origin)
              .reduce((sum, { period }) => sum + (period === undefined ? 0 : 60_000 / period), 0),
          );
          expect(demand.worst(provider)?.perMinute ?? 0).toBeCloseTo(Math.max(...need), 5);
        }
      }),
    );
  });
});
