import fc from 'fast-check';

/** Half of a pair is none: U+D800 to U+DFFF. */
const [FIRST_HALF, HALVES, LAST] = [0xd800, 0x800, 0x10ffff] as const;

/** A unit for `fc.string`: any character of Unicode. The library's own maps a million of them first, for half a second in each worker. */
export const anyCharacter = fc
  .integer({ min: 0, max: LAST - HALVES })
  .map(at => String.fromCodePoint(at < FIRST_HALF ? at : at + HALVES));
