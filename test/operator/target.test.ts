import { describe, expect, test } from 'vitest';
import { secret } from '../../sandbox/fixtures.ts';
import { HOUR, MINUTE, SECOND, scene, withSpec } from './scene.ts';

describe('the Secret that pods read', () => {
  test('holds the token, how to present it, and when it expires, under keys that work as environment names', async () => {
    const it = await scene({ flow: 'sendfact/token' });
    const { data = {} } = it.secret() ?? {};
    expect(Object.keys(data).sort()).toEqual([
      'expires_at',
      'header_name',
      'header_value',
      'token',
      'token_type',
    ]);
    expect(it.world.providers.isLive(data.token ?? '')).toBe(true);
    expect(data).toMatchObject({
      token_type: 'JWT',
      header_name: 'Authorization',
      header_value: `Bearer ${data.token}`,
      expires_at: it.status.token?.expiresAt,
    });
  });

  test('has no expires_at where nothing tells an expiry, and names the header that the provider wants', async () => {
    const it = await scene({ flow: 'admintotal/api-key' });
    const { data = {} } = it.secret() ?? {};
    expect(data).not.toHaveProperty('expires_at');
    expect(data).toMatchObject({ header_name: 'Api-key', header_value: data.token });
  });

  test('has a key for each output of the flow', async () => {
    const it = await scene({
      before: world => {
        const response = {
          token: 'body.access_token_jwt',
          expiresIn: 'body.expires_in',
          outputs: { kind: 'body.token_type' },
        };
        world.api.put({
          apiVersion: 'tokensync.dev/v1alpha1',
          kind: 'ClusterTokenProvider',
          metadata: { name: 'pgf' },
          spec: {
            environments: [{ name: 'production', baseUrl: 'https://api.pgf.cl' }],
            flows: [
              {
                name: 'login',
                inputs: ['username', 'password'],
                login: {
                  request: {
                    path: '/login',
                    json: { username: '$(input.username)', password: '$(input.password)' },
                  },
                  response,
                },
              },
            ],
          },
        });
      },
    });
    expect(it.secret()?.data.kind).toBe('Bearer');
  });

  test('has the templates of target.data, with filters, in place of the default keys', async () => {
    const it = await scene({
      flow: 'admintotal/jwt',
      spec: {
        target: {
          data: {
            'config.ini': 'token=$(token)\nuntil=$(expiresAt)\nhome=$(param.clave)',
            header: '$(headerName): $(headerValue)',
            basic: '$(token | base64)',
            'token.json': '{"token": $(token | json)}',
            url: 'https://api/?t=$(headerValue | urlencode)',
            escaped: '$$(token)',
          },
        },
      },
    });
    const { data = {} } = it.secret() ?? {};
    const token = data.header?.replace('Authorization: Bearer ', '') ?? '';
    expect(it.world.providers.isLive(token)).toBe(true);
    expect(data).toEqual({
      'config.ini': `token=${token}\nuntil=${it.status.token?.expiresAt}\nhome=acme-1`,
      header: `Authorization: Bearer ${token}`,
      basic: Buffer.from(token).toString('base64'),
      'token.json': `{"token": ${JSON.stringify(token)}}`,
      url: `https://api/?t=Bearer%20${token}`,
      escaped: '$(token)',
    });
  });

  test.each(['$(input.password)', '$(session.refreshToken)', '$(nonsense)', '$(output.nonsense)'])(
    'a template never reads %s: the field is named, and nothing is sent',
    async template => {
      const it = await scene({ spec: { target: { data: { key: template } } }, ready: false });
      await it.advance(MINUTE);
      expect(it.ready).toBe('False TemplateInvalid');
      expect(it.condition('Ready')?.message).toContain('spec.target.data');
      expect(it.asked).toEqual([]);
      it.edit({ target: { data: { key: '$(token)' } } });
      await it.advance(SECOND);
      expect(it.ready).toBe('True TokenLive');
    },
  );

  test('has the labels, annotations and type of the spec, is managed by one field manager, and goes with its credential', async () => {
    const it = await scene({
      spec: {
        target: { type: 'example.com/token', labels: { team: 'blue' }, annotations: { note: 'hello' } },
      },
    });
    expect(it.secret()).toMatchObject({
      type: 'example.com/token',
      labels: { team: 'blue', 'tokensync.dev/managed': 'true' },
      annotations: { note: 'hello', 'tokensync.dev/credential': `default/${it.name}` },
      owners: [`ProviderCredential/${it.name} controller`],
      managers: ['tokensync'],
    });
    it.deleteCredential();
    await it.advance(MINUTE);
    expect(it.secret()).toBeUndefined();
  });

  test('its default name is the credential’s', async () => {
    const it = await scene({ spec: { target: { name: null } } });
    expect(it.secret(it.name)?.data.token).not.toBe('');
    expect(it.status.token?.secretName).toBe(it.name);
  });
});

describe('deletionPolicy Retain', () => {
  test('no owner reference; the Secret outlives its credential, and a credential made again adopts it', async () => {
    const it = await scene({ spec: { target: { deletionPolicy: 'Retain' } } });
    const before = it.secret();
    expect(before?.owners).toEqual([]);
    it.deleteCredential();
    await it.advance(MINUTE);
    expect(it.secret()).toEqual(before);
    it.put(withSpec(it.fixture.credential, { target: { name: it.targetName } }));
    await it.advance(MINUTE);
    expect(it.waits()).toBe(true);
    expect(it.secret()?.uid).toBe(before?.uid);
    expect(it.secret()?.owners).toEqual([`ProviderCredential/${it.name} controller`]);
    expect(it.logins).toBe(2);
  });

  test('can be chosen and taken back at any time, without a login', async () => {
    const it = await scene();
    it.edit({ target: { deletionPolicy: 'Retain' } });
    await it.advance(SECOND);
    expect(it.secret()?.owners).toEqual([]);
    it.edit({ target: { deletionPolicy: 'Delete' } });
    await it.advance(SECOND);
    expect(it.secret()?.owners).toEqual([`ProviderCredential/${it.name} controller`]);
    expect(it.logins).toBe(1);
  });

  test('a Secret that was retained with another type cannot be written: that is said before anything is sent', async () => {
    const it = await scene({ spec: { target: { deletionPolicy: 'Retain' } } });
    it.deleteCredential();
    await it.advance(SECOND);
    const before = it.secret();
    it.put(withSpec(it.fixture.credential, { target: { name: it.targetName, type: 'example.com/token' } }));
    await it.advance(HOUR);
    expect(it.condition('Refreshed')).toMatchObject({ status: 'False', reason: 'PublishBlocked' });
    expect(it.secret()).toEqual(before);
    expect(it.logins).toBe(1);
  });
});

describe('a Secret that is not ours', () => {
  test('is a SecretConflict, is never touched, and nothing is sent; the conflict heals when it is removed', async () => {
    const it = await scene({
      ready: false,
      before: world => world.api.put(secret('default', 'pgf-login-1-token', { theirs: 'yes' })),
    });
    const before = it.secret();
    await it.advance(HOUR);
    expect(it.ready).toBe('False SecretConflict');
    expect(it.stalled).toBe('absent');
    expect(it.secret()).toEqual(before);
    expect(it.asked).toEqual([]);
    it.deleteSecret();
    await it.advance(SECOND);
    expect(it.ready).toBe('True TokenLive');
  });

  test('a stranger’s Secret made a moment before our first write is not overwritten', async () => {
    const it = await scene({
      ready: false,
      before: world => {
        world.providers.pgf.behaviour.latencyMs = 2000;
      },
    });
    await it.advance(SECOND);
    expect(it.logins).toBe(1);
    // The watch has not told of it yet.
    it.world.api.stallWatches();
    it.put(secret('default', it.targetName, { theirs: 'yes' }));
    const before = it.secret();
    await it.advance(MINUTE);
    expect(it.secret()).toEqual(before);
    expect(it.ready).toBe('False SecretConflict');
    it.world.api.dropWatches('reset');
    await it.advance(HOUR);
    expect(it.secret()).toEqual(before);
    expect(it.logins).toBe(1);
  });

  test('a stranger’s Secret in place of ours, deleted and made again, is not overwritten either', async () => {
    const it = await scene({ flow: 'sendfact/token' });
    it.deleteSecret();
    it.put(secret('default', it.targetName, { theirs: 'yes' }));
    const before = it.secret();
    await it.advance(HOUR);
    expect(it.secret()).toEqual(before);
    expect(it.ready).toBe('False SecretConflict');
  });

  test('another credential’s target is a stranger’s', async () => {
    const it = await scene();
    const before = it.secret();
    const other = it.fixture.credential;
    it.put({ ...other, metadata: { name: 'second', namespace: 'default' } });
    await it.advance(MINUTE);
    expect(it.secret()).toEqual(before);
    const second = it.world.api.get('providercredentials', 'second', 'default');
    expect(JSON.stringify(second?.status)).toContain('SecretConflict');
    expect(it.logins).toBe(1);
  });
});
