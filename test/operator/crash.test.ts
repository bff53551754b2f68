import { describe, expect, test } from 'vitest';
import type { Call } from '../../sandbox/apiserver/faults.ts';
import { NO_ANSWER, refused, type Trouble, trouble, writesSecret, writesStatus } from './trouble.ts';

const writesTarget = writesSecret('a-token');
const writesSession = writesSecret('a.session');

/** The status write that comes after the token was published. */
function afterwards(t: Trouble): (call: Call) => boolean {
  return call => writesStatus(call) && t.token('a') === t.tokens.at(-1);
}

async function first(flow: string, options: Parameters<typeof trouble>[0] = {}): Promise<Trouble> {
  const t = await trouble(options);
  t.apply('a', {}, { flow });
  return t;
}

function expectWorks(t: Trouble): void {
  expect([t.says('a', 'Ready'), t.says('a', 'Refreshed'), t.says('a', 'Stalled')]).toEqual([
    'True TokenLive',
    'True TokenPublished',
    'absent',
  ]);
  expect([t.tries('a'), t.status('a').failures]).toEqual([0, undefined]);
  expect(t.token('a')).toBe(t.tokens.at(-1));
}

test('crashing at each refusal of a password that was changed at the provider, it is refused no more than 6 times in a day', async () => {
  const t = await first('password');
  await t.until(() => t.says('a', 'Ready') === 'True TokenLive');
  t.answer = () => {
    queueMicrotask(() => t.run.crash());
    return refused();
  };
  await t.until(() => t.logins === 2, 3600);
  for (let round = 0; round < 30; round += 1) {
    await t.restart(5);
    await t.pass(round < 15 ? 20 : 5400);
  }
  expect(t.logins - 1).toBeLessThanOrEqual(6);
});

describe.each(['password', 'session'])('a crash during the first login (flow %s)', flow => {
  test('before the count: nothing was sent, and one login follows at once', async () => {
    const t = await trouble();
    t.crashAt('before', writesStatus);
    t.apply('a', {}, { flow });
    await t.pass(1);
    expect(t.logins).toBe(0);
    await t.start();
    await t.pass(1);
    expect(t.logins).toBe(1);
    expectWorks(t);
  });

  test('after the count: nothing was sent, and the next login waits as though it were', async () => {
    const t = await trouble();
    t.crashAt('after', writesStatus);
    t.apply('a', {}, { flow });
    await t.pass(1);
    expect([t.logins, t.tries('a')]).toEqual([0, 1]);
    await t.start();
    await t.pass(50);
    expect(t.logins).toBe(0);
    await t.pass(20);
    expect(t.logins).toBe(1);
    expectWorks(t);
  });

  test('after it was sent: one login is lost, and stays counted', async () => {
    const t = await trouble();
    t.answer = asked => {
      queueMicrotask(() => t.run.crash());
      return t.judge(asked);
    };
    t.apply('a', {}, { flow });
    await t.pass(1);
    expect([t.logins, t.tries('a'), t.token('a')]).toEqual([1, 1, '']);
    t.answer = asked => t.judge(asked);
    await t.start();
    await t.pass(70);
    expect(t.logins).toBe(2);
    expectWorks(t);
  });

  test('three times after it was sent: the account is not asked a fourth time', async () => {
    const t = await trouble();
    t.answer = asked => {
      queueMicrotask(() => t.run.crash());
      return t.judge(asked);
    };
    t.apply('a', {}, { flow });
    for (let crash = 0; crash < 6; crash += 1) {
      await t.pass(700);
      await t.restart();
    }
    expect([t.logins, t.says('a', 'Stalled')]).toEqual([3, 'True RejectionLimit']);
  });

  test('after the target: only status is missing, and it is mended without a login', async () => {
    const t = await trouble({ login: { maxRejections: 1 } });
    t.crashAt('after', writesTarget);
    t.apply('a', {}, { flow });
    await t.pass(1);
    expect([t.token('a'), t.tries('a')]).toEqual(['token-1', 1]);
    await t.start();
    await t.pass(5);
    expect(t.logins).toBe(1);
    expectWorks(t);
    expect(t.status('a').login?.refusedAt).toBeUndefined();
    // with one rejection allowed, a count that is left would stall the renewal
    await t.until(() => t.tokens.length === 2, 3600);
    await t.pass(1);
    expectWorks(t);
  });

  test('before and after the last status write: nothing is sent again', async () => {
    for (const when of ['before', 'after'] as const) {
      const t = await trouble();
      t.crashAt(when, afterwards(t));
      t.apply('a', {}, { flow });
      await t.pass(1);
      await t.start();
      await t.pass(5);
      expect(t.logins).toBe(1);
      expectWorks(t);
      t.run.crash();
    }
  });
});

describe('a crash around the session', () => {
  test('before its answer is saved: one login is lost', async () => {
    const t = await first('session');
    await t.until(() => t.logins === 1);
    await t.pass(10);
    t.crashAt('before', writesSession);
    t.annotate('a', 'now');
    await t.pass(1);
    expect(t.logins).toBe(2);
    await t.start();
    await t.pass(5);
    // the old token lives: nothing is urgent
    expect([t.logins, t.token('a'), t.says('a', 'Ready')]).toEqual([2, 'token-1', 'True TokenLive']);
  });

  test.each([
    ['after its answer is saved', 'after', writesSession],
    ['before the target is written', 'before', writesTarget],
  ] as const)('%s: the first token is published from it, without a request', async (_what, when, match) => {
    const t = await trouble();
    // the first write of a session is an empty one: that it exists is made sure of before anything is sent
    t.crashAt(when, call => match(call) && t.logins === 1);
    t.apply('a', {}, { flow: 'session' });
    await t.pass(1);
    expect([t.logins, t.token('a')]).toEqual([1, '']);
    await t.start();
    await t.pass(2);
    expect([t.logins, t.refreshes]).toEqual([1, 0]);
    expectWorks(t);
  });

  test.each([
    ['after its answer is saved', 'after', writesSession],
    ['before the target is written', 'before', writesTarget],
  ] as const)(
    '%s: a rotated refresh token is not lost, and its token is published without a request',
    async (_what, when, match) => {
      const t = await first('session', { rotate: true });
      await t.until(() => t.token('a') === 'token-1');
      t.crashAt(when, call => match(call) && t.refreshes === 1);
      await t.until(() => t.refreshes === 1, 3600);
      await t.pass(1);
      expect(t.token('a')).toBe('token-1');
      await t.start();
      await t.pass(2);
      expect([t.logins, t.refreshes]).toEqual([1, 1]);
      expectWorks(t);
      await t.until(() => t.refreshes === 2, 3600);
      expect(t.asked.at(-1)?.refreshToken).toBe('refresh-2');
      expect(t.logins).toBe(1);
    },
  );

  test('after a login that a person asked for was saved: its token is published although the old one lives', async () => {
    const t = await first('session');
    await t.until(() => t.token('a') === 'token-1');
    await t.pass(10);
    t.crashAt('after', call => writesSession(call) && t.logins === 2);
    t.annotate('a', 'now');
    await t.pass(1);
    await t.start();
    await t.pass(2);
    expect(t.logins).toBe(2);
    expectWorks(t);
  });

  test('after a refresh was sent, where the provider rotates: the dead refresh token costs one login, and no rejection', async () => {
    const t = await first('session', { rotate: true });
    await t.until(() => t.token('a') === 'token-1');
    t.answer = asked => {
      t.judge(asked);
      queueMicrotask(() => t.run.crash());
      return NO_ANSWER;
    };
    await t.until(() => t.refreshes === 1, 3600);
    await t.pass(1);
    t.answer = asked => (asked.refreshToken === 'refresh-1' ? { status: 401 } : t.judge(asked));
    await t.start();
    await t.pass(5);
    expect([t.logins, t.refreshes]).toEqual([2, 2]);
    expectWorks(t);
    expect(t.status('a').login?.refusedAt).toBeUndefined();
  });
});

describe('a crash during a renewal by login', () => {
  test('after it was sent: it is sent once more, and nothing is counted', async () => {
    const t = await first('password');
    await t.until(() => t.token('a') === 'token-1');
    t.answer = asked => {
      t.judge(asked);
      queueMicrotask(() => t.run.crash());
      return NO_ANSWER;
    };
    await t.until(() => t.logins === 2, 3600);
    await t.pass(1);
    t.answer = asked => t.judge(asked);
    await t.start();
    await t.pass(5);
    expect(t.logins).toBe(3);
    expectWorks(t);
  });

  test('after the target was written: nothing is sent again', async () => {
    const t = await first('password');
    await t.until(() => t.token('a') === 'token-1');
    t.crashAt('after', writesTarget);
    await t.until(() => t.logins === 2, 3600);
    await t.pass(1);
    await t.start();
    await t.pass(5);
    expect(t.logins).toBe(2);
    expectWorks(t);
  });
});

test('a crash at any call of the first minutes never costs more than one login, nor a token', async () => {
  for (let at = 1; at <= 16; at += 1) {
    const t = await trouble({ rotate: true, expiresIn: 900 });
    let calls = 0;
    t.crashAt(at % 2 === 0 ? 'before' : 'after', ({ verb }) => {
      if (verb !== 'watch') calls += 1;
      return calls === at;
    });
    t.apply('a', {}, { flow: 'session' });
    await t.pass(100);
    await t.start();
    await t.pass(500);
    expect(t.logins, `call ${at}`).toBeLessThanOrEqual(2);
    expect(t.condition('a', 'Ready')?.status, `call ${at}`).toBe('True');
    expect(t.tries('a')).toBe(0);
    t.run.crash();
  }
});
