import { describe, expect, test } from 'vitest';
import type { Fault } from '../../sandbox/apiserver/faults.ts';
import { answer, refused, type Trouble, throttled, trouble, writesSecret } from './trouble.ts';

const HOUR = 3600;
const writesSession = writesSecret('a.session');
const writesTarget = writesSecret('a-token');

/** A credential of the flow `session` that has its first token. */
async function logged(options: Parameters<typeof trouble>[0] = {}): Promise<Trouble> {
  const t = await trouble(options);
  t.apply('a', {}, { flow: 'session' });
  await t.until(() => t.condition('a', 'Ready')?.status === 'True');
  await t.pass(10);
  return t;
}

function session(t: Trouble): { sequence: number; refreshToken?: string; uid: string } {
  return JSON.parse(t.secret('a.session')?.data.session ?? '{}') as ReturnType<typeof session>;
}

function writes(t: Trouble, match: ReturnType<typeof writesSecret>): number {
  return t.world.api.requests.count(match);
}

describe('a refresh token', () => {
  test('renews the token without a login; not rotated, its session is not written again', async () => {
    const t = await logged();
    const { resourceVersion } = t.meta('secrets', 'a.session');
    t.world.api.requests.clear();
    await t.until(() => t.refreshes === 3, 3 * HOUR);
    await t.pass(1);
    expect([t.logins, t.token('a'), t.status('a').token?.grant]).toEqual([1, 'token-4', 'Refresh']);
    expect(t.asked.filter(({ step }) => step === 'refresh').map(({ refreshToken }) => refreshToken)).toEqual(
      Array(3).fill('refresh-1'),
    );
    expect([writes(t, writesSession), writes(t, writesTarget)]).toEqual([0, 3]);
    expect(t.meta('secrets', 'a.session').resourceVersion).toBe(resourceVersion);
  });

  test('that is rotated is saved before its token is published, and used from then on', async () => {
    const t = await logged({ rotate: true });
    t.world.api.requests.clear();
    await t.until(() => t.refreshes === 2, 3 * HOUR);
    await t.pass(1);
    expect(t.asked.map(({ refreshToken }) => refreshToken)).toEqual(['', 'refresh-1', 'refresh-2']);
    const order = t.world.api.requests.all(call => writesSession(call) || writesTarget(call));
    expect(order.map(({ name }) => name)).toEqual(['a.session', 'a-token', 'a.session', 'a-token']);
    expect(session(t)).toMatchObject({ refreshToken: 'refresh-3', sequence: 3 });
  });

  test('stands in a Secret of its own type, owned by its credential, and nowhere else', async () => {
    const t = await logged();
    expect(t.secret('a.session')).toMatchObject({
      type: 'tokensync.dev/session',
      owners: ['ProviderCredential/a controller'],
    });
    for (const name of ['a-token', 'a-login'])
      expect(JSON.stringify(t.secret(name))).not.toContain('refresh-1');
    expect(JSON.stringify(t.status('a'))).not.toContain('refresh-1');
  });

  test('that is refused leads to a login at once, and no login is counted as refused', async () => {
    const t = await logged();
    t.answer = asked => (asked.step === 'refresh' ? refused() : t.judge(asked));
    await t.until(() => t.refreshes === 1, HOUR);
    await t.pass(1);
    expect([t.logins, t.refreshes, t.token('a'), t.says('a', 'Refreshed')]).toEqual([
      2,
      1,
      'token-2',
      'True TokenPublished',
    ]);
    expect([t.tries('a'), t.status('a').login?.refusedAt, t.status('a').failures]).toEqual([
      0,
      undefined,
      undefined,
    ]);
  });

  test('that is refused is not sent again while the login has no luck either', async () => {
    const t = await logged({ expiresIn: 600 });
    t.answer = asked => (asked.step === 'refresh' ? refused() : answer(503));
    await t.pass(2 * HOUR);
    expect(t.refreshes).toBe(1);
    expect(t.logins).toBeGreaterThan(3);
    expect(t.says('a', 'Stalled')).toBe('absent');
  });

  test('gets a second try when the provider is not well, and then a login is tried', async () => {
    const t = await logged({ expiresIn: 7200 });
    t.answer = asked => (asked.step === 'refresh' ? answer(503) : t.judge(asked));
    await t.until(() => t.refreshes === 1, 7200);
    await t.pass(5);
    expect([t.logins, t.says('a', 'Refreshed'), t.says('a', 'Ready')]).toEqual([
      1,
      'False OutcomeUnknown',
      'True TokenLive',
    ]);
    await t.pass(60);
    expect([t.refreshes, t.logins, t.says('a', 'Refreshed')]).toEqual([2, 2, 'True TokenPublished']);
  });

  test('whose endpoint is broken gives way to a login at the rate limit too, and is not sent over and over', async () => {
    const t = await logged({
      expiresIn: 1200,
      rotate: true,
      provider: { limits: { requestsPerMinute: 60 } },
    });
    t.answer = asked => (asked.step === 'refresh' ? answer(500) : t.judge(asked));
    await t.pass(3000);
    expect(t.logins).toBeGreaterThan(2);
    // two before each login but the first, and those that have none yet
    expect(t.refreshes).toBeLessThanOrEqual(2 * t.logins);
    expect(t.says('a', 'Ready')).toBe('True TokenLive');
  });

  test('gets no second try when the token would be dead before a pod saw the next', async () => {
    // renewed 20 s after its first half: less is left than a mounted Secret takes
    const t = await logged({ expiresIn: 100 });
    t.answer = asked => (asked.step === 'refresh' ? answer(503) : t.judge(asked));
    await t.until(() => t.refreshes === 1, 100);
    await t.pass(1);
    expect([t.logins, t.refreshes, t.says('a', 'Refreshed')]).toEqual([2, 1, 'True TokenPublished']);
  });

  test('is not replaced by a login because the provider asks to wait', async () => {
    const t = await logged({ expiresIn: 7200 });
    t.answer = () => throttled(300);
    await t.until(() => t.refreshes === 1, 7200);
    await t.pass(1000);
    expect([t.logins, t.refreshes]).toEqual([1, 4]);
  });

  test('in an answer that is unusable otherwise is saved, since the one before may be dead', async () => {
    const t = await logged({ expiresIn: 7200, rotate: true });
    let spoilt = 1;
    t.answer = asked => t.grant(asked, asked.step === 'refresh' && spoilt-- > 0 ? { token: undefined } : {});
    await t.until(() => t.refreshes === 1, 7200);
    await t.pass(1);
    expect([t.says('a', 'Refreshed'), t.token('a'), session(t).refreshToken]).toEqual([
      'False Unusable',
      'token-1',
      'refresh-2',
    ]);
    await t.pass(120);
    expect(t.asked.map(({ refreshToken }) => refreshToken)).toEqual(['', 'refresh-1', 'refresh-2']);
    expect([t.logins, t.token('a')]).toEqual([1, 'token-3']);
  });

  test('in an unusable answer to a login is saved as well', async () => {
    const t = await trouble();
    t.answer = asked => t.grant(asked, { token: null });
    t.apply('a', {}, { flow: 'session' });
    await t.pass(5);
    expect([t.says('a', 'Ready'), session(t).refreshToken]).toEqual(['False Unusable', 'refresh-1']);
  });

  test('that is rotated while the operator ends is saved, though the API server takes no writes for 8 s', async () => {
    const t = await logged({ rotate: true });
    let reply = (): void => {};
    t.answer = asked =>
      new Promise(resolve => {
        reply = () => resolve(t.judge(asked));
      });
    await t.until(() => t.refreshes === 1, HOUR);
    void t.run.stop();
    const away = t.inject(({ resource, verb }) => resource === 'secrets' && verb === 'patch', {
      status: 503,
      reason: 'ServiceUnavailable',
    });
    reply();
    await t.pass(8);
    away.cancel();
    await t.pass(15);
    expect([t.token('a'), session(t).refreshToken]).toEqual(['token-2', 'refresh-2']);
  });

  test('that could not be saved is saved once the API server is well, though its provider object is gone', async () => {
    const t = await logged({ rotate: true });
    const away = t.inject(writesSession, { status: 503, reason: 'ServiceUnavailable' });
    await t.until(() => t.refreshes === 1, HOUR);
    await t.pass(8);
    t.world.api.delete('clustertokenproviders', 'acme');
    await t.pass(5);
    expect(session(t).refreshToken).toBe('refresh-1');
    away.cancel();
    await t.pass(60);
    expect(session(t).refreshToken).toBe('refresh-2');
  });

  test('survives a restart', async () => {
    const t = await logged({ rotate: true });
    await t.until(() => t.refreshes === 1, HOUR);
    await t.pass(2);
    await t.restart();
    await t.until(() => t.refreshes === 2, HOUR);
    expect([t.logins, t.asked.at(-1)?.refreshToken]).toEqual([1, 'refresh-2']);
  });

  test.each([
    ['an older sequence', { sequence: 1 }],
    ['another credential', { uid: '5c4a9a1e-0000-4000-8000-000000000000' }],
  ])('restored from a backup, of %s, is not used: a login is', async (_what, change) => {
    const t = await logged({ rotate: true });
    await t.until(() => t.refreshes === 2, 2 * HOUR);
    await t.pass(2);
    const old = JSON.stringify({ ...session(t), refreshToken: 'refresh-1', ...change });
    t.run.crash();
    t.patch('secrets', 'a.session', { data: { session: Buffer.from(old).toString('base64') } });
    await t.start();
    await t.until(() => t.tokens.length === 4, 2 * HOUR);
    await t.pass(1);
    expect([t.refreshes, t.logins, t.token('a')]).toEqual([2, 2, 'token-4']);
    await t.until(() => t.refreshes === 3, HOUR);
    expect(t.asked.at(-1)?.refreshToken).toBe('refresh-4');
  });

  test('that someone deleted costs a login at the next renewal, and the session is there again', async () => {
    const t = await logged();
    t.world.api.delete('secrets', 'a.session', 'team');
    await t.pass(60);
    expect(t.logins).toBe(1);
    await t.until(() => t.tokens.length === 2, HOUR);
    await t.pass(1);
    expect([t.logins, t.refreshes, session(t).refreshToken]).toEqual([2, 0, 'refresh-2']);
  });

  test('is not sent to where the spec points now: another account logs in', async () => {
    const t = await logged();
    t.patch('providercredentials', 'a', { spec: { environment: 'staging' } });
    await t.pass(2);
    expect(t.asked.map(({ step, host }) => `${step} ${host}`)).toEqual([
      'login login.acme.example',
      'login staging.acme.example',
    ]);
  });
});

describe('a session that cannot be saved', () => {
  const faults: [string, Fault][] = [
    ['refused for now', { status: 500, reason: 'InternalError' }],
    ['throttled', { status: 429, reason: 'TooManyRequests', retryAfter: 1 }],
    ['forbidden', { status: 403, reason: 'Forbidden' }],
    ['never answered', 'hang'],
  ];
  test.each(faults)(
    '(%s) holds its token up for 5 s at most; Refreshed says so, and saving goes on',
    async (_what, fault) => {
      const t = await logged({ rotate: true, expiresIn: 7200 });
      const injected = t.inject(writesSession, fault);
      await t.until(() => t.refreshes === 1, 7200);
      const sent = t.now;
      await t.until(() => t.token('a') === 'token-2', 20);
      expect(t.now - sent).toBeLessThan(6);
      await t.pass(1);
      expect([t.says('a', 'Ready'), t.says('a', 'Refreshed')]).toEqual([
        'True TokenLive',
        'False SessionNotSaved',
      ]);
      await t.pass(300);
      expect(t.says('a', 'Refreshed')).toBe('False SessionNotSaved');
      injected.cancel();
      await t.pass(60);
      expect([t.says('a', 'Refreshed'), session(t).refreshToken]).toEqual([
        'True TokenPublished',
        'refresh-2',
      ]);
      expect([t.logins, t.refreshes]).toEqual([1, 1]);
    },
  );

  test('since someone has set it immutable is made anew once that is deleted', async () => {
    const t = await logged({ rotate: true, expiresIn: 7200 });
    t.patch('secrets', 'a.session', { immutable: true });
    await t.until(() => t.says('a', 'Refreshed') === 'False SessionNotSaved', 7200);
    expect(t.condition('a', 'Refreshed')?.message).toContain('someone has set it immutable: delete it');
    t.world.api.delete('secrets', 'a.session', 'team');
    await t.until(() => t.says('a', 'Refreshed') === 'True TokenPublished', 60);
    expect([session(t).refreshToken, t.logins, t.refreshes]).toEqual(['refresh-2', 1, 1]);
  });

  test('is saved although its answer is lost, or someone labels it in the same moment', async () => {
    const t = await logged({ rotate: true, expiresIn: 7200 });
    t.inject(writesSession, { afterCommit: 'reset' }, 1);
    let touched = false;
    t.inject(call => {
      if (writesSession(call) && !touched && t.refreshes === 2) {
        touched = true;
        t.patch('secrets', 'a.session', { metadata: { labels: { x: 'y' } } });
      }
      return false;
    }, 'reset');
    await t.until(() => t.refreshes === 2, 4 * HOUR);
    await t.pass(10);
    expect([touched, session(t).refreshToken, t.says('a', 'Refreshed'), t.token('a'), t.logins]).toEqual([
      true,
      'refresh-3',
      'True TokenPublished',
      'token-3',
      1,
    ]);
  });

  test('before the first login keeps it from being sent', async () => {
    const t = await trouble();
    const injected = t.inject(writesSession, { status: 403, reason: 'Forbidden' });
    t.apply('a', {}, { flow: 'session' });
    await t.pass(60);
    expect([t.logins, t.says('a', 'Ready')]).toEqual([0, 'False PublishBlocked']);
    injected.cancel();
    await t.pass(120);
    expect(t.says('a', 'Ready')).toBe('True TokenLive');
  });

  test('since its name is a stranger’s: SecretConflict, nothing sent, nothing touched; mended as soon as it goes', async () => {
    const t = await trouble();
    const stranger = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'a.session', namespace: 'team' },
      type: 'Opaque',
      stringData: { theirs: 'x' },
    };
    t.world.api.put(stranger);
    const before = t.secret('a.session');
    t.apply('a', {}, { flow: 'session' });
    await t.pass(615);
    expect([t.logins, t.says('a', 'Ready')]).toEqual([0, 'False SecretConflict']);
    expect(t.secret('a.session')).toEqual(before);
    t.world.api.delete('secrets', 'a.session', 'team');
    await t.pass(2);
    expect(t.says('a', 'Ready')).toBe('True TokenLive');
  });
});
