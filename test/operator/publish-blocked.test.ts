import { describe, expect, test } from 'vitest';
import type { Fault } from '../../sandbox/apiserver/faults.ts';
import { NO_ANSWER, rehearses, type Trouble, trouble, writesSecret, writesStatus } from './trouble.ts';

const HOUR = 3600;
const writesTarget = writesSecret('a-token');
/** Of a write that carries a token nothing of the server's words may be shown. */
const FORBIDDEN: Fault = { status: 403, reason: 'Forbidden', message: 'exceeded quota: c4n4ry' };
/** Of a rehearsal, which carries none, they are. */
const QUOTA: Fault = { status: 403, reason: 'Forbidden', message: 'exceeded quota: ten Secrets' };

const stranger = (t: Trouble): void => {
  t.world.api.put({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'a-token', namespace: 'team', labels: { theirs: 'yes' } },
    type: 'Opaque',
    stringData: { theirs: 'x' },
  });
};

async function published(options: Parameters<typeof trouble>[0] = {}): Promise<Trouble> {
  const t = await trouble(options, made => made.apply('a'));
  await t.until(() => t.condition('a', 'Ready')?.status === 'True');
  await t.pass(10);
  return t;
}

describe('a target that could not be written', () => {
  test('(a quota, a policy) is found out by a dry run: nothing is sent', async () => {
    const t = await trouble({}, made => {
      made.inject(rehearses, QUOTA);
      made.apply('a', { password: 'wrong' });
    });
    await t.pass(HOUR);
    expect([t.logins, t.says('a', 'Ready'), t.says('a', 'Stalled'), t.tries('a')]).toEqual([
      0,
      'False PublishBlocked',
      'absent',
      0,
    ]);
    expect(t.condition('a', 'Ready')?.message).toContain(
      'Secret a-token cannot be written (apply secrets: 403 Forbidden: exceeded quota: ten Secrets)',
    );
  });

  test('is tried again by itself, after half a minute at first', async () => {
    const t = await trouble({}, made => {
      made.inject(rehearses, QUOTA, 1);
      made.apply('a');
    });
    await t.pass(25);
    expect(t.logins).toBe(0);
    await t.pass(10);
    expect([t.logins, t.says('a', 'Ready')]).toEqual([1, 'True TokenLive']);
  });

  test('is tried again at once when its spec changes', async () => {
    const t = await trouble({}, made => {
      made.inject(call => rehearses(call) && call.name === 'a-token', QUOTA);
      made.apply('a');
    });
    await t.pass(20 * 60);
    t.patch('providercredentials', 'a', { spec: { target: { name: 'elsewhere' } } });
    await t.pass(2);
    expect([t.logins, t.says('a', 'Ready'), t.secret('elsewhere')?.data.token]).toEqual([
      1,
      'True TokenLive',
      'token-1',
    ]);
  });

  test('since the Secret is a stranger’s: SecretConflict, nothing sent, nothing touched; mended as soon as it goes', async () => {
    const t = await trouble();
    stranger(t);
    const before = t.secret('a-token');
    t.apply('a');
    await t.pass(HOUR);
    expect([t.logins, t.says('a', 'Ready'), t.secret('a-token')]).toEqual([
      0,
      'False SecretConflict',
      before,
    ]);
    t.world.api.delete('secrets', 'a-token', 'team');
    await t.pass(2);
    expect([t.says('a', 'Ready'), t.says('a', 'Refreshed')]).toEqual([
      'True TokenLive',
      'True TokenPublished',
    ]);
  });

  test('since a stranger made it a moment before: nothing is sent', async () => {
    const t = await trouble();
    let once = true;
    t.inject(call => {
      if (rehearses(call) && once) {
        once = false;
        stranger(t);
      }
      return false;
    }, 'reset');
    t.apply('a');
    await t.pass(60);
    expect([t.logins, t.says('a', 'Ready'), t.secret('a-token')?.data]).toEqual([
      0,
      'False SecretConflict',
      { theirs: 'x' },
    ]);
  });

  test('since a stranger made it a moment before our write: it is not overwritten', async () => {
    const t = await trouble();
    let once = true;
    t.inject(call => {
      if (writesTarget(call) && once) {
        once = false;
        stranger(t);
      }
      return false;
    }, 'reset');
    t.apply('a');
    await t.pass(60);
    expect([t.logins, t.says('a', 'Ready'), t.secret('a-token')?.data]).toEqual([
      1,
      'False SecretConflict',
      { theirs: 'x' },
    ]);
    // what was answered is kept: it needs no second login
    t.world.api.delete('secrets', 'a-token', 'team');
    await t.pass(2);
    expect([t.logins, t.token('a'), t.says('a', 'Ready')]).toEqual([1, 'token-1', 'True TokenLive']);
  });
});

describe('a write that fails after the provider has answered', () => {
  const faults: [string, Fault, number][] = [
    ['a 500', { status: 500, reason: 'InternalError' }, 8],
    ['a 429', { status: 429, reason: 'TooManyRequests', retryAfter: 2 }, 8],
    ['a conflict', { status: 409, reason: 'Conflict' }, 3],
    ['a lost answer', { afterCommit: 'reset' }, 8],
    ['an answer that never comes', { afterCommit: 'hang' }, 3],
    ['a connection that is refused', 'refuse', 8],
    ['a policy', FORBIDDEN, 3],
  ];
  test.each(faults)('(%s) is tried again; its login is not', async (_what, fault, times) => {
    const t = await published();
    t.inject(writesTarget, fault, times);
    await t.until(() => t.logins === 2, HOUR);
    await t.until(
      () => t.token('a') === 'token-2' && t.says('a', 'Refreshed') === 'True TokenPublished',
      600,
    );
    expect([t.logins, t.says('a', 'Ready'), t.tries('a')]).toEqual([2, 'True TokenLive', 0]);
  });

  test.each(faults.slice(0, 6))('of the first token (%s) as well', async (_what, fault, times) => {
    const t = await trouble();
    t.inject(writesTarget, fault, times);
    t.apply('a');
    await t.until(() => t.says('a', 'Refreshed') === 'True TokenPublished', 600);
    expect([t.logins, t.says('a', 'Ready'), t.tries('a')]).toEqual([1, 'True TokenLive', 0]);
  });

  test('comes soon after the API server is well again, not by the waits of a policy', async () => {
    const t = await published();
    const injected = t.inject(writesTarget, { status: 503, reason: 'ServiceUnavailable' });
    await t.until(() => t.logins === 2, HOUR);
    await t.pass(300);
    injected.cancel();
    await t.pass(32);
    expect([t.token('a'), t.logins]).toEqual(['token-2', 2]);
  });

  test('of status is tried again; its login is not', async () => {
    const t = await published();
    t.inject(writesStatus, { status: 500, reason: 'InternalError' }, 6);
    await t.until(() => t.logins === 2, HOUR);
    await t.pass(60);
    expect([
      t.logins,
      t.says('a', 'Ready'),
      t.status('a').token?.issuedAt !== '2026-01-03T12:00:00Z',
    ]).toEqual([2, 'True TokenLive', true]);
  });

  test('for good costs no login for each token that dies unpublished', async () => {
    const t = await published({ expiresIn: 300 });
    t.inject(call => writesTarget(call) || rehearses(call), FORBIDDEN);
    await t.pass(4 * HOUR);
    expect(t.logins).toBe(2);
    expect([t.says('a', 'Ready'), t.says('a', 'Stalled'), t.token('a')]).toEqual([
      'False PublishBlocked',
      'absent',
      'token-1',
    ]);
  });

  test('since someone has set the Secret immutable costs one login, says so, and is mended by deleting it', async () => {
    const t = await published({ expiresIn: 600 });
    t.patch('secrets', 'a-token', { immutable: true });
    await t.pass(HOUR);
    expect([t.logins, t.says('a', 'Ready'), t.token('a')]).toEqual([2, 'False PublishBlocked', 'token-1']);
    expect(t.condition('a', 'Ready')?.message).toContain(
      'someone has set it immutable: delete it, and it is made again',
    );
    t.world.api.delete('secrets', 'a-token', 'team');
    await t.until(() => t.says('a', 'Ready') === 'True TokenLive', 60);
    expect([t.logins, t.token('a')]).toEqual([3, 'token-3']);
  });

  test('gives way to a newer token, which another replica wrote meanwhile', async () => {
    const t = await published({ expiresIn: 600 });
    const first = t.run;
    let asked = 0;
    t.answer = question => {
      const given = t.grant(question);
      asked += 1;
      if (asked > 1) return given;
      return new Promise(resolve => t.world.clock.after(8000, () => resolve(given)));
    };
    await t.until(() => asked === 1, 600);
    await t.pass(3);
    await t.start();
    await t.pass(2);
    expect(t.token('a')).toBe('token-3');
    t.world.api.requests.clear();
    await t.pass(30);
    expect([t.token('a'), t.logins]).toEqual(['token-3', 3]);
    expect(t.world.api.requests.all(writesTarget).map(({ status }) => status)).toEqual([409]);
    first.crash();
    await t.pass(5);
    expect(t.says('a', 'Ready')).toBe('True TokenLive');
  });

  test('brings nothing back that was deleted while its login was under way', async () => {
    const t = await trouble();
    t.answer = question =>
      new Promise(resolve => t.world.clock.after(5000, () => resolve(t.grant(question))));
    t.apply('a');
    await t.until(() => t.logins === 1);
    t.remove('a');
    await t.pass(30);
    expect(t.secret('a-token')).toBeUndefined();
  });
});

describe('on a graceful stop', () => {
  async function stopping(
    answers: 'late' | 'never',
  ): Promise<{ t: Trouble; took: () => number | undefined }> {
    const t = await published({ expiresIn: 600, flags: ['--shutdown-timeout=25s'] });
    t.apply('new', {}, { suspend: true });
    t.answer = question =>
      answers === 'never'
        ? NO_ANSWER
        : new Promise(resolve => t.world.clock.after(6000, () => resolve(t.grant(question))));
    await t.until(() => t.logins === 2, HOUR);
    const began = t.now;
    let ended: number | undefined;
    void t.run.stop().then(() => {
      ended = t.now - began;
    });
    return { t, took: () => ended };
  }

  test('what the provider answers is written, and nothing new starts', async () => {
    const { t, took } = await stopping('late');
    t.patch('providercredentials', 'new', { spec: { suspend: false } });
    await t.pass(25);
    expect(took()).toBeLessThan(7);
    expect([t.token('a'), t.says('a', 'Refreshed'), t.logins]).toEqual(['token-2', 'True TokenPublished', 2]);
  });

  test('what the provider answers is written although the API server is not well', async () => {
    const { t, took } = await stopping('late');
    t.inject(writesTarget, { status: 503, reason: 'ServiceUnavailable' }, 6);
    await t.pass(25);
    expect([t.token('a'), took() !== undefined]).toEqual(['token-2', true]);
  });

  test('a request that is not answered is given up, and that is written, before the time is over', async () => {
    const t = await published({
      expiresIn: 7200,
      provider: { limits: { timeout: '60s' } },
      flags: ['--shutdown-timeout=25s'],
    });
    t.answer = () => NO_ANSWER;
    await t.until(() => t.logins === 2, 7200);
    const began = t.now;
    let ended = 0;
    void t.run.stop().then(() => {
      ended = t.now - began;
    });
    await t.pass(60);
    expect(ended).toBeGreaterThan(15);
    expect(ended).toBeLessThanOrEqual(25.1);
    expect([t.says('a', 'Refreshed'), t.says('a', 'Ready')]).toEqual([
      'False OutcomeUnknown',
      'True TokenLive',
    ]);
  });

  test('it ends in the time stated also when the API server does not answer', async () => {
    const { t, took } = await stopping('late');
    t.inject(() => true, 'hang');
    await t.pass(26);
    expect(took()).toBeLessThanOrEqual(25.1);
  });

  test('with nothing under way it ends at once', async () => {
    const t = await published();
    let ended = false;
    void t.run.stop().then(() => {
      ended = true;
    });
    await t.pass(0.1);
    expect(ended).toBe(true);
  });
});
