import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  GRANT_SPACING_MS,
  noLaterExpiry,
  type RenewalPolicy,
  renewal,
  renewalPolicy,
} from '../../src/decide/renewal.ts';
import type { Held } from '../../src/held.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MARGIN = 95 * SECOND;
const NOW = Date.UTC(2026, 0, 3, 12);

function held(lifetimeMs: number | undefined, more: Partial<Held> = {}): Held {
  return {
    account: 'v1:k:a',
    inputs: 'v1:k:i',
    source: 'login:username,password',
    issuedAt: NOW,
    ...(lifetimeMs === undefined ? {} : { expiresAt: NOW + lifetimeMs }),
    grant: 'Login',
    grants: 4,
    sessionSequence: 0,
    ...more,
  };
}

/** The wait of a later renewal before its jitter, which only shortens it by up to a tenth. */
function wait(
  lifetimeMs: number | undefined,
  schedule: Parameters<typeof renewalPolicy>[0] = {},
): [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (let uid = 0; uid < 400; uid++) {
    const { at } = renewal(held(lifetimeMs), renewalPolicy(schedule, MARGIN), `${uid}`);
    least = Math.min(least, (at ?? 0) - NOW);
    most = Math.max(most, (at ?? 0) - NOW);
  }
  return [least, most];
}

describe('a later renewal is due, and up to a tenth earlier', () => {
  test.each([
    ['after two thirds of a day', DAY, {}, 16 * HOUR],
    ['two thirds into a week', 604_799 * SECOND, {}, (604_799 * SECOND * 2) / 3],
    ["25 s into sendfact's two minutes: a mounted Secret needs the other 95 s", 2 * MINUTE, {}, 25 * SECOND],
    ['95 s before the end of four minutes', 4 * MINUTE, {}, 145 * SECOND],
    ['two thirds into a minute, where no schedule makes a mounted Secret safe', MINUTE, {}, 40 * SECOND],
    ['30% before the end', DAY, { before: '30%' }, 0.7 * DAY],
    ['10 minutes before the end', HOUR, { before: '10m' }, 50 * MINUTE],
    [
      'at least a fifth of the life in, though before is longer than the life',
      HOUR,
      { before: '2h' },
      12 * MINUTE,
    ],
    ['at maxAge, where that is earlier', 7 * DAY, { maxAge: '24h' }, DAY],
    ['before maxAge, where the expiry is earlier', HOUR, { maxAge: '24h' }, 40 * MINUTE],
    ['at maxAge, when nothing tells an expiry', undefined, { maxAge: '24h' }, DAY],
    ['no sooner than every minute, whatever maxAge says', undefined, { maxAge: '1s' }, MINUTE],
  ])('%s', (_what, lifetime, schedule, expected) => {
    const [least, most] = wait(lifetime, schedule);
    expect(most).toBeLessThanOrEqual(Math.round(expected));
    expect(most).toBeGreaterThan(expected * 0.99);
    expect(least).toBeGreaterThanOrEqual(Math.floor(expected * 0.9));
    expect(least).toBeLessThan(expected * 0.91);
  });
});

describe('a renewal', () => {
  test('is never due for a token without expiry and maxAge', () => {
    expect(renewal(held(undefined), { marginMs: MARGIN }, 'uid')).toEqual({ belowPropagation: false });
  });

  test.each([1, 2, 3])('lies anywhere in the second half of its wait the first times: %i', grants => {
    const times = Array.from({ length: 400 }, (_, uid) => {
      const { at = 0 } = renewal(held(3 * HOUR, { grants }), { marginMs: MARGIN }, `${uid}`);
      return (at - NOW) / (2 * HOUR);
    });
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0.5);
    expect(Math.min(...times)).toBeLessThan(0.52);
    expect(Math.max(...times)).toBeLessThanOrEqual(1);
    expect(Math.max(...times)).toBeGreaterThan(0.98);
  });

  test('of what began in the same second is spread after three lifetimes: no second has 2.5 times the mean', () => {
    const life = MINUTE;
    const [from, seconds] = [3 * life, 60];
    const each = Array.from({ length: seconds }, () => 0);
    for (let uid = 0; uid < 1000; uid++) {
      let at = 0;
      for (let grants = 1; at < from + seconds * SECOND; grants++) {
        const issuedAt = NOW + Math.floor(at / SECOND) * SECOND;
        const token = held(undefined, { issuedAt, expiresAt: issuedAt + life, grants });
        at = (renewal(token, { marginMs: MARGIN }, `${uid}`).at ?? 0) - NOW;
        const second = Math.floor((at - from) / SECOND);
        if (second >= 0 && second < seconds) each[second] = (each[second] ?? 0) + 1;
      }
    }
    const mean = each.reduce((sum, count) => sum + count) / seconds;
    expect(mean).toBeGreaterThan(24);
    expect(Math.max(...each) / mean).toBeLessThan(2.1);
  });

  test.each([
    [2 * MINUTE, false],
    [119 * SECOND, false],
    [118 * SECOND, true],
    [MINUTE, true],
  ])('of a life of %i ms is below what a mounted Secret needs: %s', (lifetime, expected) => {
    expect(renewal(held(lifetime), { marginMs: MARGIN }, 'uid').belowPropagation).toBe(expected);
  });

  test('waits until asking again can bring something', () => {
    const renewNotBefore = NOW + 50 * MINUTE;
    const { at } = renewal(held(HOUR, { renewNotBefore }), { marginMs: MARGIN }, 'uid');
    expect(at).toBe(renewNotBefore);
  });
});

describe('for any token, schedule and margin', () => {
  const lifetimes = fc.option(fc.integer({ min: 5 * SECOND, max: 3650 * DAY }), { nil: undefined });
  const policies: fc.Arbitrary<RenewalPolicy> = fc
    .record({
      marginMs: fc.integer({ min: 0, max: HOUR }),
      before: fc.option(
        fc.oneof(
          fc.integer({ min: 0, max: 4000 * DAY }).map(ms => ({ ms })),
          fc.integer({ min: 1, max: 100 }).map(percent => ({ share: percent / 100 })),
        ),
        { nil: undefined },
      ),
      maxAgeMs: fc.option(fc.integer({ min: MINUTE, max: 4000 * DAY }), { nil: undefined }),
    })
    .map(({ before, maxAgeMs, ...rest }) => ({
      ...rest,
      ...(before === undefined ? {} : { before }),
      ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    }));

  test('grants are 5 s apart, a renewal is before expiry, and every reconcile finds the same time', () => {
    fc.assert(
      fc.property(
        lifetimes,
        policies,
        fc.integer({ min: 1, max: 3 }),
        fc.uuid(),
        (lifetime, policy, grants, uid) => {
          const token = held(lifetime, { grants });
          const found = renewal(token, policy, uid);
          expect(renewal({ ...token }, { ...policy }, uid)).toEqual(found);
          if (found.at === undefined) {
            expect([lifetime, policy.maxAgeMs]).toEqual([undefined, undefined]);
            return;
          }
          expect(found.at - NOW).toBeGreaterThanOrEqual(GRANT_SPACING_MS);
          expect(Number.isInteger(found.at)).toBe(true);
          if (lifetime !== undefined)
            expect(found.at).toBeLessThanOrEqual(NOW + Math.max(lifetime, GRANT_SPACING_MS));
          if (policy.maxAgeMs !== undefined) expect(found.at).toBeLessThanOrEqual(NOW + policy.maxAgeMs);
        },
      ),
    );
  });

  test('no schedule renews before half of a fifth of the life is over: nothing becomes a login loop', () => {
    fc.assert(
      fc.property(lifetimes, policies, fc.uuid(), (lifetime, { maxAgeMs: _none, ...policy }, uid) => {
        fc.pre(lifetime !== undefined);
        for (const grants of [1, 4]) {
          const { at = 0 } = renewal(held(lifetime, { grants }), policy, uid);
          expect(at - NOW).toBeGreaterThanOrEqual(
            Math.floor(((lifetime ?? 0) / 5) * (grants === 1 ? 0.5 : 0.9)),
          );
        }
      }),
    );
  });

  test('with its own schedule left out, the old token outlives the margin wherever that can be', () => {
    fc.assert(
      fc.property(fc.integer({ min: 5 * SECOND, max: 3650 * DAY }), fc.uuid(), (lifetime, uid) => {
        const { at = 0, belowPropagation } = renewal(held(lifetime), { marginMs: MARGIN }, uid);
        if (!belowPropagation && lifetime - MARGIN >= GRANT_SPACING_MS) {
          expect(NOW + lifetime - at).toBeGreaterThanOrEqual(MARGIN - 1);
        }
      }),
    );
  });
});

describe('a grant with no later expiry', () => {
  const expiry = NOW + HOUR;
  test.each([
    ['a later one is progress', held(HOUR), expiry + 10 * MINUTE, undefined],
    ['the first one is progress', undefined, expiry, undefined],
    ['one without expiry is progress', held(HOUR), undefined, undefined],
    ['after one without expiry it is progress', held(undefined), expiry, undefined],
    ['the same: at half of what remains', held(HOUR), expiry, NOW + 30 * MINUTE],
    ['a wobble of the clock is no progress', held(HOUR), expiry + 3 * SECOND, NOW + 30 * MINUTE + 1500],
    ['an earlier one: at half of what remains', held(2 * HOUR), expiry, NOW + 30 * MINUTE],
    ['near the end: a minute away at least', held(100 * SECOND), NOW + 100 * SECOND, NOW + MINUTE],
    ['nearer: just after expiry', held(60 * SECOND), NOW + 60 * SECOND, NOW + 61 * SECOND],
    [
      'where that is too close to the end to bring anything: just after expiry',
      held(69 * SECOND),
      NOW + 69 * SECOND,
      NOW + 70 * SECOND,
    ],
    ['at the end: just after expiry', held(10 * SECOND), NOW + 10 * SECOND, NOW + 11 * SECOND],
  ])('%s', (_what, before, expiresAt, expected) => {
    expect(noLaterExpiry(before, expiresAt, NOW)).toBe(expected);
  });

  test('asked at each of these times, a cache is asked seldom and never twice in a minute', () => {
    let token = held(DAY);
    let now = NOW;
    const asked: number[] = [];
    for (;;) {
      const again = noLaterExpiry(token, token.expiresAt, now);
      if (again === undefined || again > NOW + DAY) break;
      expect(again - now).toBeGreaterThanOrEqual(MINUTE);
      asked.push(again);
      now = again;
      token = { ...token, issuedAt: now };
    }
    expect(asked.length).toBeLessThan(15);
  });
});

test.each([
  [undefined, {}],
  [{ before: '30%' }, { before: { share: 0.3 } }],
  [{ before: '10m' }, { before: { ms: 10 * MINUTE } }],
  [{ before: '0%' }, {}],
  [{ before: 'soon' }, {}],
  [{ maxAge: '12h' }, { maxAgeMs: 12 * HOUR }],
  [{ maxAge: '5s' }, { maxAgeMs: MINUTE }],
  [{ maxAge: 'x' }, {}],
])('spec.schedule %j is read as %j', (schedule, expected) => {
  expect(renewalPolicy(schedule, MARGIN)).toEqual({ marginMs: MARGIN, ...expected });
});
