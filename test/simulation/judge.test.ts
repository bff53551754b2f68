import { beforeEach, describe, expect, test } from 'vitest';
import type { KubeObject } from '../../sandbox/apiserver/json.ts';
import { fixture } from '../../sandbox/fixtures.ts';
import { createProviders } from '../../sandbox/providers/index.ts';
import type { LogEntry } from '../../sandbox/providers/log.ts';
import { seeded } from '../../sandbox/random.ts';
import { Calm } from '../../sandbox/simulation/calm.ts';
import { Judge } from '../../sandbox/simulation/judge.ts';
import { Subject } from '../../sandbox/simulation/subject.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { ANNOTATION } from '../../src/api/names.ts';

/** Each promise is one that can be broken: a judge that never condemns proves nothing. */

const START = Date.UTC(2026, 0, 3);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function court() {
  const clock = new VirtualClock({ startMs: START });
  const now = (): number => clock.wall();
  const providers = createProviders({ clock, random: seeded(1) });
  const calm = (): Calm => new Calm(now, () => {});
  const [api, news, provider, operator] = [calm(), calm(), calm(), calm()];
  const made = fixture('pgf/login', 0, providers);
  const subject = new Subject({ fixture: made }, providers.pgf, now, () => {});
  const judge = new Judge(now, { api, news, provider: () => provider }, operator);
  /** The operator writes a token into the target. */
  const publish = (lifeMs: number): void => {
    const value = providers.pgf.tokens.jwt(made.account, now() + lifeMs);
    subject.asked(entry('granted'), 1, false);
    subject.targetChanged(secret(value, now()), true, now());
  };
  const entry = (outcome: LogEntry['outcome'], step: LogEntry['step'] = 'login'): LogEntry => ({
    at: now(),
    provider: 'pgf',
    flow: 'login',
    step,
    account: made.account,
    outcome,
  });
  const found = (): string[] => judge.violations.map(({ promise, detail }) => `${promise}: ${detail}`);
  return { clock, api, provider, operator, subject, judge, publish, entry, found, now };
}

function secret(token: string, issuedAt: number): KubeObject {
  const annotations = { [ANNOTATION.issuedAt]: new Date(issuedAt).toISOString(), [ANNOTATION.grants]: '2' };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'x', uid: 'u', resourceVersion: '1', creationTimestamp: '', annotations },
    data: { token: Buffer.from(token).toString('base64') },
  };
}

let at: ReturnType<typeof court>;
beforeEach(async () => {
  at = court();
  await at.clock.advance(HOUR);
});

describe('no Secret holds a token past its expiry', () => {
  test('broken when all was well', async () => {
    at.publish(2 * MINUTE);
    await at.clock.advance(2 * MINUTE + 3000);
    at.judge.tokenLives(at.subject);
    expect(at.found()).toEqual([expect.stringContaining('token lives: dead since')]);
  });

  test('excused while the provider is away, and until waits have ended; not for longer', async () => {
    at.publish(2 * MINUTE);
    at.provider.begin();
    await at.clock.advance(3 * HOUR);
    at.judge.tokenLives(at.subject);
    at.provider.end();
    await at.clock.advance(34 * MINUTE);
    at.judge.tokenLives(at.subject);
    expect(at.found()).toEqual([]);
    await at.clock.advance(2 * MINUTE);
    at.judge.tokenLives(at.subject);
    expect(at.found()).toHaveLength(1);
  });

  test('an edited target is to be repaired within minutes', async () => {
    at.publish(10 * HOUR);
    at.subject.targetChanged(secret('edited', at.now()), false, at.now());
    await at.clock.advance(4 * MINUTE);
    at.judge.tokenLives(at.subject);
    expect(at.found()).toEqual([]);
    await at.clock.advance(2 * MINUTE);
    at.judge.tokenLives(at.subject);
    expect(at.found()).toEqual([expect.stringContaining('not repaired')]);
  });

  test('who was refused three times waits for a person', async () => {
    at.publish(2 * MINUTE);
    for (let time = 0; time < 3; time++) at.subject.asked(at.entry('refused'), 1, false);
    await at.clock.advance(HOUR);
    at.judge.tokenLives(at.subject);
    expect(at.found()).toEqual([]);
  });
});

test('Ready beside a dead token, and Stalled beside Ready, are lies', async () => {
  at.publish(MINUTE);
  at.subject.statusChanged({ conditions: [{ type: 'Ready', status: 'True' }] });
  at.judge.statusIsTrue(at.subject, true);
  expect(at.found()).toEqual([]);
  await at.clock.advance(2 * MINUTE);
  at.judge.statusIsTrue(at.subject, true);
  at.subject.statusChanged({
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Stalled', status: 'True' },
    ],
  });
  at.judge.statusIsTrue(at.subject, true);
  expect(at.found()).toEqual([
    expect.stringContaining('its token is dead'),
    'status is true: Stalled beside Ready=True',
  ]);
});

describe('refused logins', () => {
  test('a fourth of inputs that never worked is one too many, but for one that was asked for', () => {
    for (let time = 0; time < 3; time++) at.subject.asked(at.entry('refused'), 1, false);
    at.subject.requested(at.now());
    at.subject.asked(at.entry('refused'), 1, false);
    at.judge.refusalsAreBounded(at.subject);
    expect(at.found()).toEqual([]);
    at.subject.asked(at.entry('refused'), 1, false);
    at.judge.refusalsAreBounded(at.subject);
    expect(at.found()).toHaveLength(1);
  });

  test('a seventh in 24 hours is one too many, whatever changed', () => {
    for (let time = 0; time < 7; time++) {
      at.subject.newInputs('a guess', at.now());
      at.subject.asked(at.entry('refused'), 1, false);
    }
    at.judge.refusalsAreBounded(at.subject);
    expect(at.found()).toEqual(['refusals are bounded: 7 in 24 hours']);
  });
});

describe('nothing is asked for without need', () => {
  test('a login while a live token is held, as after a restart', async () => {
    at.publish(10 * HOUR);
    await at.clock.advance(HOUR);
    at.judge.askedWithNeed(at.subject, at.entry('granted'), 2);
    expect(at.found()).toEqual([expect.stringContaining('renewal begins')]);
  });

  test.each([
    ['renewal is due', 7, () => {}],
    ['someone asked for it', 1, ({ subject, now }: typeof at) => subject.requested(now())],
    ['the inputs changed', 1, ({ subject, now }: typeof at) => subject.newInputs('changed', now())],
  ] as const)('is no breach when %s', async (_why, hours, act) => {
    at.publish(10 * HOUR);
    await at.clock.advance(hours * HOUR);
    act(at);
    at.judge.askedWithNeed(at.subject, at.entry('granted'), 2);
    expect(at.found()).toEqual([]);
  });

  test('an answer that was not lost is not asked for again', async () => {
    at.subject.asked(at.entry('granted'), 1, false);
    await at.clock.advance(MINUTE);
    at.judge.askedWithNeed(at.subject, at.entry('granted'), 1);
    expect(at.found()).toEqual([expect.stringContaining('still holds')]);
  });
});

test('a login where a refresh token was left is a loss, unless something had happened', async () => {
  at.subject.asked(at.entry('granted'), 1, false);
  await at.clock.advance(MINUTE);
  at.judge.refreshTokenKept(at.subject, at.entry('granted'), 24 * HOUR);
  expect(at.found()).toEqual([expect.stringContaining('left a refresh token')]);
  at.subject.asked(at.entry('granted'), 1, false);
  at.provider.blip();
  await at.clock.advance(MINUTE);
  at.api.blip();
  at.judge.refreshTokenKept(at.subject, at.entry('granted'), 24 * HOUR);
  expect(at.found()).toHaveLength(1);
});
