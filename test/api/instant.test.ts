import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instant } from '../../src/api/instant.ts';

test('a time is as a Date writes it, cut to the second', () => {
  fc.assert(
    fc.property(fc.double({ min: -1e12, max: 2e14, noNaN: true }), ms => {
      const second = new Date(Math.floor(ms / 1000) * 1000).toISOString();
      expect(instant(ms)).toBe(second.replace('.000Z', 'Z'));
    }),
  );
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])('%s is no time', ms => {
  expect(() => instant(ms)).toThrow(RangeError);
});
