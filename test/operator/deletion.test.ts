import { describe, expect, test } from 'vitest';
import { addCredential, HOUR, isReady, MINUTE, SECOND, scene } from './scene.ts';

describe('deletion', () => {
  test.each(['pgf/login', 'admintotal/jwt'] as const)(
    'while a login of %s is under way: nothing is created afterwards, and nothing errs',
    async flow => {
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
      expect(it.world.api.list('secrets', 'default').map(({ metadata }) => metadata.name)).toEqual([
        `${it.name}-login`,
      ]);
      expect(Object.keys(it.writes).filter(call => !call.startsWith('delete'))).toEqual([]);
      expect(it.asked).toHaveLength(1);
      expect(it.world.logs.filter(line => line.includes('reconcile failed'))).toEqual([]);
    },
  );

  test('while a renewal is under way', async () => {
    const it = await scene({ flow: 'admintotal/jwt' });
    it.world.providers.admintotal.behaviour.latencyMs = 3000;
    await it.until(() => it.asked.length === 2, HOUR);
    it.deleteCredential();
    await it.advance(HOUR);
    expect(it.world.api.list('secrets', 'default').map(({ metadata }) => metadata.name)).toEqual([
      `${it.name}-login`,
    ]);
    expect(it.asked).toHaveLength(2);
    expect(it.world.logs.filter(line => line.includes('reconcile failed'))).toEqual([]);
  });

  test('and made again under the same name while its login is under way: each UID has its own token', async () => {
    const it = await scene({
      ready: false,
      before: world => {
        world.providers.pgf.behaviour.latencyMs = 3000;
      },
    });
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
