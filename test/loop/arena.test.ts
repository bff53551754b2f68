import fc from 'fast-check';
import { expect, test } from 'vitest';
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

test('what is freed serves the next of its size, so that what changes again and again takes no more', () => {
  const arena = new Arena();
  const places = Array.from({ length: 1000 }, (_, index) => arena.keep(Buffer.alloc(300, index)));
  const { held } = arena;
  for (let round = 0; round < 20; round++) {
    for (const [index, place] of places.entries()) {
      arena.free(place);
      places[index] = arena.keep(Buffer.alloc(300, index + round));
    }
  }
  expect(arena.held).toBe(held);
});

test('a piece larger than a page gives its memory back', () => {
  const arena = new Arena();
  const place = arena.keep(Buffer.alloc(1_000_000));
  expect(arena.held).toBeGreaterThanOrEqual(1_000_000);
  arena.free(place);
  expect(arena.held).toBe(0);
});
