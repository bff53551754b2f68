import { describe, expect, test } from 'vitest';
import { addCredential, HOUR, MINUTE, SECOND, scene } from './scene.ts';

describe('what a renewal costs', () => {
  test('a login: one request to the provider, one write of the Secret, one of status, and nothing else', async () => {
    const it = await scene({ flow: 'sendfact/token' });
    await it.advance(MINUTE);
    it.calm();
    const asked = it.asked.length;
    await it.advance(HOUR);
    const renewals = it.asked.length - asked;
    expect(renewals).toBeGreaterThan(100);
    expect(it.calls).toEqual({ 'patch secrets': renewals, 'patch providercredentials/status': renewals });
  });

  test.each([
    ['a refresh', { rotate: false, rests: false }, 1],
    ['a refresh that rotates its refresh token', { rotate: true, rests: false }, 2],
    ['as much after a rest, which kept nothing for the next look', { rotate: true, rests: true }, 2],
  ])('%s', async (_what, { rotate, rests }, secretWrites) => {
    const it = await scene({ flow: 'admintotal/jwt', world: { providers: { admintotal: { rotate } } } });
    await it.advance(10 * MINUTE);
    it.calm();
    const asked = it.asked.length;
    for (let minute = 0; minute < 6 * 60; minute += 1) {
      if (rests) it.run.operator.rest();
      await it.advance(MINUTE);
    }
    const renewals = it.asked.length - asked;
    expect(renewals).toBeGreaterThan(50);
    expect(it.calls).toEqual({
      'patch secrets': renewals * secretWrites,
      'patch providercredentials/status': renewals,
    });
    expect(it.logins).toBe(1);
  });

  test('at rest nothing is asked but watches, and none of them often', async () => {
    const it = await scene({ spec: { schedule: { before: '1%' } } });
    for (let index = 2; index < 12; index += 1) addCredential(it.world, 'admintotal/api-key', index);
    await it.advance(MINUTE);
    it.calm();
    await it.advance(8 * HOUR);
    expect(it.calls).toEqual({});
    const watches = [...it.world.api.requests.totals.values()].reduce((sum, count) => sum + count, 0);
    // Four collections, each opened again after some five to ten minutes.
    expect(watches).toBeLessThan((4 * 8 * 60) / 5);
  });

  test('the first token: two dry or real writes of the Secret, two of status', async () => {
    const it = await scene({ start: false });
    it.calm();
    await it.start();
    await it.advance(10 * SECOND);
    expect(it.writes).toEqual({
      'create secrets': 1,
      'patch clustertokenproviders/status': 5,
      'patch secrets': 1,
      'patch providercredentials/status': 2,
    });
  });
});
