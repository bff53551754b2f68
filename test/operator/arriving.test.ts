import { describe, expect, test } from 'vitest';
import { DAY, editProvider, HOUR, MINUTE, type Scene, SECOND, scene } from './scene.ts';

describe('what may still arrive is not Stalled', () => {
  test.each([
    ['the provider', 'ProviderNotFound', (it: Scene) => it.world.api.delete('clustertokenproviders', 'pgf')],
    ['the source Secret', 'SourceMissing', (it: Scene) => it.deleteSecret(`${it.name}-login`)],
    [
      'a key of it',
      'SourceKeyMissing',
      (it: Scene) => it.editSecret({ data: { password: null } }, `${it.name}-login`),
    ],
    [
      'a value for a key of it',
      'SourceKeyMissing',
      (it: Scene) => it.editSecret({ data: { password: '' } }, `${it.name}-login`),
    ],
  ])('without %s it is False %s, and heals at once when it arrives', async (_what, reason, take) => {
    const it = await scene({ start: false });
    const provider = it.world.api.get('clustertokenproviders', 'pgf');
    take(it);
    await it.start();
    await it.advance(3 * SECOND);
    expect(it.ready).toBe(`False ${reason}`);
    expect(it.stalled).toBe('absent');
    expect(it.asked).toEqual([]);
    it.calm();
    await it.advance(DAY);
    expect(it.calls).toEqual({});
    if (provider !== undefined)
      it.put({
        apiVersion: provider.apiVersion,
        kind: provider.kind,
        metadata: { name: 'pgf' },
        spec: provider.spec,
      });
    it.login({});
    await it.advance(SECOND);
    expect(it.ready).toBe('True TokenLive');
  });

  test('a provider that is deleted while a token lives keeps Ready until the token expires, and the token is renewed when it comes back', async () => {
    const it = await scene();
    const provider = it.world.api.get('clustertokenproviders', 'pgf');
    const { expiresAt } = it;
    it.world.api.delete('clustertokenproviders', 'pgf');
    await it.at(expiresAt - SECOND);
    expect(it.ready).toBe('True TokenLive');
    expect(it.refreshed).toBe('False ProviderNotFound');
    await it.advance(2 * SECOND);
    expect(it.ready).toBe('False ProviderNotFound');
    it.put({
      apiVersion: 'tokensync.dev/v1alpha1',
      kind: 'ClusterTokenProvider',
      metadata: { name: 'pgf' },
      spec: provider?.spec,
    });
    await it.advance(SECOND);
    expect(it.ready).toBe('True TokenLive');
    expect(it.refreshed).toBe('True TokenPublished');
  });

  test('the source Secret deleted while a token lives keeps Ready, too', async () => {
    const it = await scene();
    it.deleteSecret(`${it.name}-login`);
    await it.advance(MINUTE);
    expect(it.ready).toBe('True TokenLive');
    expect(it.refreshed).toBe('False SourceMissing');
    it.login({});
    await it.advance(MINUTE);
    expect(it.refreshed).toBe('True TokenPublished');
    expect(it.logins).toBe(1);
  });

  test('a definition that an admin breaks keeps Ready while a token lives; mended, it goes on without a login', async () => {
    const it = await scene();
    const spec = it.world.api.get('clustertokenproviders', 'pgf')?.spec;
    it.editProvider('pgf', {
      spec: { environments: [{ name: 'production', baseUrl: 'https://$(param.nonsense).pgf.cl' }] },
    });
    await it.advance(MINUTE);
    expect(it.ready).toBe('True TokenLive');
    expect(it.refreshed).toBe('False ProviderNotAccepted');
    it.editProvider('pgf', { spec: spec ?? {} });
    await it.advance(MINUTE);
    expect(it.refreshed).toBe('True TokenPublished');
    expect(it.logins).toBe(1);
  });
});

describe('namespaces', () => {
  test('no credential is served in the operator’s own namespace', async () => {
    const it = await scene();
    it.put({ ...it.fixture.source, metadata: { name: `${it.name}-login`, namespace: 'tokensync' } });
    it.put({ ...it.fixture.credential, metadata: { name: it.name, namespace: 'tokensync' } });
    await it.advance(HOUR);
    const status = it.world.api.get('providercredentials', it.name, 'tokensync')?.status;
    expect(JSON.stringify(status)).toContain('NamespaceNotAllowed');
    expect(it.world.api.get('secrets', it.targetName, 'tokensync')).toBeUndefined();
    expect(it.logins).toBe(1);
  });

  test('allowedNamespaces: a namespace is served from when its labels match, and its token is no longer renewed when they do not', async () => {
    const it = await scene({
      flow: 'sendfact/token',
      ready: false,
      before: world =>
        editProvider(world, 'sendfact', {
          spec: { allowedNamespaces: { from: 'Selector', selector: { matchLabels: { tier: 'gold' } } } },
        }),
    });
    const label = (labels: Record<string, string>) =>
      it.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', labels } });
    await it.advance(MINUTE);
    expect(it.ready).toBe('False NamespaceNotAllowed');
    expect(it.asked).toEqual([]);
    label({ tier: 'gold' });
    await it.advance(SECOND);
    expect(it.waits()).toBe(true);
    label({ tier: 'lead' });
    await it.advance(10 * SECOND);
    expect(it.ready).toMatch(/^True /);
    const { logins } = it;
    await it.advance(10 * MINUTE);
    expect(it.logins).toBe(logins);
    expect(it.ready).toBe('False NamespaceNotAllowed');
    label({ tier: 'gold' });
    await it.advance(SECOND);
    expect(it.waits()).toBe(true);
  });
});
