import { describe, expect, it } from 'vitest';
import { nextLook } from '../../src/steps/conclude.ts';

describe('the next look', () => {
  const SEEN = 100_000;
  /** Of which a moment has passed since. */
  const look = (at: { renewAt?: number; expiresAt?: number; until?: number }, now = SEEN + 3) =>
    nextLook({ renewAt: at.renewAt }, { ...(at.expiresAt && { expiresAt: at.expiresAt }) }, at.until, SEEN, {
      until: time => time - now,
    });

  it.each([
    ['the renewal', { renewAt: SEEN + 5000, expiresAt: SEEN + 9000 }, 4998],
    ['a retry that comes first', { renewAt: SEEN + 5000, expiresAt: SEEN + 9000, until: SEEN + 1003 }, 1001],
    [
      'the expiry, where the renewal is what could not be done',
      { renewAt: SEEN - 1, expiresAt: SEEN + 9000 },
      8998,
    ],
    ['a renewal that fell due during the look', { renewAt: SEEN + 1, expiresAt: SEEN + 9000 }, 50],
    ['an expiry that came during the look', { renewAt: SEEN - 1, expiresAt: SEEN + 2 }, 50],
    ['the try after the end of a dead token', { renewAt: SEEN + 1000, expiresAt: SEEN - 1 }, 998],
    ['none for a token that is dead, and asks for nothing', { expiresAt: SEEN - 1 }, undefined],
    ['none for a token without an end', {}, undefined],
  ])('is %s', (_, at, ms) => {
    expect(look(at)).toBe(ms);
  });
});
