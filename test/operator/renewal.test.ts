import { describe, expect, test } from 'vitest';
import { sandboxOnly } from '../support/sandbox-only.ts';
import { addCredential, DAY, HOUR, isReady, MINUTE, type Scene, SECOND, scene, statusOf } from './scene.ts';

/** Milliseconds between requests of the only credential. */
function gaps(it: Scene): number[] {
  return it.asked.slice(1).map(({ at }, index) => at - (it.asked[index]?.at ?? 0));
}

describe('when a token is renewed', () => {
  test('sendfact’s 120 s: every 25 s, up to 10 % early, so that the old token outlives the new one’s writing by 95 s', async () => {
    const it = await scene({ flow: 'sendfact/token' });
    await it.advance(HOUR);
    const [first, later] = [gaps(it).slice(0, 3), gaps(it).slice(3)];
    // Times on record are cut to the second.
    for (const gap of first) {
      expect(gap).toBeGreaterThanOrEqual(11_500);
      expect(gap).toBeLessThanOrEqual(25_100);
    }
    for (const gap of later) {
      expect(gap).toBeGreaterThanOrEqual(21_500);
      expect(gap).toBeLessThanOrEqual(25_100);
    }
    expect(later.length).toBeGreaterThan(140);
  });

  test.each([
    ['a third of the lifetime before expiry, by default', 'pgf/login' as const, {}, DAY, (DAY * 2) / 3],
    ['95 s before expiry where a third is less', 'sendfact/token' as const, {}, 200 * SECOND, 105 * SECOND],
    [
      'a third before expiry where 95 s are more than 4/5 of the lifetime',
      'sendfact/token' as const,
      {},
      100 * SECOND,
      (100 * SECOND * 2) / 3,
    ],
    ['before: a share', 'pgf/login' as const, { before: '50%' }, DAY, DAY / 2],
    ['before: a duration', 'pgf/login' as const, { before: '6h' }, DAY, 18 * HOUR],
    [
      'before: a duration that is longer than 4/5 of the lifetime is cut to that',
      'pgf/login' as const,
      { before: '23h' },
      DAY,
      DAY / 5,
    ],
    ['maxAge, where it is sooner', 'pgf/login' as const, { maxAge: '2h' }, DAY, 2 * HOUR],
    ['maxAge for a token without an expiry', 'admintotal/api-key' as const, { maxAge: '12h' }, 0, 12 * HOUR],
  ])('%s', async (_what, flow, schedule, lifetime, wait) => {
    const seconds = lifetime / SECOND;
    const it = await scene({
      flow,
      spec: { schedule },
      world: { providers: { sendfact: { expiresIn: seconds }, pgf: { expiresIn: seconds } } },
    });
    const renewedAt = async (): Promise<number> => {
      const before = it.logins;
      const from = it.asked.at(-1)?.at ?? 0;
      await it.until(() => it.logins > before, 2 * DAY);
      return (it.asked.at(-1)?.at ?? 0) - from;
    };
    for (const least of [0.5, 0.5, 0.5, 0.9]) {
      const gap = await renewedAt();
      expect(gap).toBeGreaterThanOrEqual(wait * least - 1000);
      expect(gap).toBeLessThanOrEqual(wait + 1100);
    }
  });

  test('maxAge is at least a minute, whatever an object of old says', async () => {
    const it = await scene({ spec: { schedule: { maxAge: '60s' } } });
    await it.advance(HOUR);
    for (const gap of gaps(it).slice(3)) expect(gap).toBeGreaterThanOrEqual(53 * SECOND);
    expect(() => it.edit({ schedule: { maxAge: '5s' } })).toThrow('maxAge');
  });

  test('LifetimeBelowPropagation: status says that no schedule makes a mounted Secret safe', async () => {
    const it = await scene({
      flow: 'sendfact/token',
      world: { providers: { sendfact: { expiresIn: 100 } } },
    });
    expect(it.ready).toBe('True LifetimeBelowPropagation');
    const safe = await scene({ flow: 'sendfact/token' });
    expect(safe.ready).toBe('True TokenLive');
  });

  test('the propagation margin is a flag', async () => {
    const it = await scene({ flow: 'sendfact/token', flags: ['--propagation-margin=10s'] });
    await it.advance(20 * MINUTE);
    // 80 s, up to 10 % early, from an issuedAt that is cut to the second
    for (const gap of gaps(it).slice(3)) expect(gap).toBeGreaterThan(71 * SECOND);
  });

  test('the time is the same at each look and after a restart, and status tells it', async () => {
    const it = await scene();
    const { renewAt } = it;
    it.edit({ target: { labels: { a: 'b' } } });
    await it.advance(MINUTE);
    expect(it.renewAt).toBe(renewAt);
    await it.restart();
    it.edit({ target: { labels: { a: 'c' } } });
    await it.advance(MINUTE);
    expect(it.renewAt).toBe(renewAt);
    await it.at(renewAt - SECOND);
    expect(it.logins).toBe(1);
    await it.advance(3 * SECOND);
    expect(it.logins).toBe(2);
  });

  test('what was created together does not stay together', async () => {
    const it = await scene();
    const others = Array.from({ length: 40 }, (_, index) => addCredential(it.world, 'pgf/login', index + 2));
    await it.advance(MINUTE);
    const times = others.map(made => Date.parse(statusOf(it.world, made)?.token?.renewAt ?? '') - it.now);
    expect(Math.min(...times)).toBeLessThan(9 * HOUR);
    expect(Math.max(...times)).toBeGreaterThan(15 * HOUR);
  });

  test('a token with no stated expiry is kept until its inputs change', async () => {
    const it = await scene({ flow: 'admintotal/api-key' });
    const old = it.token;
    await it.advance(3 * DAY);
    await it.restart();
    await it.advance(DAY);
    expect(it.logins).toBe(1);
    expect(it.status.token).not.toHaveProperty('renewAt');
    it.world.providers.admintotal.accounts.get(it.fixture.account).password = 'new';
    it.world.providers.admintotal.replaceKey(it.fixture.account);
    it.login({ password: 'new' });
    await it.advance(SECOND);
    expect(it.logins).toBe(2);
    expect(it.token).not.toBe(old);
  });

  test('two grants are at least 5 s apart, whatever asks for them, also over a restart', async () => {
    const it = await scene();
    for (let round = 0; round < 8; round += 1) {
      it.annotate(`round ${round}`);
      await it.advance(700);
      if (round % 3 === 0) await it.restart(100);
    }
    await it.advance(MINUTE);
    for (const gap of gaps(it)) expect(gap).toBeGreaterThanOrEqual(5 * SECOND);
    expect(it.logins).toBeGreaterThan(1);
  });

  test('a token with under 5 s to live on arrival is Unusable, and asked for again ever more rarely', async () => {
    const it = await scene({
      flow: 'sendfact/token',
      ready: false,
      world: { providers: { sendfact: { expiresIn: 4 } } },
    });
    await it.advance(HOUR);
    expect(it.ready).toBe('False Unusable');
    expect(it.secret()).toBeUndefined();
    expect(it.logins).toBeLessThan(10);
  });
});

describe('NoLaterExpiry: a grant that brings no later expiry is no progress', () => {
  test('a stubborn cache is asked at half of what remains, a minute apart at least, then just after expiry', async () => {
    const it = await scene({
      flow: 'firmeasy/login',
      world: { providers: { firmeasy: { cacheSeconds: Number.POSITIVE_INFINITY } } },
    });
    const { expiresAt } = it;
    const issuedAt = it.asked[0]?.at ?? 0;
    await it.until(() => it.logins === 2, HOUR);
    expect(it.ready).toBe('True NoLaterExpiry');
    await it.advance(HOUR);
    const times = it.asked.map(({ at }) => at);
    const dead = times.filter(at => at > issuedAt && at < expiresAt);
    for (const [index, at] of dead.entries()) {
      const next = dead[index + 1] ?? times.find(time => time >= expiresAt) ?? 0;
      const half = Math.max(MINUTE, (expiresAt - at) / 2);
      // What comes in the last seconds would be dead on arrival.
      if (at + half < expiresAt - 12 * SECOND) expect(Math.abs(next - at - half)).toBeLessThan(2 * SECOND);
      else if (at + half > expiresAt) expect(next).toBeGreaterThanOrEqual(expiresAt);
    }
    const renewed = times.find(at => at >= expiresAt) ?? 0;
    expect(renewed - expiresAt).toBeLessThan(30 * SECOND);
    expect(it.ready).toMatch(/^True /);
    expect(dead.length).toBeLessThan(8);
  });

  test('a restart does not shorten the wait', async () => {
    const it = await scene({
      flow: 'firmeasy/login',
      world: { providers: { firmeasy: { cacheSeconds: Number.POSITIVE_INFINITY } } },
    });
    await it.until(() => it.logins === 2, HOUR);
    const at = it.now;
    const half = (it.expiresAt - at) / 2;
    for (let round = 0; round < 5; round += 1) await it.restart(10 * SECOND);
    await it.at(at + half - 2 * SECOND);
    expect(it.logins).toBe(2);
    await it.advance(4 * SECOND);
    expect(it.logins).toBe(3);
  });

  test('maxAge does not shorten it either', async () => {
    const it = await scene({
      flow: 'firmeasy/login',
      spec: { schedule: { maxAge: '60s' } },
      world: { providers: { firmeasy: { cacheSeconds: Number.POSITIVE_INFINITY } } },
    });
    await it.advance(58 * MINUTE);
    expect(it.logins).toBeLessThan(9);
  });

  test('pgf’s expDate: every answer ends at the same moment; past it status says so, and is not asked in a loop', async () => {
    const it = await scene({
      flow: 'pgf/login-token',
      spec: { parameters: { expDate: String(Date.UTC(2026, 0, 4, 12) / 1000) } },
    });
    await it.at(it.expiresAt - SECOND);
    expect(it.ready).toBe('True NoLaterExpiry');
    const before = it.logins;
    expect(before).toBeLessThan(14);
    await it.advance(6 * HOUR);
    expect(it.ready).toBe('False Unusable');
    expect(it.logins - before).toBeLessThan(16);
  });

  test('a cache that gives way: progress ends the waiting', async () => {
    const it = await scene({
      flow: 'firmeasy/login',
      world: { providers: { firmeasy: { cacheSeconds: 2700 } } },
    });
    await it.advance(3 * HOUR);
    expect(it.world.providers.isLive(it.token)).toBe(true);
    expect(it.ready).toMatch(/^True /);
  });
});

describe('clocks', () => {
  const SAME_UID = 'two worlds side by side, whose credentials have one UID and so the same jitter';
  sandboxOnly(SAME_UID).each([
    ['3 h ahead', 3 * HOUR],
    ['2 days behind', -2 * DAY],
  ])('an operator whose wall clock is %s renews at the same times', async (_what, skew) => {
    const right = await scene({ flow: 'firmeasy/login' });
    const wrong = await scene({ flow: 'firmeasy/login', world: { operatorSkewMs: skew } });
    for (const it of [right, wrong]) await it.advance(5 * HOUR);
    expect(wrong.asked).toEqual(right.asked);
    expect(wrong.status).toEqual(right.status);
  });

  sandboxOnly(SAME_UID)('a wall clock that jumps moves no due time', async () => {
    const right = await scene({ flow: 'sendfact/token' });
    const wrong = await scene({ flow: 'sendfact/token' });
    await right.advance(20 * MINUTE);
    for (const jump of [DAY, -3 * DAY, HOUR, 0]) {
      wrong.run.setWall(jump);
      await wrong.advance(5 * MINUTE);
    }
    expect(wrong.asked.map(({ at }) => at)).toEqual(right.asked.map(({ at }) => at));
    expect(wrong.status.token).toEqual(right.status.token);
  });

  test.each([
    ['5 h ahead', 5 * HOUR],
    ['5 h behind', -5 * HOUR],
  ])('a provider whose clock is %s: its tokens are renewed in time', async (_what, skew) => {
    const it = await scene({
      flow: 'admintotal/jwt',
      before: world => {
        world.providers.admintotal.behaviour.clockSkewMs = skew;
      },
    });
    await it.until(() => {
      expect(it.world.providers.isLive(it.secret()?.data.token ?? '')).toBe(true);
      return false;
    }, HOUR);
    expect(it.asked.length).toBeGreaterThan(15);
    expect(it.asked.length).toBeLessThan(22);
  });
});

describe('a wave', () => {
  test('two hundred credentials made at once are all served within a minute', async () => {
    const it = await scene();
    const others = Array.from({ length: 200 }, (_, index) => addCredential(it.world, 'pgf/login', index + 2));
    it.world.providers.pgf.behaviour.latencyMs = 200;
    await it.advance(MINUTE);
    expect(others.filter(made => !isReady(it.world, made))).toEqual([]);
  });
});
