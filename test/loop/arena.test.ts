import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seeded } from '../../sandbox/random.ts';
import { Arena } from '../../src/loop/arena.ts';

test('gives back each piece as it was kept, whatever is kept and freed between', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('keep' as const), bytes: fc.uint8Array({ maxLength: 200 }) }),
    fc.record({ do: fc.constant('large' as const), byte: fc.nat(255), size: fc.nat(600_000) }),
    fc.record({ do: fc.constant('free' as const), at: fc.nat(50) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), steps => {
      const arena = new Arena();
      const kept: { place: number; bytes: Buffer }[] = [];
      for (const each of steps) {
        if (each.do === 'free') {
          const [gone] = kept.splice(each.at, 1);
          if (gone !== undefined) arena.free(gone.place);
        } else {
          const bytes = each.do === 'keep' ? Buffer.from(each.bytes) : Buffer.alloc(each.size, each.byte);
          kept.push({ place: arena.keep(bytes), bytes });
        }
        for (const { place, bytes } of kept) expect(arena.read(place).equals(bytes)).toBe(true);
      }
      for (const { place } of kept) arena.free(place);
      expect(arena.used).toBe(0);
    }),
    { numRuns: 100 },
  );
});

/** What may be lost to gaps: a quarter, and a few pages. */
const most = (used: number): number => 1.25 * used + 2 ** 20;

test('what changes again and again, and grows, takes no more than it needs', () => {
  const arena = new Arena();
  const sizeOf = (index: number, round: number): number => 100 + 40 * round + (index % 7);
  const sizes = Array.from({ length: 8000 }, (_, index) => sizeOf(index, 0));
  const places = sizes.map((size, index) => arena.keep(Buffer.alloc(size, index)));
  const random = seeded(1);
  for (let round = 1; round <= 10; round++) {
    for (let step = 0; step < places.length; step++) {
      // Not in the order that they stand in, or whole pages would become free by themselves.
      const index = Math.floor(random.next() * places.length);
      arena.free(places[index] ?? -1);
      sizes[index] = sizeOf(index, round);
      places[index] = arena.keep(Buffer.alloc(sizes[index], index));
      if (step % 100 === 0) expect(arena.held).toBeLessThan(most(arena.used) + 2 ** 18);
    }
  }
  for (const [index, place] of places.entries())
    expect(arena.read(place).equals(Buffer.alloc(sizes[index] ?? 0, index))).toBe(true);
  // Numbers serve again.
  expect(Math.max(...places)).toBeLessThan(places.length);
});

test('when most are gone their memory is given back, and the others are as they were', () => {
  const arena = new Arena();
  const places = Array.from({ length: 20_000 }, (_, index) => arena.keep(Buffer.alloc(300, index)));
  expect(arena.held).toBeGreaterThan(20_000 * 300);
  for (const [index, place] of places.entries()) if (index % 100 !== 0) arena.free(place);
  expect(arena.held).toBeLessThan(most(arena.used) + 2 ** 18);
  for (let index = 0; index < places.length; index += 100)
    expect(arena.read(places[index] ?? -1).equals(Buffer.alloc(300, index))).toBe(true);
});

test('refuses what it does not keep', () => {
  const arena = new Arena();
  const place = arena.keep(Buffer.from('a'));
  arena.free(place);
  expect(() => arena.read(place)).toThrow(RangeError);
  expect(() => arena.free(place)).toThrow(RangeError);
});

test('a piece larger than a page gives its memory back', () => {
  const arena = new Arena();
  const place = arena.keep(Buffer.alloc(1_000_000));
  expect(arena.held).toBeGreaterThanOrEqual(1_000_000);
  arena.free(place);
  expect(arena.held).toBe(0);
});
