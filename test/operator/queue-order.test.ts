import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import type { World } from '../../sandbox/world.ts';
import { ProviderStatus } from '../../src/api/provider.ts';
import { addCredential, editProvider, isReady, MINUTE, SECOND, scene, statusOf } from './scene.ts';

function limited(name: string, limits: JsonObject): (world: World) => void {
  return world => editProvider(world, name, { spec: { limits } });
}

describe('one slow or dead provider never holds up the others', () => {
  test('a provider that answers nothing, at a hundred hosts at once', async () => {
    const it = await scene();
    it.world.providers.admintotal.behaviour.down = 'hang';
    for (let index = 2; index < 102; index += 1) addCredential(it.world, 'admintotal/jwt', index);
    await it.advance(100);
    const late = addCredential(it.world, 'ventiapp/password', 1);
    await it.advance(SECOND);
    expect(isReady(it.world, late)).toBe(true);
    // Nor those that come while it goes on.
    await it.advance(MINUTE);
    const later = addCredential(it.world, 'sendfact/token', 1);
    await it.advance(SECOND);
    expect(isReady(it.world, later)).toBe(true);
  });

  test('a provider that takes nine seconds for each answer', async () => {
    const it = await scene({ flow: 'sendfact/token' });
    it.world.providers.pgf.behaviour.latencyMs = 9000;
    for (let index = 2; index < 80; index += 1) addCredential(it.world, 'pgf/login', index);
    await it.until(() => {
      const { token } = it;
      expect(it.world.providers.isLive(token)).toBe(true);
      return false;
    }, 5 * MINUTE);
    expect(it.asked.filter(({ provider }) => provider === 'sendfact').length).toBeGreaterThan(10);
  });
});

describe('limits of an origin', () => {
  test('no more than spec.limits.concurrency requests are under way at once', async () => {
    const it = await scene({ before: limited('pgf', { concurrency: 3 }) });
    it.world.providers.pgf.behaviour.latencyMs = 1000;
    for (let index = 2; index < 32; index += 1) addCredential(it.world, 'pgf/login', index);
    await it.advance(20 * SECOND);
    const times = it.asked.slice(1).map(({ at }) => at);
    expect(times).toHaveLength(30);
    for (const [index, at] of times.entries()) {
      expect(at - (times[index - 3] ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(SECOND);
    }
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(12 * SECOND);
  });

  test('no more than spec.limits.requestsPerMinute are sent in any minute, and no fewer than it allows', async () => {
    const it = await scene({ before: limited('pgf', { requestsPerMinute: 30 }) });
    for (let index = 2; index < 92; index += 1) addCredential(it.world, 'pgf/login', index);
    await it.advance(4 * MINUTE);
    const times = it.asked.map(({ at }) => at);
    expect(times.length).toBe(91);
    for (const [index, at] of times.entries()) {
      expect(at - (times[index - 30] ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(MINUTE);
    }
  });

  test('hold for each origin of a provider by itself', async () => {
    const it = await scene({ before: limited('admintotal', { requestsPerMinute: 1 }) });
    const made = [1, 2, 3, 4].map(index => addCredential(it.world, 'admintotal/api-key', index));
    await it.advance(SECOND);
    expect(made.every(one => isReady(it.world, one))).toBe(true);
  });

  test('the condition Saturated names both rates while the need exceeds the limit, and goes when it is raised', async () => {
    const it = await scene({
      flow: 'sendfact/token',
      before: limited('sendfact', { requestsPerMinute: 10 }),
    });
    const saturated = () =>
      ProviderStatus.parse(it.world.api.get('clustertokenproviders', 'sendfact')?.status).conditions.find(
        ({ type }) => type === 'Saturated',
      );
    expect(saturated()).toMatchObject({ status: 'False', reason: 'WithinLimits' });
    const others = Array.from({ length: 9 }, (_, index) =>
      addCredential(it.world, 'sendfact/token', index + 2),
    );
    await it.advance(3 * MINUTE);
    expect(saturated()).toMatchObject({ status: 'True', reason: 'NeedExceedsLimit' });
    const [, need = '', limit = ''] =
      /need ([0-9.]+) requests a minute.* allows ([0-9]+)/.exec(saturated()?.message ?? '') ?? [];
    // ten, each after 12.5 to 25 s
    expect(Number(need)).toBeGreaterThan(20);
    expect(Number(need)).toBeLessThan(50);
    expect(limit).toBe('10');
    limited('sendfact', { requestsPerMinute: 60 })(it.world);
    await it.advance(SECOND);
    expect(saturated()).toMatchObject({ status: 'False', reason: 'WithinLimits' });
    limited('sendfact', { requestsPerMinute: 10 })(it.world);
    await it.advance(SECOND);
    expect(saturated()).toMatchObject({ status: 'True' });
    for (const { name } of others) it.world.api.delete('providercredentials', name, 'default');
    await it.advance(SECOND);
    expect(saturated()).toMatchObject({ status: 'False' });
  });
});

describe('two operators, each for its own namespaces', () => {
  test('do not answer each other in a provider’s status without end, where one finds it saturated', async () => {
    const it = await scene({
      flow: 'sendfact/token',
      before: limited('sendfact', { requestsPerMinute: 1 }),
      flags: ['--watch-namespaces=default'],
    });
    await it.start(['--watch-namespaces=kube-public']);
    const spared = addCredential(it.world, 'sendfact/token', 2, {
      namespace: 'kube-public',
      spec: { suspend: true },
    });
    await it.advance(MINUTE);
    it.calm();
    await it.advance(30 * MINUTE);
    expect(isReady(it.world, spared)).toBe(false);
    expect(it.calls['patch clustertokenproviders/status'] ?? 0).toBeLessThan(65);
  });
});

describe('what credentials need of an origin', () => {
  const needed = (world: World, name: string): string | undefined =>
    ProviderStatus.parse(world.api.get('clustertokenproviders', name)?.status).conditions.find(
      ({ type }) => type === 'Saturated',
    )?.status;

  test.each([
    ['are suspended', { suspend: true }],
    ['name a provider that is not there', { providerRef: { name: 'gone' } }],
  ])('is nothing once they %s: Saturated goes', async (_what, spec) => {
    const it = await scene({
      flow: 'sendfact/token',
      before: limited('sendfact', { requestsPerMinute: 1 }),
    });
    await it.advance(MINUTE);
    expect(needed(it.world, 'sendfact')).toBe('True');
    it.edit(spec);
    await it.advance(MINUTE);
    expect(needed(it.world, 'sendfact')).toBe('False');
  });
});

describe('the order of work', () => {
  test('a wave of renewals never starves a new credential', async () => {
    const it = await scene({
      flow: 'sendfact/token',
      before: limited('sendfact', { requestsPerMinute: 30 }),
    });
    // Renewals alone need some 70 a minute.
    for (let index = 2; index < 31; index += 1)
      addCredential(it.world, 'sendfact/token', index, { namespace: 'kube-public' });
    await it.advance(5 * MINUTE);
    const late = addCredential(it.world, 'sendfact/token', 100);
    await it.advance(6 * SECOND);
    expect(statusOf(it.world, late)?.token).toBeDefined();
  });

  test('a wave of new credentials never starves a renewal near its end', async () => {
    const it = await scene({ flow: 'firmeasy/login', before: limited('firmeasy', { requestsPerMinute: 3 }) });
    const { expiresAt, renewAt } = it;
    await it.at(renewAt - MINUTE);
    // Work for an hour, and what is new comes first.
    for (let index = 2; index < 150; index += 1)
      addCredential(it.world, 'firmeasy/login', index, { namespace: 'kube-public' });
    await it.at(expiresAt - 2 * MINUTE);
    expect(it.expiresAt).toBe(expiresAt);
    await it.at(expiresAt - SECOND);
    expect(it.expiresAt).toBeGreaterThan(expiresAt);
  });

  test('namespaces take turns: a crowd in one does not hold up another’s only credential', async () => {
    const it = await scene({ before: limited('pgf', { requestsPerMinute: 60 }) });
    for (let index = 2; index < 202; index += 1)
      addCredential(it.world, 'pgf/login', index, { namespace: 'kube-public' });
    await it.advance(SECOND);
    const late = addCredential(it.world, 'pgf/login', 300, { namespace: 'kube-system' });
    await it.advance(4 * SECOND);
    expect(isReady(it.world, late)).toBe(true);
  });

  test('renewals go by expiry', async () => {
    const it = await scene({ flow: 'firmeasy/login' });
    for (let index = 9; index > 1; index -= 1) {
      await it.advance(MINUTE);
      addCredential(it.world, 'firmeasy/login', index);
    }
    await it.advance(SECOND);
    // All fall due while the operator is away.
    it.crash();
    await it.advance(48 * MINUTE);
    limited('firmeasy', { requestsPerMinute: 6 })(it.world);
    const before = it.asked.length;
    await it.start();
    await it.advance(3 * MINUTE);
    const [first, ...order] = it.asked.slice(before).map(({ account }) => account.split('@')[0]);
    // One is sent before the others' inputs were read: which, is the API server's doing.
    const expected = [1, 9, 8, 7, 6, 5, 4, 3, 2].map(index => `user-${index}`);
    expect(expected).toContain(first);
    expect(order).toEqual(expected.filter(user => user !== first));
  });
});
