import fc from 'fast-check';
import { expect, test } from 'vitest';
import { partOf } from '../../src/decide/part.ts';

/** Each shard with one owner of some. */
const shared = fc
  .record({ shards: fc.integer({ min: 1, max: 64 }), replicas: fc.integer({ min: 1, max: 8 }) })
  .chain(({ shards, replicas }) =>
    fc.array(fc.nat({ max: replicas - 1 }), { minLength: shards, maxLength: shards }).map(owners =>
      Array.from({ length: replicas }, (_, replica) => ({
        shards,
        owned: owners.flatMap((owner, shard) => (owner === replica ? [shard] : [])),
      })).filter(({ owned }) => owned.length > 0),
    ),
  );

test('the parts of all add up to the limit, and to no more', () => {
  fc.assert(
    fc.property(
      shared,
      fc.integer({ min: 64, max: 1000 }),
      fc.integer({ min: 64, max: 100_000 }),
      (parts, concurrency, requestsPerMinute) => {
        const made = parts.map(part => partOf({ concurrency, requestsPerMinute }, part));
        expect(made.reduce((sum, part) => sum + part.concurrency, 0)).toBe(concurrency);
        expect(made.reduce((sum, part) => sum + (part.requestsPerMinute ?? 0), 0)).toBe(requestsPerMinute);
      },
    ),
  );
});

test('below the number of shards nobody is left with nothing, and requests keep to the limit on average', () => {
  fc.assert(
    fc.property(shared, fc.integer({ min: 1, max: 63 }), (parts, limit) => {
      for (const part of parts) {
        const { concurrency, requestsPerMinute } = partOf(
          { concurrency: limit, requestsPerMinute: limit },
          part,
        );
        expect(concurrency).toBeGreaterThanOrEqual(1);
        if (limit < part.shards)
          expect(requestsPerMinute).toBeCloseTo((limit * part.owned.length) / part.shards);
      }
    }),
  );
});

test('who has all has the limits as they are', () => {
  const limits = { concurrency: 3, requestsPerMinute: 2, timeoutMs: 5 };
  expect(partOf(limits, { owned: [0, 1, 2, 3], shards: 4 })).toBe(limits);
  expect(partOf({ concurrency: 8 }, { owned: [0], shards: 4 })).toEqual({ concurrency: 2 });
});
