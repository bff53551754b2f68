import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, type Scene, SECOND, scene } from './scene.ts';

/** Looks between any two instants; true once `done`, and throws where a promise of status is broken. */
async function watchStatus(it: Scene, done: () => boolean, limitMs: number): Promise<boolean> {
  return it.until(() => {
    expect(it.stalled !== 'absent' && it.ready.startsWith('True')).toBe(false);
    return done();
  }, limitMs);
}

describe('Ready', () => {
  test('a fresh object is not taken for current: observedGeneration is -1 until it was looked at', async () => {
    const it = await scene({ start: false });
    expect(it.credential.status).toEqual({ observedGeneration: -1 });
    expect(it.waits()).toBe(false);
  });

  test('is False while the first login is under way, and says so; then True', async () => {
    const it = await scene({
      ready: false,
      before: world => {
        world.providers.pgf.behaviour.latencyMs = 5000;
      },
    });
    await it.advance(SECOND);
    expect(it.ready).toBe('False TokenMissing');
    expect(it.status.observedGeneration).toBe(1);
    await it.advance(5 * SECOND);
    expect(it.ready).toBe('True TokenLive');
    expect(it.refreshed).toBe('True TokenPublished');
  });

  test('stays True while a token lives, whatever the last attempt did, and turns False by a timer at expiresAt', async () => {
    const it = await scene();
    const { expiresAt } = it;
    it.world.providers.pgf.behaviour.down = 'refuse';
    await it.at(expiresAt - SECOND);
    expect(it.ready).toBe('True TokenLive');
    expect(it.refreshed).toBe('False Unreachable');
    await it.advance(2 * SECOND);
    expect(it.ready).toMatch(/^False /);
    expect(Date.parse(it.condition('Ready')?.lastTransitionTime ?? '')).toBe(expiresAt);
    expect(it.token).not.toBe('');
    expect(it.stalled).toBe('absent');
    it.world.providers.pgf.behaviour.down = undefined;
    expect(await it.until(() => it.waits(), 10 * MINUTE)).toBe(true);
  });

  test('an expired token stays in the Secret until a new one is there', async () => {
    const it = await scene({ flow: 'sendfact/token' });
    it.world.providers.sendfact.behaviour.down = 503;
    await it.advance(10 * MINUTE);
    expect(it.ready).toMatch(/^False /);
    expect(it.token).not.toBe('');
    it.world.providers.sendfact.behaviour.down = undefined;
    expect(await it.until(() => it.waits(), HOUR)).toBe(true);
    expect(it.world.providers.isLive(it.token)).toBe(true);
  });

  const edits: readonly (readonly [string, Parameters<Scene['edit']>[0]])[] = [
    ['flow', { flow: 'login-token', source: { secretRef: { name: 'other' } } }],
    ['environment', { environment: 'development' }],
    ['provider', { providerRef: { name: 'sendfact' }, flow: 'token' }],
    ['account', { source: { secretRef: { name: 'other' } } }],
    ['parameters', { parameters: { expDate: '1790000000' } }],
  ];
  test.each(edits)(
    'after an edit of the %s it is never True for the new spec before the new token is there; the old one stays meanwhile',
    async (_what, edit) => {
      const it = await scene();
      const { world } = it;
      for (const provider of world.providers.all) provider.behaviour.latencyMs = 3000;
      const password = it.fixture.secrets.password ?? '';
      world.providers.pgf.accounts.add('development/user-1', password);
      world.providers.pgf.accounts.add('production/user-2', 'other');
      world.providers.pgf.accounts.add('production/token-2', 'auth-token-2');
      world.providers.sendfact.accounts.add('user-1', password);
      it.put({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'other', namespace: 'default' },
        stringData: { username: 'user-2', password: 'other', auth_token: 'auth-token-2' },
      });
      await it.advance(10 * SECOND);
      const old = it.token;
      it.edit(edit);
      const generation = it.credential.metadata.generation;
      let changed = false;
      const ended = await watchStatus(
        it,
        () => {
          changed ||= it.ready === 'False InputsChanged';
          if (it.status.observedGeneration === generation && it.ready.startsWith('True')) return true;
          return false;
        },
        MINUTE,
      );
      expect(ended).toBe(true);
      expect(it.token).not.toBe(old);
      expect(it.waits()).toBe(true);
      expect(changed).toBe(true);
      expect(it.logins).toBe(2);
    },
  );

  test('after an edit to another key with the same value nothing is asked: it is the same account', async () => {
    const it = await scene();
    it.login({ user2: 'user-1' });
    it.edit({ source: { keys: { username: 'user2' } } });
    await it.advance(MINUTE);
    expect(it.waits()).toBe(true);
    expect(it.logins).toBe(1);
  });

  test('after an edit to an account that is refused it stays InputsChanged, with the old token in the Secret, until the edit is taken back', async () => {
    const it = await scene();
    const old = it.token;
    it.edit({ environment: 'development' });
    await it.advance(HOUR);
    expect(it.ready).toBe('False InputsChanged');
    expect(it.stalled).toMatch(/^True /);
    expect(it.token).toBe(old);
    it.edit({ environment: null });
    await it.advance(SECOND);
    expect(it.ready).toBe('True TokenLive');
    expect(it.stalled).toBe('absent');
    expect(it.token).toBe(old);
    expect(it.asked.filter(({ outcome }) => outcome === 'granted')).toHaveLength(1);
  });

  test.each([
    ['a source Secret that is not there', { source: { secretRef: { name: 'nowhere' } } }],
    ['a provider that is not there', { providerRef: { name: 'nowhere' } }],
    ['a flow that the provider does not have', { flow: 'nonsense' }],
  ])('after an edit to %s it is False, and the old token stays', async (_what, edit) => {
    const it = await scene();
    const old = it.token;
    it.edit(edit);
    await it.advance(HOUR);
    expect(it.ready).toMatch(/^False /);
    expect(it.status.observedGeneration).toBe(2);
    expect(it.token).toBe(old);
  });

  test('changed values of the source Secret alone log in at once, and leave Ready as it is', async () => {
    const it = await scene();
    const old = it.token;
    it.world.providers.pgf.behaviour.latencyMs = 3000;
    it.world.providers.pgf.accounts.get('production/user-1').password = 'new';
    it.login({ password: 'new' });
    const arrived = await it.until(() => {
      expect(it.ready).toBe('True TokenLive');
      return it.token !== old;
    }, 5 * SECOND);
    expect(arrived).toBe(true);
    expect(it.logins).toBe(2);
  });

  test('changed values that are refused leave Ready as it is while the old token lives', async () => {
    const it = await scene();
    it.login({ password: 'wrong' });
    await it.advance(5 * HOUR);
    expect(it.ready).toBe('True TokenLive');
    expect(it.refreshed).toBe('False Rejected');
    expect(it.stalled).toBe('absent');
    await it.advance(DAY);
    expect(it.ready).toBe('False RejectionLimit');
    expect(it.stalled).toBe('True RejectionLimit');
    expect(it.logins).toBe(4);
  });

  test('a message names no secret, and an edit of another key of the source Secret changes nothing', async () => {
    const it = await scene();
    it.calm();
    it.login({ unrelated: 'x' });
    await it.advance(MINUTE);
    expect(it.logins).toBe(1);
    expect(it.writes).toEqual({});
  });
});

describe('Stalled', () => {
  test('says that only a person can help, and is gone when the inputs were mended', async () => {
    const it = await scene({ ready: false, wrongPassword: true });
    expect(await watchStatus(it, () => it.stalled === 'True RejectionLimit', HOUR)).toBe(true);
    expect(it.ready).toBe('False RejectionLimit');
    expect(it.logins).toBe(3);
    await it.advance(DAY);
    expect(it.logins).toBe(3);
    it.login({});
    expect(await watchStatus(it, () => it.waits(), SECOND)).toBe(true);
    expect(it.stalled).toBe('absent');
  });
});
