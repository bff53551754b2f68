import { describe, expect, test } from 'vitest';
import { addCredential, DAY, HOUR, isReady, MINUTE, scene, type Scene, SECOND } from './scene.ts';

describe('a held token is bound to what it was obtained for', () => {
  test.each([
    ['parameters', { parameters: { clave: 'other' } }],
    ['the account', { source: { secretRef: { name: 'other' } } }],
  ])('after an edit of %s its refresh token is sent nowhere, and one login follows', async (_what, edit) => {
    const it = await scene({ flow: 'admintotal/jwt' });
    const { accounts } = it.world.providers.admintotal;
    accounts.add('other/user-1', it.fixture.secrets.password ?? '');
    accounts.add('acme-1/user-2', 'secret-2');
    it.put({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'other', namespace: 'default' }, stringData: { username: 'user-2', password: 'secret-2' } });
    it.edit(edit);
    await it.advance(10 * SECOND);
    expect(it.asked.map(({ step, outcome }) => `${step} ${outcome}`)).toEqual(['login granted', 'login granted']);
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
    expect(it.asked.map(({ step, account }) => `${step} ${account}`)).toEqual(['login acme-1/user-1', 'login other/user-1']);
  });

  test('an admin who moves the environment to another host: the old token and its refresh token are sent nowhere', async () => {
    const it = await scene({ flow: 'admintotal/jwt' });
    it.editProvider('admintotal', { spec: { environments: [{ name: 'production', baseUrl: 'https://$(param.clave)-new.admintotal.com/api/v2' }] } });
    it.world.providers.admintotal.accounts.add('acme-1-new/user-1', it.fixture.secrets.password ?? '');
    await it.advance(10 * SECOND);
    expect(it.asked.map(({ step, account }) => `${step} ${account}`)).toEqual(['login acme-1/user-1', 'login acme-1-new/user-1']);
  });

  test('changed values of the source: one login, no refresh with what belongs to the old ones', async () => {
    const it = await scene({ flow: 'admintotal/jwt' });
    it.world.providers.admintotal.accounts.get(it.fixture.account).password = 'new';
    it.login({ password: 'new' });
    await it.advance(10 * SECOND);
    expect(it.asked.map(({ step }) => step)).toEqual(['login', 'login']);
  });
});

describe('no login while a live token is held', () => {
  const flows = ['pgf/login', 'admintotal/jwt', 'admintotal/api-key', 'firmeasy/login'] as const;

  test.each(flows)('a restart of %s: no request to the provider, and no write at all', async flow => {
    const it = await scene({ flow });
    const before = [it.credential.metadata.resourceVersion, it.secret()?.resourceVersion];
    const asked = it.asked.length;
    it.calm();
    for (let round = 0; round < 5; round += 1) await it.restart();
    await it.advance(SECOND);
    expect(it.asked).toHaveLength(asked);
    expect(it.writes).toEqual({});
    expect([it.credential.metadata.resourceVersion, it.secret()?.resourceVersion]).toEqual(before);
    expect(it.world.api.requests.count(({ resource, verb }) => resource === 'events' && verb === 'create')).toBe(0);
  });

  test('a restart reads the login and the target once each, and lists nothing but what it watches', async () => {
    const it = await scene();
    it.calm();
    await it.restart();
    await it.advance(MINUTE);
    expect(it.calls).toEqual({ 'get secrets': 3 });
  });

  test('a restart with templates that do not show the whole answer: no login either', async () => {
    const it = await scene({ spec: { target: { data: { key: 'x$(token)' } } } });
    it.calm();
    await it.restart();
    await it.advance(HOUR);
    expect(it.logins).toBe(1);
    expect(it.writes).toEqual({});
  });

  test('an edit of the credential’s labels and annotations: nothing at all is asked of anyone', async () => {
    const it = await scene();
    it.calm();
    it.edit({}, { labels: { team: 'blue' }, annotations: { note: 'x' } });
    await it.advance(HOUR);
    expect(it.logins).toBe(1);
    expect(it.calls).toEqual({});
  });

  test('an edit of the provider’s documentation: no login, and no write to any credential or Secret', async () => {
    const it = await scene();
    const before = [it.credential.metadata.resourceVersion, it.secret()?.resourceVersion];
    it.calm();
    it.editProvider('pgf', { spec: { documentation: 'another text' } });
    await it.advance(HOUR);
    expect(it.logins).toBe(1);
    expect(it.writes).toEqual({ 'patch clustertokenproviders/status': 1 });
    expect([it.credential.metadata.resourceVersion, it.secret()?.resourceVersion]).toEqual(before);
  });

  test('an edit of how callers present the token rewrites the Secret without a login', async () => {
    const it = await scene();
    const { token } = it;
    const flows = [
      {
        name: 'login',
        inputs: ['username', 'password'],
        login: {
          request: { path: '/login', json: { username: '$(input.username)', password: '$(input.password)' } },
          response: { token: 'body.access_token_jwt', tokenType: 'body.token_type', expiresIn: 'body.expires_in', rejected: 'status in [400, 401]' },
        },
        usage: { header: 'X-Token', value: '$(token)' },
      },
    ];
    it.editProvider('pgf', { spec: { flows } });
    await it.advance(SECOND);
    expect(it.secret()?.data).toMatchObject({ token, header_name: 'X-Token', header_value: token });
    expect(it.logins).toBe(1);
    expect(it.waits()).toBe(true);
  });

  test('a crash after any moment of a renewal costs no second login', async () => {
    const it = await scene({ flow: 'firmeasy/login', world: { providers: { firmeasy: { cacheSeconds: 0 } } } });
    const { renewAt } = it;
    it.world.providers.firmeasy.behaviour.latencyMs = 100;
    await it.at(renewAt + 2 * SECOND);
    expect(it.logins).toBe(2);
    await it.restart();
    await it.advance(MINUTE);
    expect(it.logins).toBe(2);
  });
});

describe('the digest key is lost', () => {
  async function loseKey(it: Scene): Promise<void> {
    it.crash();
    it.world.api.delete('secrets', 'tokensync-digest-key', 'tokensync');
    await it.start();
  }

  test.each(['pgf/login', 'admintotal/jwt', 'admintotal/api-key'] as const)('the live token of %s is kept, and nothing is sent until it is renewed', async flow => {
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
  });

  test('labels of the target change without a login all the same', async () => {
    const it = await scene();
    await loseKey(it);
    it.edit({ target: { labels: { a: 'b' } } });
    await it.advance(MINUTE);
    expect(it.secret()?.labels.a).toBe('b');
    expect(it.logins).toBe(1);
  });
});

describe('suspend', () => {
  test('sends nothing, also when renewal is due; status says so, and Ready turns False at expiry', async () => {
    const it = await scene();
    const { expiresAt } = it;
    it.edit({ suspend: true });
    await it.advance(SECOND);
    expect(it.ready).toBe('True Suspended');
    await it.at(expiresAt + SECOND);
    expect(it.ready).toBe('False Suspended');
    expect(it.stalled).toBe('absent');
    expect(it.logins).toBe(1);
    it.edit({ suspend: false });
    await it.advance(SECOND);
    expect(it.ready).toBe('True TokenLive');
    expect(it.logins).toBe(2);
  });

  test('from the start: nothing is sent, and no session is made; resumed, it goes on at once', async () => {
    const it = await scene({ flow: 'admintotal/jwt', spec: { suspend: true }, ready: false });
    await it.advance(HOUR);
    expect(it.ready).toBe('False Suspended');
    expect(it.asked).toEqual([]);
    expect(it.world.api.list('secrets', 'default')).toHaveLength(1);
    it.edit({ suspend: null });
    await it.advance(SECOND);
    expect(it.waits()).toBe(true);
  });

  test('changed inputs, another account and a requested refresh wait for its end', async () => {
    const it = await scene();
    it.edit({ suspend: true });
    it.login({ password: 'new' });
    it.annotate('now');
    await it.advance(HOUR);
    expect(it.logins).toBe(1);
    expect(it.status.lastHandledRefreshAt).toBeUndefined();
    it.edit({ environment: 'development' });
    await it.advance(HOUR);
    expect(it.logins).toBe(1);
    expect(it.ready).toBe('False InputsChanged');
  });

  test('repair from what is held goes on, and so do new labels and another name', async () => {
    const it = await scene();
    it.edit({ suspend: true });
    await it.advance(SECOND);
    const before = it.secret();
    it.deleteSecret();
    await it.advance(SECOND);
    expect(it.secret()?.data).toEqual(before?.data);
    it.edit({ target: { name: 'elsewhere', labels: { a: 'b' } } });
    await it.advance(SECOND);
    expect(it.secret('elsewhere')).toMatchObject({ data: before?.data, labels: { a: 'b' } });
    expect(it.secret()).toBeUndefined();
    expect(it.logins).toBe(1);
  });
});

describe('deletion', () => {
  test.each(['pgf/login', 'admintotal/jwt'] as const)('while a login of %s is under way: nothing is created afterwards, and nothing errs', async flow => {
    const it = await scene({
      flow,
      ready: false,
      before: world => {
        for (const provider of world.providers.all) provider.behaviour.latencyMs = 3000;
      },
    });
    await it.advance(SECOND);
    expect(it.asked).toHaveLength(1);
    it.deleteCredential();
    it.calm();
    await it.advance(HOUR);
    expect(it.world.api.list('secrets', 'default').map(({ metadata }) => metadata.name)).toEqual([`${it.name}-login`]);
    expect(Object.keys(it.writes).filter(call => !call.startsWith('delete'))).toEqual([]);
    expect(it.asked).toHaveLength(1);
    expect(it.world.logs.filter(line => line.includes('reconcile failed'))).toEqual([]);
  });

  test('while a renewal is under way', async () => {
    const it = await scene({ flow: 'admintotal/jwt' });
    it.world.providers.admintotal.behaviour.latencyMs = 3000;
    await it.until(() => it.asked.length === 2, HOUR);
    it.deleteCredential();
    await it.advance(HOUR);
    expect(it.world.api.list('secrets', 'default').map(({ metadata }) => metadata.name)).toEqual([`${it.name}-login`]);
    expect(it.asked).toHaveLength(2);
    expect(it.world.logs.filter(line => line.includes('reconcile failed'))).toEqual([]);
  });

  test('and made again under the same name while its login is under way: each UID has its own token', async () => {
    const it = await scene({ ready: false, before: world => { world.providers.pgf.behaviour.latencyMs = 3000; } });
    await it.advance(SECOND);
    it.deleteCredential();
    it.put(it.fixture.credential);
    await it.advance(MINUTE);
    expect(it.waits()).toBe(true);
    expect(it.secret()?.owners).toEqual([`ProviderCredential/${it.name} controller`]);
    expect(it.logins).toBe(2);
  });

  test('of one credential leaves the others alone', async () => {
    const it = await scene();
    const other = addCredential(it.world, 'pgf/login', 2);
    await it.advance(10 * SECOND);
    it.deleteCredential();
    await it.advance(HOUR);
    expect(isReady(it.world, other)).toBe(true);
  });
});
