import { describe, expect, test } from 'vitest';
import { type Trouble, trouble, writesSecret } from './trouble.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const MINUTE = 60;

/** Credentials whose tokens live 10 minutes, of both flows, with their first tokens. */
async function running(): Promise<Trouble> {
  const t = await trouble({ expiresIn: 600, rotate: true }, made => {
    for (const [index, name] of NAMES.entries())
      made.apply(name, {}, index % 2 === 0 ? {} : { flow: 'session' });
  });
  await t.until(() => allReady(t));
  return t;
}

const allReady = (t: Trouble): boolean => NAMES.every(name => t.condition(name, 'Ready')?.status === 'True');

/** No Secret holds a token that is dead, now and at every moment of the next while. */
async function staysLive(t: Trouble, seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 10) {
    await t.pass(10);
    for (const name of NAMES) {
      const expiresAt = t.secret(`${name}-token`)?.annotations['tokensync.dev/expires-at'] ?? '';
      expect(Date.parse(expiresAt), `${name} after ${passed} s`).toBeGreaterThan(t.world.clock.wall());
    }
  }
}

/** Renewals of a password come at their distance, and a session logs in once. */
function expectNoRequestTwice(t: Trouble): void {
  for (const [index, name] of NAMES.entries()) {
    const times = t.times(name);
    if (index % 2 === 1) expect(times, name).toHaveLength(1);
    for (const [before, at] of times.slice(1).entries())
      expect(at - (times[before] ?? 0), name).toBeGreaterThan(150);
  }
}

describe('tokens are renewed in time, and nothing is sent twice,', () => {
  test.each(['end', 'reset'] as const)('when all watches are dropped again and again (%s)', async how => {
    const t = await running();
    for (let drop = 0; drop < 20; drop += 1) {
      t.world.api.dropWatches(how);
      await staysLive(t, 2 * MINUTE);
    }
    expectNoRequestTwice(t);
  });

  test('when history is forgotten, so that watches must list again', async () => {
    const t = await running();
    for (let drop = 0; drop < 10; drop += 1) {
      t.world.api.compact();
      t.world.api.dropWatches('reset');
      await staysLive(t, 3 * MINUTE);
    }
    expectNoRequestTwice(t);
  });

  test('when the watches fall silent', async () => {
    const t = await running();
    t.world.api.stallWatches();
    await staysLive(t, 20 * MINUTE);
    expectNoRequestTwice(t);
    // and what was changed meanwhile is seen
    t.login('a', { password: 'right', username: 'other' });
    await t.pass(10 * MINUTE);
    expect(t.times('other').length).toBeGreaterThan(0);
  });

  test('when the API server is away for two minutes, however it looks', async () => {
    for (const fault of ['refuse', 'hang', 'reset'] as const) {
      const t = await running();
      for (let outage = 0; outage < 5; outage += 1) {
        const injected = t.inject(() => true, fault);
        t.world.api.dropWatches('reset');
        await t.pass(2 * MINUTE);
        injected.cancel();
        await t.pass(75);
        await staysLive(t, 4 * MINUTE);
      }
      expect(allReady(t)).toBe(true);
      expectNoRequestTwice(t);
      t.run.crash();
    }
  });

  test('when every write is a conflict half of the time', async () => {
    const t = await running();
    let call = 0;
    t.inject(
      ({ verb }) => {
        if (verb === 'patch') call += 1;
        return verb === 'patch' && call % 2 === 0;
      },
      { status: 409, reason: 'Conflict' },
    );
    await staysLive(t, 30 * MINUTE);
    expectNoRequestTwice(t);
  });

  test('when the operator starts while the API server is not there yet', async () => {
    const t = await running();
    t.run.crash();
    const before = t.asked.length;
    const injected = t.inject(() => true, 'refuse');
    await t.start();
    await t.pass(MINUTE);
    injected.cancel();
    await t.pass(MINUTE);
    expect(allReady(t)).toBe(true);
    expect(t.asked.length).toBe(before);
  });
});

test('an answer that came while the API server was away is published when it is back, without another request', async () => {
  const t = await trouble({ expiresIn: 3600 }, made => made.apply('a'));
  await t.until(() => t.token('a') === 'token-1');
  const renewAt = Date.parse(t.status('a').token?.renewAt ?? '');
  await t.pass((renewAt - t.world.clock.wall()) / 1000 - 5);
  const injected = t.inject(() => true, 'refuse');
  await t.pass(10 * MINUTE);
  expect(t.logins).toBe(2);
  injected.cancel();
  await t.pass(70);
  expect([t.token('a'), t.logins, t.says('a', 'Refreshed'), t.tries('a')]).toEqual([
    'token-2',
    2,
    'True TokenPublished',
    0,
  ]);
  expect(t.world.api.requests.count(call => writesSecret('a-token')(call) && call.status === 200)).toBe(1);
});
