import { describe, expect, test } from 'vitest';
import { secret } from '../../sandbox/fixtures.ts';
import { HOUR, MINUTE, scene, SECOND } from './scene.ts';

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
        const response = { token: 'body.access_token_jwt', expiresIn: 'body.expires_in', outputs: { kind: 'body.token_type' } };
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
                  request: { path: '/login', json: { username: '$(input.username)', password: '$(input.password)' } },
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
      spec: { target: { type: 'example.com/token', labels: { team: 'blue' }, annotations: { note: 'hello' } } },
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

describe('edits of the target', () => {
  test('labels, annotations and templates change without a login; what the spec drops is removed, what others added stays', async () => {
    const it = await scene({
      spec: { target: { labels: { team: 'blue', old: 'x' }, annotations: { old: 'x' }, data: { a: '$(token)', b: 'b' } } },
    });
    it.editSecret({
      metadata: { labels: { theirs: 'yes' }, annotations: { theirs: 'yes' } },
      data: { theirs: Buffer.from('kept').toString('base64') },
    });
    await it.advance(MINUTE);
    const logins = it.logins;
    it.edit({ target: { labels: { team: 'red', old: null }, annotations: { old: null, note: 'n' }, data: { b: null, c: 'c $(token)' } } });
    await it.advance(SECOND);
    const now = it.secret();
    expect(now?.labels).toEqual({ team: 'red', theirs: 'yes', 'tokensync.dev/managed': 'true' });
    expect(now?.annotations).toMatchObject({ note: 'n', theirs: 'yes' });
    expect(now?.annotations).not.toHaveProperty('old');
    expect(now?.data).toEqual({ a: now?.data.a, c: `c ${now?.data.a}`, theirs: 'kept' });
    expect(it.logins).toBe(logins);
    expect(it.waits()).toBe(true);
  });

  test('what others added is left alone by a renewal as well', async () => {
    const it = await scene({ flow: 'sendfact/token' });
    const before = it.token;
    it.editSecret({ metadata: { labels: { theirs: 'yes' } }, data: { theirs: Buffer.from('kept').toString('base64') } });
    await it.until(() => it.token !== before, MINUTE);
    await it.advance(MINUTE);
    expect(it.secret()?.labels.theirs).toBe('yes');
    expect(it.secret()?.data.theirs).toBe('kept');
  });

  test('after a restart a label of the spec changes without a login, also beside templates that do not hold the whole answer', async () => {
    const it = await scene({ spec: { target: { data: { key: 'x $(token)' }, labels: { team: 'blue' } } } });
    const { data } = it.secret() ?? {};
    await it.restart();
    await it.advance(MINUTE);
    it.edit({ target: { labels: { team: 'red' }, annotations: { note: 'n' } } });
    await it.advance(MINUTE);
    expect(it.secret()).toMatchObject({ data, labels: { team: 'red' }, annotations: { note: 'n' } });
    expect(it.logins).toBe(1);
    expect(it.waits()).toBe(true);
  });

  test('after a restart a new template is filled from the default keys without a login', async () => {
    const it = await scene();
    const token = it.token;
    await it.restart();
    it.edit({ target: { data: { mine: '$(headerValue)' } } });
    await it.advance(SECOND);
    expect(it.secret()?.data).toEqual({ mine: `Bearer ${token}` });
    expect(it.logins).toBe(1);
  });

  test('another name: the new Secret is written before the old one is removed, and nothing is sent', async () => {
    const it = await scene();
    const token = it.token;
    it.calm();
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(SECOND);
    expect(it.secret('elsewhere')?.data.token).toBe(token);
    expect(it.secret()).toBeUndefined();
    const order = it.world.api.requests
      .all(({ verb, resource }) => resource === 'secrets' && (verb === 'patch' || verb === 'delete'))
      .map(({ verb, name }) => `${verb} ${name}`);
    expect(order).toEqual(['patch elsewhere', `delete ${it.targetName}`]);
    expect(it.logins).toBe(1);
    expect(it.waits()).toBe(true);
    expect(it.status.token?.secretName).toBe('elsewhere');
  });

  test('another name after a restart, and a crash between the two Secrets: no login, and the old one is removed in the end', async () => {
    const it = await scene();
    const token = it.token;
    await it.restart();
    it.world.api.inject(({ verb, resource }) => verb === 'delete' && resource === 'secrets', 'hang', 1);
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(SECOND);
    await it.restart();
    await it.advance(MINUTE);
    expect(it.secret('elsewhere')?.data.token).toBe(token);
    expect(it.secret()).toBeUndefined();
    expect(it.logins).toBe(1);
  });

  test('another name and type; with Retain the old Secret stays as it is', async () => {
    const it = await scene({ spec: { target: { deletionPolicy: 'Retain' } } });
    const before = it.secret();
    it.edit({ target: { name: 'elsewhere', type: 'example.com/token' } });
    await it.advance(MINUTE);
    expect(it.secret('elsewhere')).toMatchObject({ type: 'example.com/token', data: before?.data });
    expect(it.secret()).toEqual(before);
    expect(it.logins).toBe(1);
  });

  test('another name and Retain at once: the old Secret stays', async () => {
    const it = await scene();
    it.edit({ target: { name: 'elsewhere', deletionPolicy: 'Retain' } });
    await it.advance(MINUTE);
    expect(it.secret('elsewhere')?.owners).toEqual([]);
    expect(it.secret()?.data).toEqual(it.secret('elsewhere')?.data);
  });

  test('another name after a restart, also beside templates that do not hold the whole answer: no login', async () => {
    const it = await scene({ spec: { target: { data: { key: 'x $(token)' } } } });
    const { data } = it.secret() ?? {};
    await it.restart();
    await it.advance(MINUTE);
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(MINUTE);
    expect(it.secret('elsewhere')?.data).toEqual(data);
    expect(it.secret()).toBeUndefined();
    expect(it.logins).toBe(1);
  });

  test('another name that is a stranger’s: a conflict, and the old Secret goes on being there', async () => {
    const it = await scene();
    const before = it.secret();
    it.put(secret('default', 'elsewhere', { theirs: 'yes' }));
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(MINUTE);
    expect(it.ready).toBe('False SecretConflict');
    expect(it.secret()).toEqual(before);
    expect(it.secret('elsewhere')?.data).toEqual({ theirs: 'yes' });
    it.edit({ target: { name: it.targetName } });
    await it.advance(SECOND);
    expect(it.ready).toBe('True TokenLive');
    expect(it.logins).toBe(1);
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
    it.put({ ...it.fixture.credential, spec: { ...(it.fixture.credential.spec as object), target: { name: it.targetName } } });
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
    it.put({
      ...it.fixture.credential,
      spec: { ...(it.fixture.credential.spec as object), target: { name: it.targetName, type: 'example.com/token' } },
    });
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
    const it = await scene({ ready: false, before: world => { world.providers.pgf.behaviour.latencyMs = 2000; } });
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
