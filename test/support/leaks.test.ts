import { describe, expect, test } from 'vitest';
import { fixture, secret } from '../../sandbox/fixtures.ts';
import { createWorld, listenToWorlds, type World } from '../../sandbox/world.ts';
import { Canaries } from './canaries.ts';
import { WorldSearch } from './world-search.ts';

/** The search itself: it would be of no use if it found nothing. */

const SECRET = 'p"ss/word +%ü';

describe('a secret value is found', () => {
  const forms: [string, string][] = [
    ['as it is', SECRET],
    ['percent-encoded', encodeURIComponent(SECRET)],
    ['in a form', new URLSearchParams({ password: SECRET }).toString()],
    ['in JSON', JSON.stringify({ password: SECRET })],
    ['in base64', Buffer.from(SECRET).toString('base64')],
    ['in base64 after one byte', Buffer.from(`:${SECRET}`).toString('base64')],
    ['in base64 after two bytes', Buffer.from(`u:${SECRET}`).toString('base64')],
    ['in base64 with more behind it', Buffer.from(`user:${SECRET}@host`).toString('base64')],
    ['in base64url', Buffer.from(`a${SECRET}`).toString('base64url')],
  ];
  test.each(forms)('%s', (_form, text) => {
    const canaries = new Canaries();
    canaries.add(SECRET);
    expect(canaries.find(`before ${text} after`)).not.toEqual([]);
    expect(canaries.find('before "nothing" after')).toEqual([]);
  });

  test('cut short, when it is long', () => {
    const canaries = new Canaries();
    const token = Array.from({ length: 20 }, (_, at) => at.toString(36).repeat(3)).join('-');
    canaries.add(token);
    expect(canaries.find(`token ${token.slice(0, 20)}…`)).not.toEqual([]);
    expect(canaries.find(`token …${token.slice(-20)}`)).not.toEqual([]);
  });
});

describe('of what an operator says, a planted leak is found', () => {
  const searched = async (plant: (world: World) => Promise<void> | void): Promise<string[]> => {
    let search: WorldSearch | undefined;
    listenToWorlds(world => (search = new WorldSearch(world)));
    const world = createWorld();
    const { source, credential } = fixture('pgf/login', 1, world.providers);
    world.api.put(source);
    world.api.put(credential);
    const run = world.start();
    await world.clock.advance(5000);
    expect(world.api.get('secrets', 'pgf-login-1-token', 'default'), 'published').toBeDefined();
    await plant(world);
    run.crash();
    return (await search?.leaks()) ?? [];
  };
  const token = (world: World): string => [...world.providers.issued()][0] ?? '';
  const run = (world: World) => {
    const [first] = world.runs;
    if (first === undefined) throw new Error('no operator');
    return first;
  };

  test('nothing, when nothing is planted', async () => {
    expect(await searched(() => {})).toEqual([]);
  });

  test('a password in a log', async () => {
    const leaks = await searched(world => run(world).log.info({ detail: 'password-c4n4ry-1' }, 'stopped'));
    expect(leaks).toEqual([expect.stringMatching(/^log: .*stopped/)]);
  });

  test('a password that bears no mark, once it was in a Secret', async () => {
    const leaks = await searched(async world => {
      world.api.put(
        secret('default', 'pgf-login-1-login', { username: 'user-1', password: 'no-canary-here' }),
      );
      await world.clock.advance(1000);
      run(world).log.info({ detail: encodeURIComponent('no-canary-here') }, 'stopped');
    });
    expect(leaks).toEqual([expect.stringMatching(/^log: .*stopped/)]);
  });

  test('a token in a log', async () => {
    const leaks = await searched(world => run(world).log.info({ detail: token(world) }, 'stopped'));
    expect(leaks.length).toBeGreaterThan(0);
  });

  test.each([
    [
      'a status',
      '/apis/tokensync.dev/v1alpha1/namespaces/default/providercredentials/x/status',
      { status: { message: 'c4n4ry' } },
    ],
    [
      "a Secret's annotation",
      '/api/v1/namespaces/default/secrets/x',
      { metadata: { annotations: { note: 'c4n4ry' } } },
    ],
    ['a path', '/api/v1/namespaces/default/secrets/c4n4ry', {}],
  ])('a password in %s', async (_where, path, body) => {
    const search = new WorldSearch(createWorld());
    const request = {
      method: 'PATCH',
      url: new URL(`http://api${path}`),
      headers: {},
      signal: new AbortController().signal,
    };
    search.request({ ...request, body: Buffer.from(JSON.stringify(body)) }, { status: 200 });
    expect(await search.leaks()).toHaveLength(1);
  });

  test("but not in a Secret's data, which is where it belongs", async () => {
    const search = new WorldSearch(createWorld());
    const url = new URL('http://api/api/v1/namespaces/default/secrets/x');
    const body = Buffer.from(JSON.stringify({ data: { token: Buffer.from('c4n4ry').toString('base64') } }));
    search.request(
      { method: 'PATCH', url, headers: {}, body, signal: new AbortController().signal },
      { status: 200 },
    );
    expect(await search.leaks()).toEqual([]);
  });

  test('a token in a label of /metrics', async () => {
    const leaks = await searched(world => {
      run(world).metrics.setCredential(`default/${token(world)}`, 'pgf', {
        ready: true,
        reason: 'TokenLive',
        rejections: 0,
      });
    });
    expect(leaks[0]).toMatch(/^\/metrics: /);
  });
});
