import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, grantSpacing, type Observation, readiness, type Verdict } from '../../src/decide/decide.ts';
import type { Held } from '../../src/held.ts';

const NOW = Date.UTC(2026, 0, 3, 12);
const HOUR = 3_600_000;

const HELD: Held = {
  account: 'v1:k:a',
  inputs: 'v1:k:i',
  source: 'login:username,password',
  issuedAt: NOW - HOUR,
  expiresAt: NOW + HOUR,
  grant: 'Login',
  grants: 1,
  sessionSequence: 0,
};
const NEWER: Held = { ...HELD, issuedAt: NOW };
const EXPIRED: Held = { ...HELD, expiresAt: NOW };

/** A credential at rest. */
const AT_REST: Observation = {
  now: NOW,
  held: HELD,
  renewal: { at: NOW + HOUR / 2, belowPropagation: false },
  account: 'same',
  inputs: 'same',
  data: 'intact',
  shape: 'same',
  atHand: HELD,
  copyable: false,
  refreshable: false,
  refreshRequested: false,
};
const NOTHING: Partial<Observation> = {
  held: undefined,
  renewal: undefined,
  account: 'unknown',
  inputs: 'unknown',
  data: 'absent',
  shape: 'other',
  atHand: undefined,
};
const DUE: Partial<Observation> = { renewal: { at: NOW, belowPropagation: false } };
const DEAD: Partial<Observation> = { held: EXPIRED, ...DUE, atHand: undefined };

describe('what a credential wants', () => {
  const rows: [string, Partial<Observation>, string][] = [
    ['nothing, at rest', {}, 'keep'],
    ['a login, when it never had a token', NOTHING, 'login TokenMissing'],
    [
      'its answer published, after a crash before that',
      { ...NOTHING, atHand: NEWER },
      'publish SecretMissing',
    ],
    [
      'its newer answer published before all else',
      { ...DUE, inputs: 'other', atHand: NEWER },
      'publish TokenNewerAtHand',
    ],
    ['a login, for another account', { account: 'other', atHand: undefined }, 'login AccountChanged'],
    ['a login, for changed values', { inputs: 'other', atHand: undefined }, 'login InputsChanged'],
    [
      'no login, when the digest key is gone and a token lives',
      { account: 'unknown', inputs: 'unknown' },
      'keep',
    ],
    ['a login, when a person asks', { refreshRequested: true }, 'login RefreshRequested'],
    [
      'a login and no refresh, when a person asks',
      { refreshRequested: true, refreshable: true },
      'login RefreshRequested',
    ],
    ['a renewal when it is due', DUE, 'login RenewalDue'],
    ['a refresh when it is due, with a refresh token', { ...DUE, refreshable: true }, 'refresh RenewalDue'],
    ['a login after expiry', DEAD, 'login TokenExpired'],
    ['a refresh after expiry, with a refresh token', { ...DEAD, refreshable: true }, 'refresh TokenExpired'],
    [
      'a login for another account, never a refresh',
      { ...DUE, account: 'other', refreshable: true },
      'login AccountChanged',
    ],
    ['a deleted Secret written again from memory', { data: 'absent' }, 'publish SecretMissing'],
    [
      'a login for a deleted Secret, when the token is not at hand',
      { data: 'absent', atHand: undefined },
      'login SecretMissing',
    ],
    ['an edited Secret written again', { data: 'edited' }, 'publish SecretEdited'],
    [
      'a login for an edited Secret, when the token is not at hand',
      { data: 'edited', atHand: undefined },
      'login SecretEdited',
    ],
    ['other labels written', { shape: 'other' }, 'publish ShapeChanged'],
    [
      'other labels around the data as they are',
      { shape: 'other', atHand: undefined, copyable: true },
      'copy ShapeChanged',
    ],
    [
      'the data moved to another name',
      { data: 'absent', atHand: undefined, copyable: true },
      'copy SecretMissing',
    ],
    ['no copy of edited data', { data: 'edited', atHand: undefined, copyable: true }, 'login SecretEdited'],
    ['one renewal for an edited Secret whose token is due', { ...DUE, data: 'edited' }, 'login RenewalDue'],
    ['nothing for a token that never expires', { renewal: { belowPropagation: false } }, 'keep'],
  ];
  test.each(rows)('%s', (_what, change, expected) => {
    const want = decide({ ...AT_REST, ...change });
    expect('why' in want ? `${want.do} ${want.why}` : want.do).toBe(expected);
  });

  const observations: fc.Arbitrary<Observation> = fc
    .record({
      held: fc.constantFrom(undefined, HELD, EXPIRED),
      renewal: fc.constantFrom(
        undefined,
        { belowPropagation: false },
        { at: NOW, belowPropagation: false },
        { at: NOW + 1, belowPropagation: true },
      ),
      account: fc.constantFrom('same' as const, 'other' as const, 'unknown' as const),
      inputs: fc.constantFrom('same' as const, 'other' as const, 'unknown' as const),
      data: fc.constantFrom('absent' as const, 'intact' as const, 'edited' as const),
      shape: fc.constantFrom('same' as const, 'other' as const),
      atHand: fc.constantFrom(undefined, HELD, NEWER),
      copyable: fc.boolean(),
      refreshable: fc.boolean(),
      refreshRequested: fc.boolean(),
    })
    .map(change => ({ now: NOW, ...change }));

  test('is never a refresh for another account or other inputs, nor one without a refresh token', () => {
    fc.assert(
      fc.property(observations, observation => {
        if (decide(observation).do !== 'refresh') return;
        expect(observation.refreshable).toBe(true);
        expect([observation.account, observation.inputs]).not.toContain('other');
      }),
    );
  });

  test('is published only from what is at hand', () => {
    fc.assert(
      fc.property(observations, observation => {
        const want = decide(observation);
        if (want.do === 'publish') expect(observation.atHand).toBeDefined();
        if (want.do === 'copy') expect(observation.copyable).toBe(true);
      }),
    );
  });
});

test('two grants are at least 5 s apart', () => {
  expect(grantSpacing(HELD)).toBe(HELD.issuedAt + 5000);
  expect(grantSpacing(undefined)).toBe(Number.NEGATIVE_INFINITY);
});

describe('Ready', () => {
  const WHY: Verdict = { status: 'False', reason: 'Rejected', message: 'wrong password' };
  type Row = [
    string,
    Partial<Observation>,
    { sourceSame?: boolean; suspended?: boolean; why?: Verdict },
    string,
  ];
  const rows: Row[] = [
    ['a live token', {}, {}, 'True TokenLive'],
    ['a live token, whatever the last attempt did', {}, { why: WHY }, 'True TokenLive'],
    ['no token yet', NOTHING, {}, 'False TokenMissing'],
    ['no token yet, and why', NOTHING, { why: WHY }, 'False Rejected'],
    ['the Secret is gone', { data: 'absent' }, {}, 'False TokenMissing'],
    ['the Secret was edited', { data: 'edited' }, {}, 'False TokenMissing'],
    ['expired', DEAD, {}, 'False TokenExpired'],
    ['expired, and why', DEAD, { why: WHY }, 'False Rejected'],
    ['another account', { account: 'other' }, {}, 'False InputsChanged'],
    ['another account, and why', { account: 'other' }, { why: WHY }, 'False InputsChanged'],
    ['another source', { inputs: 'other' }, { sourceSame: false }, 'False InputsChanged'],
    ['other values in the same source', { inputs: 'other' }, { sourceSame: true }, 'True TokenLive'],
    ['the digest key is gone', { account: 'unknown', inputs: 'unknown' }, {}, 'True TokenLive'],
    ['suspended, with a live token', {}, { suspended: true }, 'True Suspended'],
    ['no later expiry', { held: { ...HELD, renewNotBefore: NOW + 1 } }, {}, 'True NoLaterExpiry'],
    [
      'too short for a mounted Secret',
      { renewal: { at: NOW, belowPropagation: true } },
      {},
      'True LifetimeBelowPropagation',
    ],
  ];
  test.each(rows)('%s', (_what, change, { sourceSame = true, suspended = false, why }, expected) => {
    const verdict = readiness({ ...AT_REST, ...change }, sourceSame, suspended, why);
    expect(`${verdict.status} ${verdict.reason}`).toBe(expected);
    if (why !== undefined && verdict.status === 'False') expect(verdict.message).toContain(why.message);
  });

  test('says until when, and where there is no telling', () => {
    const until = (held: Held): string => readiness({ ...AT_REST, held }, true, false, undefined).message;
    expect(until(HELD)).toBe('The Secret holds a live token.');
    const { expiresAt: _none, ...forEver } = HELD;
    expect(until(forEver)).toContain('no stated expiry');
  });
});
