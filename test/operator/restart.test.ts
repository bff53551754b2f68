import { describe, expect, test } from 'vitest';
import { HOUR, MINUTE, SECOND, scene } from './scene.ts';

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
    expect(
      it.world.api.requests.count(({ resource, verb }) => resource === 'events' && verb === 'create'),
    ).toBe(0);
  });

  test('a restart reads the login and the target once each, and lists nothing but what it watches', async () => {
    const it = await scene();
    it.calm();
    await it.restart();
    await it.advance(MINUTE);
    expect(it.calls).toEqual({ 'get secrets': 3 });
  });

  describe('among many', () => {
    const many = { world: { readAtStart: 0 } };

    test('a restart reads nothing but the digest key, and writes nothing', async () => {
      const it = await scene(many);
      it.calm();
      await it.restart();
      await it.advance(MINUTE);
      expect(it.calls).toEqual({ 'get secrets': 1 });
      expect(it.waits()).toBe(true);
    });

    test('what is due after a restart is read, and renewed in time', async () => {
      const it = await scene(many);
      const { renewAt } = it;
      await it.restart();
      it.calm();
      await it.at(renewAt + 10 * SECOND);
      expect(it.logins).toBe(2);
      expect(it.calls).toMatchObject({ 'get secrets': 1, 'patch secrets': 1 });
    });

    test('a login that was changed while it was down is read, and sent', async () => {
      const it = await scene(many);
      it.crash();
      it.login({ password: 'another' });
      await it.start();
      await it.advance(MINUTE);
      expect(it.asked.length).toBeGreaterThan(1);
    });

    test('a Secret that was edited while it was down is put right', async () => {
      const it = await scene(many);
      it.crash();
      it.put({
        ...it.world.api.get('secrets', it.targetName, it.fixture.namespace),
        data: { token: 'eA==' },
      });
      expect(it.token).toBe('x');
      await it.start();
      await it.advance(2 * MINUTE);
      expect(it.token).not.toBe('x');
    });
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
          response: {
            token: 'body.access_token_jwt',
            tokenType: 'body.token_type',
            expiresIn: 'body.expires_in',
            rejected: 'status in [400, 401]',
          },
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
    const it = await scene({
      flow: 'firmeasy/login',
      world: { providers: { firmeasy: { cacheSeconds: 0 } } },
    });
    const { renewAt } = it;
    it.world.providers.firmeasy.behaviour.latencyMs = 100;
    await it.at(renewAt + 2 * SECOND);
    expect(it.logins).toBe(2);
    await it.restart();
    await it.advance(MINUTE);
    expect(it.logins).toBe(2);
  });
});
