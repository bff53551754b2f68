import { describe, expect, test } from 'vitest';
import { FLOWS } from '../../sandbox/fixtures.ts';
import { createWorld } from '../../sandbox/world.ts';
import { addCredential, isReady } from './scene.ts';
import { answer, LOST, refused, trouble, UNREACHED } from './trouble.ts';

/** Defects that were read in the source of the operator that is used most for this today; ours has none of them. */

describe('unlike in others', () => {
  test('a refused login (401) is no success in the metrics', async () => {
    const t = await trouble({}, made => {
      made.answer = () => refused();
      made.apply('a');
    });
    await t.pass(700);
    const total = (result: string): Promise<number | undefined> =>
      t.metric(`tokensync_refresh_total{provider="acme",flow="password",grant="login",result="${result}"}`);
    expect([await total('rejected'), await total('success')]).toEqual([3, 0]);
    expect(await t.metric('tokensync_credential_ready{namespace="team",name="a",provider="acme"}')).toBe(0);
  });

  test.each([
    ['a 404', () => answer(404)],
    ['a 410', () => answer(410)],
    ['a 401', () => refused()],
    ['an empty 200', () => answer(200, '')],
    ['an outage', () => UNREACHED],
  ])('%s from the provider never deletes or empties a Secret, even past its expiry', async (_what, given) => {
    const t = await trouble({ expiresIn: 300 }, made => made.apply('a'));
    await t.until(() => t.token('a') === 'token-1');
    const { uid } = t.meta('secrets', 'a-token');
    t.answer = given;
    await t.pass(7200);
    expect([t.token('a'), t.meta('secrets', 'a-token').uid]).toEqual(['token-1', uid]);
    expect(t.condition('a', 'Ready')?.status).toBe('False');
  });

  test('an edit of labels or annotations is no login, on whatever object it is', async () => {
    const t = await trouble({ expiresIn: 36_000 }, made => made.apply('a'));
    await t.until(() => t.token('a') === 'token-1');
    await t.pass(5);
    const metadata = { labels: { x: 'y' }, annotations: { 'example.com/x': 'y' } };
    t.patch('providercredentials', 'a', { metadata });
    t.patch('secrets', 'a-login', { metadata });
    t.patch('secrets', 'a-token', { metadata });
    t.patch('clustertokenproviders', 'acme', { metadata });
    t.patch('providercredentials', 'a', { spec: { target: { labels: { pods: 'see' } } } });
    await t.pass(600);
    expect(t.logins).toBe(1);
    expect([t.token('a'), t.says('a', 'Ready')]).toEqual(['token-1', 'True TokenLive']);
  });

  test('a wrong password is sent 3 times, not 200 times a day', async () => {
    const t = await trouble({}, made => made.apply('a', { password: 'wrong' }));
    await t.pass(43_200);
    expect(t.logins).toBe(3);
  });

  test('credentials that are worked on at once never serve one another', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `c${index}`);
    const owner = new Map<string, string>();
    const t = await trouble({ expiresIn: 300, flags: ['--max-concurrent-reconciles=32'] }, made => {
      made.answer = asked => {
        const given = made.grant(asked);
        owner.set(made.tokens.at(-1) ?? '', asked.username);
        const ms = (made.asked.length * 7919) % 900;
        return new Promise(resolve => made.world.clock.after(ms, () => resolve(given)));
      };
      for (const name of names) made.apply(name);
    });
    for (let minute = 0; minute < 6; minute += 1) {
      await t.pass(60);
      for (const name of names) expect(owner.get(t.token(name))).toBe(name);
    }
    expect(t.logins).toBeGreaterThan(80);
  });

  test('a secret in the URL comes out nowhere, whatever goes wrong', async () => {
    const secret = 'c4n4ry-in-the-path';
    const t = await trouble(
      {
        login: { request: { path: '/v1/$(input.password)/login', json: { username: '$(input.username)' } } },
      },
      made => made.apply('a', { password: secret }),
    );
    const faults = [
      () => UNREACHED,
      () => LOST,
      () => answer(404, { error: `no ${secret}` }),
      () => answer(302, {}, { location: `https://elsewhere.example/${secret}` }),
      () => answer(500, secret),
      () => answer(200, { token: `${secret}\n` }),
      () => answer(429, { error: secret }, { 'retry-after': secret }),
    ];
    for (const [index, fault] of faults.entries()) {
      t.answer = fault;
      t.annotate('a', `${index}`);
      await t.pass(3700);
    }
    expect(t.logins).toBeGreaterThanOrEqual(faults.length);
    const shown = [
      JSON.stringify(t.world.api.list('events')),
      JSON.stringify(t.world.api.list('providercredentials')),
      JSON.stringify(t.world.api.list('clustertokenproviders')),
      t.world.logs.join(''),
      await t.run.scrape(),
    ];
    for (const text of shown) {
      expect(text.length).toBeGreaterThan(100);
      expect(text).not.toContain('c4n4ry');
    }
  });

  test('a renewal is one request to the provider, one Secret write, one status write, no read and no Event', async () => {
    const t = await trouble({ expiresIn: 600 }, made => made.apply('a'));
    await t.until(() => t.token('a') === 'token-1');
    await t.pass(5);
    t.world.api.requests.clear();
    await t.until(() => t.logins === 4, 3600);
    await t.pass(2);
    const calls = t.world.api.requests
      .all(({ verb }) => verb !== 'watch')
      .map(({ verb, resource, subresource }) => `${verb} ${resource}/${subresource}`);
    expect(calls).toEqual(Array(3).fill(['patch secrets/', 'patch providercredentials/status']).flat());
  });

  test('at rest nothing is sent at all', async () => {
    const world = createWorld();
    const made = FLOWS.filter(flow => flow !== 'sendfact/token' && flow !== 'admintotal/jwt').map(
      (flow, index) => addCredential(world, flow, index),
    );
    const run = world.start();
    await world.clock.advance(5000);
    expect(made.every(fixture => isReady(world, fixture))).toBe(true);
    world.api.requests.clear();
    const before = world.providers.log.entries.length;
    await world.clock.advance(20 * 60_000);
    expect(world.api.requests.count(({ verb }) => verb !== 'watch')).toBe(0);
    expect(world.providers.log.entries.length).toBe(before);
    run.crash();
  });
});
