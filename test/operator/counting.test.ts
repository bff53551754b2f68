import { describe, expect, test } from 'vitest';
import type { Fault } from '../../sandbox/apiserver/faults.ts';
import { NO_ANSWER, refused, trouble, writesStatus } from './trouble.ts';

const REFRESH = 'tokensync.dev/refresh-requested-at';

describe('a login that may be refused', () => {
  test('is counted in status before it is sent', async () => {
    const seen: unknown[] = [];
    const t = await trouble({}, made => {
      made.answer = asked => {
        seen.push(made.status('a').login?.tries);
        return made.judge(asked);
      };
      made.apply('a', { password: 'wrong' });
    });
    await t.pass(100);
    t.login('a', {});
    await t.pass(1);
    expect(seen).toEqual([1, 2, 1]);
    // the outcome takes the count back
    expect(t.status('a').login).toMatchObject({ tries: 0 });
    expect(t.status('a').login?.provenAt).toBeDefined();
  });

  test('is not counted when its inputs once worked and nothing failed since: one status write a renewal', async () => {
    const t = await trouble({ expiresIn: 600 }, made => made.apply('a'));
    await t.until(() => t.says('a', 'Ready') === 'True TokenLive');
    await t.pass(2);
    t.world.api.requests.clear();
    await t.until(() => t.logins === 2, 600);
    await t.pass(2);
    expect(t.world.api.requests.count(writesStatus)).toBe(1);
  });

  test('is counted when the last attempt failed, also if its inputs once worked', async () => {
    const tries: unknown[] = [];
    const t = await trouble({ expiresIn: 600 }, made => made.apply('a'));
    await t.until(() => t.says('a', 'Ready') === 'True TokenLive');
    t.answer = () => {
      tries.push(t.tries('a'));
      return refused();
    };
    await t.until(() => tries.length === 2, 1200);
    expect(tries).toEqual([0, 2]);
  });

  test('is counted when it comes in place of a refresh that was refused', async () => {
    const tries: unknown[] = [];
    const t = await trouble({ expiresIn: 600 }, made => made.apply('a', {}, { flow: 'session' }));
    await t.until(() => t.says('a', 'Ready') === 'True TokenLive');
    t.answer = asked => {
      if (asked.step === 'login') tries.push(t.tries('a'));
      return asked.step === 'login' ? t.judge(asked) : refused();
    };
    await t.until(() => tries.length === 1, 600);
    await t.pass(1);
    expect([tries, t.tries('a'), t.says('a', 'Ready')]).toEqual([[1], 0, 'True TokenLive']);
  });

  const unwritable: [string, Fault][] = [
    ['fails with a 500', { status: 500, reason: 'InternalError' }],
    ['is throttled', { status: 429, reason: 'TooManyRequests', retryAfter: 1 }],
    ['is forbidden', { status: 403, reason: 'Forbidden' }],
    ['is not answered', 'hang'],
    ['is reset', 'reset'],
    ['is refused', 'refuse'],
  ];
  test.each(unwritable)(
    'is not sent while the write of the count %s, and nothing is counted for it',
    async (_what, fault) => {
      const t = await trouble({}, made => {
        made.inject(writesStatus, fault, 5);
        made.apply('a', { password: 'wrong' });
      });
      await t.pass(3);
      expect(t.logins).toBe(0);
      await t.until(() => t.logins === 1, 300);
      expect(t.tries('a')).toBe(1);
      await t.pass(700);
      expect(t.logins).toBe(3);
    },
  );

  test('is not counted twice when the answer to the write of the count is lost', async () => {
    const t = await trouble({ login: { maxRejections: 1 } }, made => {
      made.inject(writesStatus, { afterCommit: 'reset' }, 3);
      made.apply('a');
    });
    await t.until(() => t.logins === 1, 120);
    await t.pass(1);
    expect([t.says('a', 'Ready'), t.tries('a')]).toEqual(['True TokenLive', 0]);
  });

  test('is sent although someone labels the credential in the same moment', async () => {
    const t = await trouble({}, made => {
      let labels = 0;
      made.inject(call => {
        if (writesStatus(call) && labels < 3) {
          labels += 1;
          made.patch('providercredentials', 'a', { metadata: { labels: { [`l${labels}`]: 'x' } } });
        }
        return false;
      }, 'reset');
      made.apply('a');
    });
    await t.pass(3);
    expect([t.logins, t.says('a', 'Ready')]).toEqual([1, 'True TokenLive']);
  });

  test('is not sent when its inputs changed while it was counted: the new ones are', async () => {
    const t = await trouble({}, made => {
      let done = false;
      made.inject(call => {
        if (writesStatus(call) && !done) {
          done = true;
          made.login('a', { password: 'right' });
        }
        return false;
      }, 'reset');
      made.apply('a', { password: 'wrong' });
    });
    await t.pass(5);
    expect(t.asked.map(({ password }) => password)).toEqual(['right']);
    expect([t.says('a', 'Ready'), t.tries('a')]).toEqual(['True TokenLive', 0]);
    expect(t.status('a').login?.refused ?? []).toEqual([]);
  });

  test.each(['deleted', 'edited', 'made again'])(
    'is not sent when its credential was %s while it was counted',
    async what => {
      const t = await trouble({}, made => {
        let done = false;
        made.inject(call => {
          if (writesStatus(call) && !done) {
            done = true;
            if (what === 'edited') made.patch('providercredentials', 'a', { spec: { suspend: true } });
            else made.remove('a');
            if (what === 'made again') made.apply('a', {}, { suspend: true });
          }
          return false;
        }, 'reset');
        made.apply('a');
      });
      await t.pass(30);
      expect(t.logins).toBe(0);
    },
  );
});

describe('a login asked for by annotation', () => {
  test('is recorded as handled before it is sent: a crash does not send it twice', async () => {
    const t = await trouble({}, made => made.apply('a'));
    await t.until(() => t.says('a', 'Ready') === 'True TokenLive');
    await t.pass(10);
    const handled: unknown[] = [];
    t.answer = () => {
      handled.push(t.status('a').lastHandledRefreshAt);
      queueMicrotask(() => t.run.crash());
      return NO_ANSWER;
    };
    t.annotate('a', 'one');
    await t.pass(1);
    expect([handled, t.meta('providercredentials', 'a').annotations?.[REFRESH]]).toEqual([['one'], 'one']);
    t.answer = asked => t.judge(asked);
    await t.start();
    await t.pass(300);
    expect([t.logins, t.token('a'), t.says('a', 'Ready')]).toEqual([2, 'token-1', 'True TokenLive']);
  });
});

describe('after the digest key is lost', () => {
  test('a live token is kept, counts are kept, and nothing is sent for it', async () => {
    const t = await trouble({ expiresIn: 36_000 }, made => {
      made.apply('good');
      made.apply('bad', { password: 'wrong' });
    });
    await t.pass(700);
    const before = t.logins;
    t.run.crash();
    t.world.api.delete('secrets', 'tokensync-digest-key', 'tokensync');
    await t.start();
    await t.pass(3600);
    expect(t.logins).toBe(before);
    expect([t.says('good', 'Ready'), t.says('bad', 'Stalled')]).toEqual([
      'True TokenLive',
      'True RejectionLimit',
    ]);
    await t.until(() => t.times('good').length === 2, 36_000);
    await t.pass(2);
    expect(t.says('good', 'Ready')).toBe('True TokenLive');
  });
});
