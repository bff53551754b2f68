import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../sandbox/apiserver/json.ts';
import { mergePatch } from '../../sandbox/apiserver/patch.ts';
import { CredentialStatus } from '../../src/api/credential.ts';
import type { Verdict } from '../../src/decide/decide.ts';
import { type LoginRecord, NO_LOGIN_YET } from '../../src/decide/login-limit.ts';
import {
  type Conclusion,
  conclude,
  conditionOf,
  failuresOf,
  loginRecord,
  sameStatus,
  statusPatch,
} from '../../src/decide/status.ts';
import type { Held } from '../../src/held.ts';

const NOW = Date.UTC(2026, 0, 3, 12);
const READY: Verdict = { status: 'True', reason: 'TokenLive', message: 'It lives.' };
const NOT_READY: Verdict = { status: 'False', reason: 'TokenExpired', message: 'It expired.' };
const FAILED: Verdict = { status: 'False', reason: 'Unreachable', message: 'No way there.' };
const HELD: Held = {
  account: 'v1:k:a',
  inputs: 'v1:k:i',
  source: 's:',
  issuedAt: NOW,
  expiresAt: NOW + 3_600_500,
  grant: 'Refresh',
  grants: 3,
  sessionSequence: 2,
};
const BARE: Conclusion = {
  generation: 1,
  now: NOW,
  ready: NOT_READY,
  login: NO_LOGIN_YET,
  failures: undefined,
};

describe('a status', () => {
  test('of a live token tells when it ends, when it is renewed, how it came and where it is', () => {
    const status = conclude(undefined, {
      ...BARE,
      ready: READY,
      held: HELD,
      secretName: 's',
      renewAt: NOW + 1_800_900,
    });
    expect(status.token).toEqual({
      issuedAt: '2026-01-03T12:00:00Z',
      expiresAt: '2026-01-03T13:00:00Z',
      renewAt: '2026-01-03T12:30:00Z',
      grant: 'Refresh',
      secretName: 's',
    });
  });

  test('leaves out what is not known', () => {
    const { expiresAt: _none, ...held } = HELD;
    const status = conclude(undefined, { ...BARE, held, secretName: 's' });
    expect(Object.keys(status.token ?? {})).toEqual(['issuedAt', 'grant', 'secretName']);
    expect(Object.keys(conclude(undefined, BARE))).toEqual(['observedGeneration', 'conditions']);
  });

  test('changes the time of a transition with its status alone', () => {
    const first = conclude(undefined, { ...BARE, ready: READY });
    const same = conclude(first, {
      ...BARE,
      now: NOW + 60_000,
      generation: 2,
      ready: { ...READY, reason: 'NoLaterExpiry' },
    });
    const other = conclude(same, { ...BARE, now: NOW + 120_000, generation: 3 });
    const times = [first, same, other].map(status => conditionOf(status, 'Ready')?.lastTransitionTime);
    expect(times).toEqual(['2026-01-03T12:00:00Z', '2026-01-03T12:00:00Z', '2026-01-03T12:02:00Z']);
    expect(conditionOf(other, 'Ready')?.observedGeneration).toBe(3);
  });

  test('keeps what the last attempt was until there is another', () => {
    const first = conclude(undefined, { ...BARE, refreshed: FAILED });
    const later = conclude(first, { ...BARE, ready: READY });
    expect(conditionOf(later, 'Refreshed')).toMatchObject({ status: 'False', reason: 'Unreachable' });
  });

  test('has Stalled only where only a person can help', () => {
    const stalled: Verdict = {
      status: 'True',
      reason: 'RejectionLimit',
      message: 'Correct the source Secret.',
    };
    const first = conclude(undefined, { ...BARE, stalled });
    expect(conditionOf(first, 'Stalled')).toMatchObject({ status: 'True', reason: 'RejectionLimit' });
    expect(conditionOf(conclude(first, BARE), 'Stalled')).toBeUndefined();
  });
});

const seconds = fc.integer({ min: 0, max: 4_000_000_000 }).map(s => s * 1000);
const text = fc.string({ maxLength: 8 });
const verdicts: fc.Arbitrary<Verdict> = fc.record({
  status: fc.constantFrom('True' as const, 'False' as const),
  reason: fc.constantFrom('TokenLive' as const, 'Rejected' as const),
  message: text,
});
const optional = <T>(inner: fc.Arbitrary<T>) => fc.option(inner, { nil: undefined });
const logins = fc
  .record({
    inputs: optional(text),
    definition: optional(text),
    refused: fc.array(text, { maxLength: 4 }),
    refusedAt: fc.array(seconds, { maxLength: 6 }),
    tries: fc.nat(9),
    unanswered: fc.nat(5),
    lastTriedAt: optional(seconds),
    provenAt: optional(seconds),
  })
  .map(record => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)))
  .map(record => record as unknown as LoginRecord);
const conclusions: fc.Arbitrary<Conclusion> = fc.record({
  generation: fc.nat(5),
  now: seconds,
  ready: verdicts,
  refreshed: optional(verdicts),
  stalled: optional(verdicts),
  held: optional(fc.constantFrom(HELD, { ...HELD, grant: 'Login' as const })),
  secretName: optional(text),
  renewAt: optional(seconds),
  login: fc.oneof(fc.constant(NO_LOGIN_YET), logins),
  failures: optional(
    fc.record({ consecutive: fc.integer({ min: 1, max: 9 }), lastAt: seconds, retryAt: optional(seconds) }),
  ),
  handledRefresh: optional(text),
  handledProviderRefresh: optional(text),
});

describe('for any two statuses', () => {
  test('the patch from one to the other makes the other of it, and is empty where nothing differs', () => {
    fc.assert(
      fc.property(optional(conclusions), conclusions, (before, after) => {
        const from = before === undefined ? undefined : conclude(undefined, before);
        const to = conclude(from, after);
        const patch = statusPatch(from, to);
        expect(mergePatch(json(from ?? {}), json(patch))).toEqual(json(to));
        expect(Object.keys(patch).length === 0).toBe(sameStatus(from, to));
        expect(statusPatch(to, to)).toEqual({});
      }),
    );
  });

  test('what was counted is read back as it was written', () => {
    fc.assert(
      fc.property(conclusions, conclusion => {
        const status = conclude(undefined, conclusion);
        const read = CredentialStatus.parse(json(status));
        expect(loginRecord(read)).toEqual(conclusion.login);
        expect(failuresOf(read)).toEqual(
          conclusion.failures === undefined ? undefined : { retryAt: undefined, ...conclusion.failures },
        );
      }),
    );
  });
});

test.each([
  [undefined, {}, true],
  [{ conditions: [] }, {}, false],
  [{ observedGeneration: 1 }, { observedGeneration: 2 }, false],
])('%j and %j are the same: %s', (a, b, same) => {
  expect(sameStatus(a, b)).toBe(same);
});

/** As it goes over the wire. */
function json(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
