import { describe, expect, test } from 'vitest';
import { answer, LOST, NO_ANSWER, type Trouble, trouble, UNREACHED } from './trouble.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** Waits between the tries, in seconds. */
function waits(t: Trouble): number[] {
  const times = t.asked.map(({ at }) => at);
  return times.slice(1).map((at, index) => at - (times[index] ?? 0));
}

/** Each wait is the exponential step of its place, more or less by a quarter, and never more than the most. The API server's time is known to the second. */
function expectSteps(actual: readonly number[], first: number, most: number, extra = 0): void {
  for (const [index, wait] of actual.entries()) {
    const step = Math.min(most, first * 2 ** index);
    expect(wait, `wait ${index}`).toBeGreaterThanOrEqual(Math.min(step * 0.74, most));
    expect(wait, `wait ${index}`).toBeLessThanOrEqual(Math.min(step * 1.26, most) + extra + 1);
  }
}

async function works(t: Trouble, name = 'a'): Promise<void> {
  await t.until(() => t.condition(name, 'Ready')?.status === 'True');
}

describe('a provider that cannot be reached', () => {
  test('is tried again after 1 s, doubling to 5 minutes, for as long as it takes', async () => {
    const t = await trouble({}, made => {
      made.answer = () => UNREACHED;
      made.apply('a');
    });
    await t.pass(2 * HOUR);
    expectSteps(waits(t), 1, 300);
    expect(t.logins).toBeGreaterThan(25);
    expect([t.says('a', 'Ready'), t.says('a', 'Stalled')]).toEqual(['False Unreachable', 'absent']);
    // nothing was sent, so nothing is counted
    expect(t.status('a').login).toMatchObject({ tries: 0 });
    expect(t.status('a').login?.refusedAt).toBeUndefined();
    t.answer = asked => t.judge(asked);
    await t.pass(301);
    expect([t.says('a', 'Ready'), t.says('a', 'Refreshed')]).toEqual([
      'True TokenLive',
      'True TokenPublished',
    ]);
  });

  test('leaves the old token in the Secret past its expiry, and Ready tells when it expired', async () => {
    const t = await trouble({ expiresIn: 600 }, made => made.apply('a'));
    await works(t);
    t.answer = () => UNREACHED;
    await t.until(() => t.says('a', 'Refreshed') === 'False Unreachable', 600);
    expect(t.says('a', 'Ready')).toBe('True TokenLive');
    await t.pass(600 - t.now + 2);
    expect(t.condition('a', 'Ready')).toMatchObject({
      status: 'False',
      reason: 'Unreachable',
      lastTransitionTime: '2026-01-03T12:10:00Z',
    });
    expect([t.token('a'), t.says('a', 'Stalled')]).toEqual(['token-1', 'absent']);
  });

  test('is tried at once when a person asks by annotation, and a restart does not forget the wait', async () => {
    const t = await trouble({}, made => {
      made.answer = () => UNREACHED;
      made.apply('a');
    });
    await t.pass(1000);
    const before = t.logins;
    const retryAt = t.status('a').failures?.retryAt;
    await t.restart();
    await t.pass(2);
    expect([t.logins, t.status('a').failures?.retryAt]).toEqual([before, retryAt]);
    t.annotate('a', 'now');
    await t.pass(1);
    expect(t.logins).toBe(before + 1);
  });
});

describe('a login whose outcome is unknown', () => {
  test.each([
    ['a time-out', () => NO_ANSWER, 10],
    ['a reset', () => LOST, 0],
    ['a 408', () => answer(408), 0],
    ['a 425', () => answer(425), 0],
    ['a 500', () => answer(500), 0],
    ['a 503', () => answer(503), 0],
  ])(
    '(%s), with inputs that never worked: 5 times at 30 s, doubling, then Stalled',
    async (_what, fault, takes) => {
      const t = await trouble({}, made => {
        made.answer = fault;
        made.apply('a');
      });
      await t.until(() => t.logins === 1);
      await t.pass(HOUR);
      expectSteps(waits(t), 30, 1800, takes);
      expect(t.logins).toBe(5);
      expect([t.says('a', 'Ready'), t.says('a', 'Stalled')]).toEqual([
        'False OutcomeUnknown',
        'True OutcomeUnknown',
      ]);
      // no refusal
      expect(t.status('a').login).toMatchObject({ tries: 0, unanswered: 5 });
    },
  );

  test('is not new when it flaps between two values that never worked', async () => {
    const t = await trouble({}, made => {
      made.answer = () => answer(504);
      made.apply('a', { password: 'x' });
    });
    for (let turn = 0; turn < 40; turn += 1) {
      await t.pass(60);
      t.login('a', { password: turn % 2 === 0 ? 'y' : 'x' });
    }
    await t.pass(HOUR);
    // two of the first value before the second came, five since
    expect(t.logins).toBeLessThanOrEqual(7);
    expect(t.says('a', 'Stalled')).toBe('True OutcomeUnknown');
  });

  test('counts on over restarts, and a corrected Secret has a new count', async () => {
    const t = await trouble({}, made => {
      made.answer = () => answer(502);
      made.apply('a');
    });
    for (let restart = 0; restart < 10; restart += 1) await t.restart(600);
    expect(t.logins).toBe(5);
    t.login('a', { password: 'another' });
    await t.pass(1);
    expect([t.logins, t.says('a', 'Stalled')]).toEqual([6, 'absent']);
  });

  test('with inputs that once worked: 30 s to 30 minutes, and no outage ever stalls it', async () => {
    const t = await trouble({ expiresIn: 600 }, made => made.apply('a'));
    await works(t);
    t.answer = () => answer(503);
    await t.pass(DAY / 2);
    expectSteps(waits(t).slice(1), 30, 1800);
    expect(t.logins).toBeGreaterThan(20);
    expect(['Ready', 'Refreshed', 'Stalled'].map(type => t.says('a', type as 'Ready'))).toEqual([
      'False OutcomeUnknown',
      'False OutcomeUnknown',
      'absent',
    ]);
    t.answer = asked => t.judge(asked);
    await t.pass(1801);
    expect(t.says('a', 'Ready')).toBe('True TokenLive');
  });

  test('grows its wait on over a restart', async () => {
    const t = await trouble({ expiresIn: 600 }, made => made.apply('a'));
    await works(t);
    t.answer = () => answer(503);
    await t.until(() => t.logins === 6, HOUR);
    await t.restart();
    await t.until(() => t.logins === 8, 3 * HOUR);
    expectSteps(waits(t).slice(1), 30, 1800);
  });

  test('waits for what Retry-After says of a 503', async () => {
    const t = await trouble({}, made => {
      made.answer = () => answer(503, {}, { 'retry-after': '900' });
      made.apply('a');
    });
    await t.pass(1000);
    expect(t.times()).toEqual([0, 900]);
  });
});

describe('a redirect', () => {
  async function redirected(): Promise<Trouble> {
    const t = await trouble({}, made => {
      made.answer = () => answer(301, {}, { location: 'https://elsewhere.example/login' });
      made.apply('a');
    });
    await t.pass(5);
    return t;
  }

  test('is no login: Stalled until the definition changes, and names no host', async () => {
    const t = await redirected();
    await t.pass(2 * HOUR);
    expect([t.logins, t.says('a', 'Stalled'), t.tries('a')]).toEqual([1, 'True Redirected', 0]);
    expect(JSON.stringify(t.status('a'))).not.toContain('elsewhere');
    t.answer = asked => t.judge(asked);
    t.redefine({}, { request: { path: '/login/' } });
    await t.pass(1);
    expect([t.logins, t.says('a', 'Ready'), t.says('a', 'Stalled')]).toEqual([2, 'True TokenLive', 'absent']);
  });

  test('is not tried again after a restart, a label, another password, or when the source came and went', async () => {
    const t = await redirected();
    await t.restart();
    t.patch('providercredentials', 'a', { metadata: { labels: { x: 'y' } } });
    await t.pass(5);
    t.login('a', { password: 'other' });
    await t.pass(5);
    t.world.api.delete('secrets', 'a-login', 'team');
    await t.pass(5);
    expect(t.says('a', 'Ready')).toBe('False SourceMissing');
    t.login('a', {});
    await t.pass(DAY / 24);
    expect([t.logins, t.says('a', 'Stalled')]).toEqual([1, 'True Redirected']);
  });

  test('gets one try from the annotation', async () => {
    const t = await redirected();
    t.annotate('a', 'now');
    await t.pass(HOUR);
    expect([t.logins, t.says('a', 'Stalled')]).toEqual([2, 'True Redirected']);
  });

  test('does not stall a credential whose token lives, but does when it is dead', async () => {
    const t = await trouble({ expiresIn: 600 }, made => made.apply('a'));
    await works(t);
    t.answer = () => answer(302);
    await t.until(() => t.logins === 2, 600);
    await t.pass(1);
    expect([t.says('a', 'Ready'), t.says('a', 'Stalled')]).toEqual(['True TokenLive', 'absent']);
    await t.pass(600);
    expect([t.logins, t.says('a', 'Ready'), t.says('a', 'Stalled')]).toEqual([
      2,
      'False Redirected',
      'True Redirected',
    ]);
  });
});

describe('an answer that cannot be read', () => {
  test.each([
    ['HTML', { status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>c4n4ry</h1>' }],
    ['no token', answer(200, { other: 'c4n4ry' })],
  ])(
    '(%s): 1 minute, doubling to 1 h; the reason names the field of the definition',
    async (_what, given) => {
      const t = await trouble({}, made => {
        made.answer = () => given;
        made.apply('a');
      });
      await t.pass(DAY / 2);
      expectSteps(waits(t), 60, HOUR);
      expect([t.says('a', 'Ready'), t.says('a', 'Stalled'), t.tries('a')]).toEqual([
        'False Unusable',
        'absent',
        0,
      ]);
      const { message = '' } = t.condition('a', 'Refreshed') ?? {};
      expect(message).toContain('spec.flows[password].login.response.token');
      expect(message).not.toContain('c4n4ry');
    },
  );

  test('is tried at once with a corrected definition', async () => {
    const t = await trouble({ login: { response: { token: 'body.tokn' } } }, made => made.apply('a'));
    await t.pass(HOUR);
    const before = t.logins;
    t.redefine();
    await t.pass(1);
    expect([t.logins, t.says('a', 'Ready')]).toEqual([before + 1, 'True TokenLive']);
  });

  test('whose token has under 5 s to live is one', async () => {
    const t = await trouble({ expiresIn: 4 }, made => made.apply('a'));
    await t.pass(50);
    expect([t.logins, t.says('a', 'Ready')]).toEqual([1, 'False Unusable']);
  });
});
