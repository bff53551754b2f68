import { describe, expect, test } from 'vitest';
import { DAY, MINUTE, type Scene, SECOND, scene } from './scene.ts';

describe('a held token is bound to what it was obtained for', () => {
  test.each([
    ['parameters', { parameters: { clave: 'other' } }],
    ['the account', { source: { secretRef: { name: 'other' } } }],
  ])('after an edit of %s its refresh token is sent nowhere, and one login follows', async (_what, edit) => {
    const it = await scene({ flow: 'admintotal/jwt' });
    const { accounts } = it.world.providers.admintotal;
    accounts.add('other/user-1', it.fixture.secrets.password ?? '');
    accounts.add('acme-1/user-2', 'secret-2');
    it.put({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'other', namespace: 'default' },
      stringData: { username: 'user-2', password: 'secret-2' },
    });
    it.edit(edit);
    await it.advance(10 * SECOND);
    expect(it.asked.map(({ step, outcome }) => `${step} ${outcome}`)).toEqual([
      'login granted',
      'login granted',
    ]);
    expect(it.waits()).toBe(true);
    // From then on it is refreshed by the new account's own.
    await it.advance(10 * MINUTE);
    expect(it.logins).toBe(2);
    expect(it.asked.length).toBeGreaterThan(3);
    expect(new Set(it.asked.slice(1).map(({ account }) => account)).size).toBe(1);
  });

  test('the same after a restart in between', async () => {
    const it = await scene({ flow: 'admintotal/jwt' });
    it.world.providers.admintotal.accounts.add('other/user-1', it.fixture.secrets.password ?? '');
    it.crash();
    it.edit({ parameters: { clave: 'other' } });
    await it.start();
    await it.advance(10 * SECOND);
    expect(it.asked.map(({ step, account }) => `${step} ${account}`)).toEqual([
      'login acme-1/user-1',
      'login other/user-1',
    ]);
  });

  test('an admin who moves the environment to another host: the old token and its refresh token are sent nowhere', async () => {
    const it = await scene({ flow: 'admintotal/jwt' });
    it.editProvider('admintotal', {
      spec: {
        environments: [{ name: 'production', baseUrl: 'https://$(param.clave)-new.admintotal.com/api/v2' }],
      },
    });
    it.world.providers.admintotal.accounts.add('acme-1-new/user-1', it.fixture.secrets.password ?? '');
    await it.advance(10 * SECOND);
    expect(it.asked.map(({ step, account }) => `${step} ${account}`)).toEqual([
      'login acme-1/user-1',
      'login acme-1-new/user-1',
    ]);
  });

  test('changed values of the source: one login, no refresh with what belongs to the old ones', async () => {
    const it = await scene({ flow: 'admintotal/jwt' });
    it.world.providers.admintotal.accounts.get(it.fixture.account).password = 'new';
    it.login({ password: 'new' });
    await it.advance(10 * SECOND);
    expect(it.asked.map(({ step }) => step)).toEqual(['login', 'login']);
  });
});

describe('the digest key is lost', () => {
  async function loseKey(it: Scene): Promise<void> {
    it.crash();
    it.world.api.delete('secrets', 'tokensync-digest-key', 'tokensync');
    await it.start();
  }

  test.each(['pgf/login', 'admintotal/jwt', 'admintotal/api-key'] as const)(
    'the live token of %s is kept, and nothing is sent until it is renewed',
    async flow => {
      const it = await scene({ flow });
      const { token, renewAt } = it;
      const asked = it.asked.length;
      await loseKey(it);
      await it.advance(MINUTE);
      expect(it.token).toBe(token);
      expect(it.waits()).toBe(true);
      expect(it.asked).toHaveLength(asked);
      if (Number.isNaN(renewAt)) {
        await it.advance(DAY);
        expect(it.asked).toHaveLength(asked);
        return;
      }
      await it.at(renewAt + 5 * SECOND);
      expect(it.asked).toHaveLength(asked + 1);
      // What the refresh token was obtained for cannot be told: it is not sent.
      expect(it.asked.at(-1)).toMatchObject({ step: 'login', outcome: 'granted' });
      expect(it.waits()).toBe(true);
    },
  );

  test('labels of the target change without a login all the same', async () => {
    const it = await scene();
    await loseKey(it);
    it.edit({ target: { labels: { a: 'b' } } });
    await it.advance(MINUTE);
    expect(it.secret()?.labels.a).toBe('b');
    expect(it.logins).toBe(1);
  });
});
