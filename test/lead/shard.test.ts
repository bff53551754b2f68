import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fnv1a64, rangeOf, shardOf, shardSelector } from '../../src/lead/shard.ts';
import { anyCharacter } from '../support/characters.ts';

const hashOf = (text: string): bigint => {
  const { high, low } = fnv1a64(text);
  return (BigInt(high) << 32n) | BigInt(low);
};

describe('the hash', () => {
  // of Go's hash/fnv, New64a, which kube-apiserver uses
  test.each([
    ['', 'cbf29ce484222325'],
    ['a', 'af63dc4c8601ec8c'],
    ['foobar', '85944171f73967e8'],
    ['abc', 'e71fa2190541574b'],
    ['test-uid-12345', 'd4c53b72f9287c28'],
    ['aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee', '93754b7248a00eb9'],
    ['0b9a6f5e-8f2f-4a55-9a2c-1d2e3f405162', 'd5a87371918b4aac'],
    ['ñandú-✓', '67d28399c6b906b5'],
  ])('of %j', (text, hex) => {
    expect(hashOf(text).toString(16).padStart(16, '0')).toBe(hex);
  });

  test('is that of whole numbers, also for long texts', () => {
    const slow = (text: string): bigint => {
      let hash = 0xcbf29ce484222325n;
      for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
      return hash;
    };
    fc.assert(
      fc.property(fc.string({ maxLength: 400, unit: anyCharacter }), text => hashOf(text) === slow(text)),
    );
  });
});

describe('a shard', () => {
  test('is the one whose range has the hash; ranges follow on each other and are all there is', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ min: 1, max: 64 }), (uid, shards) => {
        const { start, end } = rangeOf(shardOf(uid, shards), shards);
        const hash = hashOf(uid);
        expect(start <= hash && hash < end).toBe(true);
      }),
    );
    for (const shards of [1, 2, 3, 5, 7, 64]) {
      expect([rangeOf(0, shards).start, rangeOf(shards - 1, shards).end]).toEqual([0n, 1n << 64n]);
      for (let shard = 1; shard < shards; shard += 1)
        expect(rangeOf(shard, shards).start).toBe(rangeOf(shard - 1, shards).end);
    }
  });

  test('at its bounds', () => {
    // "q7h9s" hashes to no round number: bounds are found by what the arithmetic says of neighbours
    for (const shards of [2, 3, 5, 7, 63, 64]) {
      for (let index = 0; index < 200; index += 1) {
        const uid = `uid-${index}`;
        const shard = Number((hashOf(uid) * BigInt(shards) + BigInt(shards) - 1n) >> 64n);
        expect(shardOf(uid, shards)).toBe(shard);
      }
    }
  });
});

describe('what is asked of the server', () => {
  const range = (start: string, end: string): string =>
    `shardRange(object.metadata.uid, '${start}', '${end}')`;
  test.each([
    [[0], 2, range('0x0000000000000000', '0x8000000000000000')],
    [[1], 2, range('0x8000000000000000', '0x10000000000000000')],
    [[2, 1], 4, range('0x4000000000000000', '0xc000000000000000')],
    [[1], 3, range('0x5555555555555555', '0xaaaaaaaaaaaaaaaa')],
    [
      [0, 3],
      4,
      `${range('0x0000000000000000', '0x4000000000000000')} || ${range('0xc000000000000000', '0x10000000000000000')}`,
    ],
    [[0, 1], 2, undefined],
    [[], 2, undefined],
  ])('for %j of %i', (owned, shards, selector) => {
    expect(shardSelector(owned, shards)).toBe(selector);
  });
});
