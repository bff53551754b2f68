import { describe, expect, it } from 'vitest';
import { readClaims } from '../../src/provider/jwt.ts';
import { type AnswerClock, answerClock, lifetimeOf, parseHttpDate } from '../../src/provider/lifetime.ts';
import { answer, DATE, jwt, NOW } from './engine-support.ts';

const S = NOW / 1000;
const H = 3600;
const DATED: AnswerClock = { providerMs: NOW, ownMs: NOW, aged: false };
const UNDATED: AnswerClock = { ownMs: NOW, aged: false };
const AGED: AnswerClock = { ownMs: NOW, aged: true };
/** The provider's clock is three hours from ours. */
const AHEAD: AnswerClock = { providerMs: NOW + 3 * H * 1000, ownMs: NOW, aged: false };
const BEHIND: AnswerClock = { providerMs: NOW - 3 * H * 1000, ownMs: NOW, aged: false };

type Case = {
  claims?: Record<string, unknown>;
  in?: unknown;
  at?: unknown;
  assumed?: number;
  clock?: AnswerClock;
};

function life(given: Case) {
  const stated = (field: string, value: unknown) => (value === undefined ? undefined : { field, value });
  const result = lifetimeOf(
    {
      token: { field: 'token', value: given.claims === undefined ? 'opaque' : jwt(given.claims) },
      expiresIn: stated('expiresIn', given.in),
      expiresAt: stated('expiresAt', given.at),
      assumedMs: given.assumed,
    },
    given.clock ?? DATED,
  );
  if (result.kind === 'known') return result.ms / 1000;
  return result.kind === 'unknown' ? 'unknown' : `${result.field} ${result.why}`;
}

describe('the lifetime of a token', () => {
  it.each<[string, Case, number | string | RegExp]>([
    ['nothing told', {}, 'unknown'],
    ['assumed by the definition', { assumed: 60_000 }, 60],
    ['a number', { in: 3600n }, 3600],
    ['a double', { in: 90.5 }, 90.5],
    ['a string', { in: '120' }, 120],
    ['a decimal string', { in: '120.5' }, 120.5],
    ['stated, so nothing is assumed', { in: 3600n, assumed: 60_000 }, 3600],
    ['zero', { in: 0n }, /^expiresIn says that the token has no time left/],
    ['negative', { in: -5n }, /^expiresIn says that the token has no time left/],
    ['a negative string', { in: '-5' }, /no time left/],
    ['NaN', { in: Number.NaN }, /^expiresIn is a number that is not a number of seconds/],
    ['"NaN"', { in: 'NaN' }, /is a string that is not a number of seconds/],
    ['words', { in: 'one hour' }, /is a string/],
    ['a list', { in: [] }, /is a list/],
    ['a boolean', { in: true }, /is a boolean/],
    ['absurd', { in: 1e18 }, /^expiresIn is more than ten years away/],
    ['absurd, as an int', { in: 10n ** 18n }, /more than ten years/],
    ['infinite', { in: Number.POSITIVE_INFINITY }, /more than ten years/],
    ['very short', { in: 4n }, /lives less than 5s/],
    ['just enough', { in: 5n }, 5],
    // expiresAt
    ['a time in seconds', { at: BigInt(S + 60) }, 60],
    ['a time in a string of seconds', { at: `${S + 60}` }, 60],
    ['RFC 3339', { at: '2026-01-15T10:01:00Z' }, 60],
    ['RFC 3339 with an offset and a fraction', { at: '2026-01-15T12:01:00.500+02:00' }, 60.5],
    ['a timestamp', { at: new Date(NOW + 60_000) }, 60],
    ['a time in milliseconds', { at: BigInt(NOW) }, /^expiresAt is more than ten years away/],
    ['a time that has passed', { at: BigInt(S - 1) }, /^expiresAt says that the token has no time left/],
    ['no time', { at: 'tomorrow' }, /^expiresAt is a string that is not a time/],
    ['no date', { at: '2026-13-45T10:01:00Z' }, /that is not a time/],
    ['a time by a clock that is ahead', { at: BigInt(S + 3 * H + 60), clock: AHEAD }, 60],
    ['a time by a clock that is behind', { at: BigInt(S - 3 * H + 60), clock: BEHIND }, 60],
    ['a time without a Date', { at: BigInt(S + 60), clock: UNDATED }, 60],
    // a JWT
    ["a JWT's exp alone", { claims: { exp: S + 600 } }, 600],
    ['a fraction', { claims: { exp: S + 600.5 } }, 600.5],
    ['a JWT without exp', { claims: { sub: 'x' } }, 'unknown'],
    ['exp before what is assumed', { claims: { exp: S + 600 }, assumed: 60_000 }, 600],
    ['exp smaller than stated: a cached token', { claims: { exp: S + 600, iat: S - 3000 }, in: 3600n }, 600],
    ['stated smaller than exp', { claims: { exp: S + 600 }, in: 60n }, 60],
    ['exp by a clock that is ahead', { claims: { exp: S + 3 * H + 600 }, clock: AHEAD }, 600],
    ['exp by a clock that is behind', { claims: { exp: S - 3 * H + 600 }, clock: BEHIND }, 600],
    ['a signer ahead of the Date', { claims: { iat: S + 3 * H, exp: S + 4 * H } }, 3600],
    ['a signer behind the Date', { claims: { iat: S - 3 * H, exp: S - 2 * H } }, 3600],
    ['a signer behind the Date, stated', { claims: { iat: S - 3 * H, exp: S - 2 * H }, in: 1800n }, 1800],
    ['an aged answer', { claims: { iat: S - 100, exp: S + 500 }, clock: AGED }, 600],
    ['an aged answer without iat', { claims: { exp: S + 500 }, clock: AGED }, 500],
    ['a provider ahead, no Date', { claims: { iat: S + 3 * H, exp: S + 4 * H }, clock: UNDATED }, 3600],
    [
      'a provider behind, no Date, no iat, stated',
      { claims: { exp: S - 2 * H }, in: 3600n, clock: UNDATED },
      3600,
    ],
    ['exp in the past', { claims: { exp: S - 10 } }, /^token the token had expired when it came/],
    ['exp in the past, stated', { claims: { exp: S - 10 }, in: 3600n }, /had expired/],
    ['exp at once', { claims: { exp: S + 4 } }, /^token the token lives less than 5s/],
    [
      'exp in milliseconds',
      { claims: { exp: NOW + 600_000 } },
      /^token the token's own exp is no time in seconds/,
    ],
    ['exp in milliseconds, stated', { claims: { exp: NOW + 600_000 }, in: 60n }, 60],
    ['exp in milliseconds, assumed', { claims: { exp: NOW + 600_000 }, assumed: 60_000 }, 60],
    [
      'exp and iat in milliseconds',
      { claims: { iat: NOW, exp: NOW + 600_000 } },
      /^token the token's own exp is no time in seconds/,
    ],
    ['exp absurd', { claims: { exp: 9e10 } }, /own exp is no time/],
    ['exp as text', { claims: { exp: 'soon' }, in: 60n }, 60],
    ['exp null', { claims: { exp: null } }, /own exp is no time/],
    ['exp negative', { claims: { exp: -5 }, in: 60n }, 60],
    ['iat after exp is no life', { claims: { exp: S + 600, iat: S + 700 } }, 600],
  ])('%s', (_, given, expected) => {
    if (expected instanceof RegExp) expect(life(given)).toMatch(expected);
    else expect(life(given)).toBe(expected);
  });
});

describe('the clock of an answer', () => {
  it('is its Date, unless a cache stood between', () => {
    expect(answerClock(answer({}), 5)).toEqual({ providerMs: NOW, ownMs: 5, aged: false });
    expect(answerClock(answer({}, 200, { age: '0' }), 5)).toEqual({ ownMs: 5, aged: true });
    expect(answerClock(answer({}, 200, { date: 'yesterday' }), 5)).toEqual({ ownMs: 5, aged: false });
  });
  it('is written as HTTP writes it', () => {
    expect(parseHttpDate(DATE)).toBe(NOW);
    for (const text of [
      '2026-01-15T10:00:00Z',
      '1',
      'Thu, 99 Jan 2026 10:00:00 GMT',
      'Thu, 15 Jan 2026 10:00:00 CET',
    ]) {
      expect(parseHttpDate(text)).toBeUndefined();
    }
  });
});

describe('a JWT', () => {
  it('is read for its times', () => {
    expect(readClaims(jwt({ exp: 5, iat: '4', sub: 'x' }))).toEqual({ exp: 5, iat: '4' });
  });
  it.each([
    ['opaque', 'abc'],
    ['two parts', 'e30.e30'],
    ['four parts', 'e30.e30.x.y'],
    ['no JSON', 'e30.bm90IGpzb24.x'],
    ['a list', 'e30.W10.x'],
    ['no header', 'x.e30.x'],
    ['no base64url', 'e30.e3$0.x'],
    ['a huge payload', `e30.${'A'.repeat(32_769)}.x`],
  ])('is not %s', (_, token) => {
    expect(readClaims(token)).toBeUndefined();
  });
  it('has own claims alone', () => {
    const payload = Buffer.from('{"__proto__":{"exp":5}}').toString('base64url');
    expect(readClaims(`e30.${payload}.x`)).toEqual({ exp: undefined, iat: undefined });
  });
});
