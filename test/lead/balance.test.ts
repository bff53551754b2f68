import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gift, isPoor, patienceMs } from '../../src/lead/balance.ts';

const holdings = (counts: Record<string, number>): Map<string, number> => new Map(Object.entries(counts));

describe('who asks, and who gives how many', () => {
  test.each<[Record<string, number>, string, boolean, Record<string, number>]>([
    // who has what, who may ask, whether it does, who gives how many
    [{ a: 4 }, 'b', true, { a: 2 }],
    [{ a: 1, b: 1 }, 'c', false, { a: 0, b: 0 }],
    [{ a: 2, b: 1, c: 1 }, 'd', true, { a: 1, b: 0, c: 0 }],
    [{ a: 2, b: 2 }, 'c', true, { a: 1, b: 0 }],
    [{ a: 3, b: 1 }, 'b', true, { a: 1 }],
    [{ a: 2, b: 1 }, 'b', false, { a: 0 }],
    [{ a: 64 }, 'b', true, { a: 32 }],
    [{ a: 5 }, 'a', false, { a: 0 }],
  ])('%j, %s', (counts, who, asks, gives) => {
    const seen = holdings(counts);
    expect(isPoor(who, seen)).toBe(asks);
    for (const [giver, count] of Object.entries(gives)) expect(gift(giver, who, seen)).toBe(count);
  });

  test('comes to a difference of one at most, whoever asks first', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 10 }),
        fc.infiniteStream(fc.nat()),
        (counts, turns) => {
          const seen = new Map(counts.map((count, index) => [`r${index}`, count]));
          const names = [...seen.keys()];
          for (let step = 0; step < 200; step += 1) {
            const poor = names.filter(name => isPoor(name, seen));
            const [to] = poor.slice((turns.next().value ?? 0) % Math.max(1, poor.length));
            if (to === undefined) break;
            const given = names.map(name => gift(name, to, seen));
            // one gives, and something
            expect(given.filter(count => count > 0)).toHaveLength(1);
            const from = names[given.findIndex(count => count > 0)] ?? '';
            const count = Math.max(...given);
            seen.set(from, (seen.get(from) ?? 0) - count);
            seen.set(to, (seen.get(to) ?? 0) + count);
          }
          expect(Math.max(...seen.values()) - Math.min(...seen.values())).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

describe('a free shard is left to others', () => {
  test('the longer the more one has; and nobody comes first everywhere', () => {
    for (const shards of [2, 4, 64]) {
      for (let held = 0; held < shards; held += 1) {
        const [first, last] = [patienceMs(held, 0, shards, 2000), patienceMs(held, shards - 1, shards, 2000)];
        expect(last).toBeGreaterThan(first);
        expect(patienceMs(held + 1, 0, shards, 2000)).toBeGreaterThan(last);
      }
    }
  });

  test('one that is alone has all within about a retry period', () => {
    for (const shards of [2, 4, 7, 64]) {
      const waits = Array.from({ length: shards }, (_, held) => patienceMs(held, 0, shards, 2000));
      expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(2000);
      expect(Math.max(...waits)).toBeLessThan(4000 / shards);
    }
  });
});
