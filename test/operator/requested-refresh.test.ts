import { describe, expect, test } from 'vitest';
import { addCredential, DAY, editProvider, HOUR, isReady, MINUTE, SECOND, scene, statusOf } from './scene.ts';

const REQUEST = 'tokensync.dev/refresh-requested-at';

describe('refresh-requested-at on a credential', () => {
  test('one login for each new value, at once; the same value, or none, asks for nothing', async () => {
    const it = await scene({ flow: 'admintotal/jwt' });
    it.annotate('one');
    await it.advance(SECOND);
    // A login, although a refresh token is held.
    expect(it.asked.map(({ step }) => step)).toEqual(['login', 'login']);
    expect(it.status.lastHandledRefreshAt).toBe('one');
    it.annotate('one');
    it.annotate(null);
    await it.advance(MINUTE);
    expect(it.logins).toBe(2);
    it.annotate('two');
    await it.advance(SECOND);
    expect(it.logins).toBe(3);
    expect(it.waits()).toBe(true);
    expect(it.world.providers.isLive(it.token)).toBe(true);
  });

  test('is no late renewal in metrics; a renewal that is due is measured', async () => {
    const it = await scene({ flow: 'sendfact/token' });
    const measured = async (): Promise<string | undefined> =>
      /^tokensync_refresh_lateness_seconds_count\{provider="sendfact"\} (\d+)/m.exec(
        await it.run.scrape(),
      )?.[1];
    it.annotate('one');
    await it.advance(SECOND);
    expect([it.logins, await measured()]).toEqual([2, '0']);
    await it.until(() => it.logins === 3, MINUTE);
    await it.advance(SECOND);
    expect(await measured()).toBe('1');
  });

  test('is recorded before it is sent: a crash while it is under way does not send it twice', async () => {
    const it = await scene();
    it.world.providers.pgf.behaviour.latencyMs = 3000;
    it.annotate('one');
    await it.advance(SECOND);
    expect(it.logins).toBe(2);
    expect(it.status.lastHandledRefreshAt).toBe('one');
    await it.restart();
    await it.advance(HOUR);
    expect(it.logins).toBe(2);
    expect(it.ready).toBe('True TokenLive');
  });

  test('is not sent where it cannot be recorded', async () => {
    const it = await scene();
    const refusal = it.world.api.inject(
      ({ subresource }) => subresource === 'status',
      { status: 503, reason: 'ServiceUnavailable' },
      1000,
    );
    it.annotate('one');
    await it.advance(10 * MINUTE);
    expect(it.logins).toBe(1);
    refusal.cancel();
    await it.advance(2 * MINUTE);
    expect(it.logins).toBe(2);
  });

  test('a restart does not repeat it, a new process sends one that it finds', async () => {
    const it = await scene();
    it.annotate('one');
    await it.advance(MINUTE);
    await it.restart();
    await it.advance(MINUTE);
    expect(it.logins).toBe(2);
    it.crash();
    it.annotate('two');
    await it.start();
    await it.advance(SECOND);
    expect(it.logins).toBe(3);
  });

  test('lifts Stalled for one try: refused again, it is Stalled again; accepted, all is well', async () => {
    const it = await scene({ ready: false, wrongPassword: true });
    await it.advance(HOUR);
    expect(it.stalled).toBe('True RejectionLimit');
    expect(it.logins).toBe(3);
    it.annotate('one');
    await it.advance(HOUR);
    expect(it.logins).toBe(4);
    expect(it.stalled).toBe('True RejectionLimit');
    it.world.providers.pgf.accounts.get(it.fixture.account).password = 'wrong';
    it.annotate('two');
    await it.advance(SECOND);
    expect(it.logins).toBe(5);
    expect(it.ready).toBe('True TokenLive');
    expect(it.stalled).toBe('absent');
  });

  test('never lifts the bound of six refused logins a day', async () => {
    const it = await scene({ ready: false, wrongPassword: true });
    await it.advance(HOUR);
    for (let round = 0; round < 20; round += 1) {
      it.annotate(`round ${round}`);
      await it.advance(10 * MINUTE);
    }
    expect(it.logins).toBe(6);
  });

  test('lifts backoff', async () => {
    const it = await scene();
    it.world.providers.pgf.behaviour.down = 503;
    await it.at(it.renewAt + 5 * HOUR);
    const far = (): boolean => Date.parse(it.status.failures?.retryAt ?? '') > it.now + MINUTE;
    expect(await it.until(far, HOUR)).toBe(true);
    it.world.providers.pgf.behaviour.down = undefined;
    it.annotate('one');
    await it.advance(SECOND);
    expect(it.refreshed).toBe('True TokenPublished');
  });

  test('does not lift Retry-After', async () => {
    const it = await scene();
    it.world.providers.pgf.behaviour.throttle = { requests: 0, windowMs: HOUR };
    await it.at(it.renewAt + 5 * SECOND);
    expect(it.refreshed).toBe('False Throttled');
    const { retryAt = '' } = it.status.failures ?? {};
    const asked = it.logins;
    it.world.providers.pgf.behaviour.throttle = undefined;
    it.annotate('one');
    await it.at(Date.parse(retryAt) - 2 * SECOND);
    expect(it.logins).toBe(asked);
    await it.advance(5 * SECOND);
    expect(it.logins).toBe(asked + 1);
    expect(it.status.lastHandledRefreshAt).toBe('one');
    await it.advance(MINUTE);
    expect(it.logins).toBe(asked + 1);
  });

  test('does not lift limits', async () => {
    const it = await scene({
      before: world => editProvider(world, 'pgf', { spec: { limits: { requestsPerMinute: 6 } } }),
    });
    const others = Array.from({ length: 12 }, (_, index) => addCredential(it.world, 'pgf/login', index + 2));
    await it.advance(5 * MINUTE);
    const asked = it.logins;
    expect(asked).toBe(13);
    for (const { name } of others) {
      const found = it.world.api.get('providercredentials', name, 'default');
      it.put({
        apiVersion: 'tokensync.dev/v1alpha1',
        kind: 'ProviderCredential',
        metadata: { name, namespace: 'default', annotations: { [REQUEST]: 'now' } },
        spec: found?.spec,
      });
    }
    await it.advance(MINUTE);
    expect(it.logins - asked).toBeLessThanOrEqual(6);
    await it.advance(5 * MINUTE);
    expect(it.logins - asked).toBe(12);
  });
});

describe('refresh-requested-at on a provider', () => {
  test('one login for each of its stalled credentials and new value; the others are left alone', async () => {
    const it = await scene();
    const stalled = [2, 3].map(index => {
      const made = addCredential(it.world, 'pgf/login', index);
      it.world.providers.pgf.accounts.get(made.account).password = 'changed';
      return made;
    });
    await it.advance(HOUR);
    expect(it.logins).toBe(7);
    it.editProvider('pgf', { metadata: { annotations: { [REQUEST]: 'one' } } });
    await it.advance(HOUR);
    expect(it.logins).toBe(9);
    await it.restart();
    it.editProvider('pgf', { spec: { documentation: 'x' } });
    await it.advance(HOUR);
    expect(it.logins).toBe(9);
    for (const { account, secrets } of stalled)
      it.world.providers.pgf.accounts.get(account).password = secrets.password ?? '';
    it.editProvider('pgf', { metadata: { annotations: { [REQUEST]: 'two' } } });
    await it.advance(10 * SECOND);
    expect(it.logins).toBe(11);
    expect(stalled.every(made => isReady(it.world, made))).toBe(true);
  });

  test('a value that stood there before a credential was stalled asks for nothing', async () => {
    const it = await scene();
    it.editProvider('pgf', { metadata: { annotations: { [REQUEST]: 'long ago' } } });
    await it.advance(DAY / 24);
    const late = addCredential(it.world, 'pgf/login', 2);
    it.world.providers.pgf.accounts.get(late.account).password = 'changed';
    await it.advance(2 * HOUR);
    expect(it.logins).toBe(4);
    expect(statusOf(it.world, late)?.conditions?.map(({ type }) => type)).toContain('Stalled');
    await it.restart();
    await it.advance(MINUTE);
    expect(it.logins).toBe(4);
    it.editProvider('pgf', { metadata: { annotations: { [REQUEST]: 'now' } } });
    await it.advance(MINUTE);
    expect(it.logins).toBe(5);
  });
});
