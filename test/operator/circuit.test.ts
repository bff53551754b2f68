import { describe, expect, test } from 'vitest';
import {
  answer,
  refused,
  rehearses,
  type Trouble,
  throttled,
  trouble,
  UNREACHED,
  writesStatus,
} from './trouble.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const NAMES = Array.from({ length: 12 }, (_, index) => `c${index}`);
const OPEN = 'tokensync_provider_circuit_open{provider="acme",origin="https://login.acme.example"}';

const all = (t: Trouble, type: 'Ready' | 'Refreshed' | 'Stalled', names = NAMES): string[] => [
  ...new Set(names.map(name => t.says(name, type))),
];

describe('an origin that fails for many', () => {
  test('is probed by one at a time, in turn, while the others wait', async () => {
    const t = await trouble({}, made => {
      made.answer = () => UNREACHED;
      for (const name of NAMES) made.apply(name);
    });
    await t.pass(HOUR);
    expect(all(t, 'Refreshed')).toEqual(['False Unreachable']);
    expect(await t.metric(OPEN)).toBe(1);
    const probes = t.asked.filter(({ at }) => at > 600);
    // one probe in 5 minutes for all, not one for each
    expect(probes.length).toBeLessThan(HOUR / 300 + 4);
    expect(new Set(probes.map(({ username }) => username)).size).toBe(Math.min(NAMES.length, probes.length));
    expect(all(t, 'Stalled')).toEqual(['absent']);
  });

  test('is told of by who waits without a failure of its own; who failed goes on saying how, and nothing flaps', async () => {
    const t = await trouble({}, made => {
      for (const name of NAMES) made.apply(name);
    });
    await t.until(() => NAMES.every(name => t.condition(name, 'Ready')?.status === 'True'));
    t.answer = () => UNREACHED;
    await t.pass(4 * HOUR);
    expect(all(t, 'Refreshed')).toEqual(['False Unreachable']);
    t.world.api.requests.clear();
    const probes = t.asked.length;
    await t.pass(4 * HOUR);
    expect(t.world.api.requests.count(({ resource }) => resource === 'events')).toBe(0);
    // each probe is counted before it is sent, and its outcome is written; the others write nothing
    expect(t.asked.length - probes).toBeGreaterThan(40);
    expect(t.world.api.requests.count(writesStatus)).toBeLessThanOrEqual(2 * (t.asked.length - probes));
    t.apply('late');
    await t.pass(2);
    expect(t.says('late', 'Refreshed')).toBe('False CircuitOpen');
  });

  test('wakes all as soon as one probe gets through', async () => {
    const t = await trouble({}, made => {
      made.answer = () => UNREACHED;
      for (const name of NAMES) made.apply(name);
    });
    await t.pass(HOUR);
    t.answer = asked => t.judge(asked);
    await t.until(() => t.tokens.length > 0, 400);
    await t.pass(2);
    expect(all(t, 'Ready')).toEqual(['True TokenLive']);
    expect(all(t, 'Refreshed')).toEqual(['True TokenPublished']);
    expect(await t.metric(OPEN)).toBe(0);
  });

  test('is heard to be back from any answer: a refused login closes the circuit as well', async () => {
    const t = await trouble({}, made => {
      made.answer = () => answer(503);
      for (const name of NAMES) made.apply(name);
    });
    await t.pass(600);
    t.answer = () => refused();
    await t.until(() => t.asked.length >= 12 + 10, 2400);
    await t.pass(5);
    expect(all(t, 'Refreshed')).toEqual(['False Rejected']);
    expect(await t.metric(OPEN)).toBe(0);
  });

  test('holds up no other origin of the same provider', async () => {
    const t = await trouble({}, made => {
      made.answer = asked => (asked.host === 'login.acme.example' ? UNREACHED : made.judge(asked));
      for (const name of NAMES) made.apply(name);
    });
    await t.pass(600);
    t.apply('other', {}, { environment: 'staging' });
    await t.pass(2);
    expect(t.says('other', 'Ready')).toBe('True TokenLive');
  });

  test('gets its probes also when whose turn it is was deleted, suspended or cannot send', async () => {
    const t = await trouble({}, made => {
      made.answer = () => UNREACHED;
      for (const name of NAMES) made.apply(name);
    });
    await t.pass(600);
    for (const name of NAMES.slice(0, 4)) t.remove(name);
    for (const name of NAMES.slice(4, 8)) t.patch('providercredentials', name, { spec: { suspend: true } });
    for (const name of NAMES.slice(8, 11)) t.world.api.delete('secrets', `${name}-login`, 'team');
    await t.pass(1);
    const before = t.asked.length;
    await t.pass(HOUR);
    const probes = t.asked.slice(before);
    expect(new Set(probes.map(({ username }) => username))).toEqual(new Set(['c11']));
    expect(probes.length).toBeGreaterThan(9);
    t.answer = asked => t.judge(asked);
    await t.pass(301);
    expect(t.says('c11', 'Ready')).toBe('True TokenLive');
  });

  test('is found well again although whose turn it was could not send at all, and was deleted', async () => {
    const three = ['a', 'b', 'c'];
    const t = await trouble({}, made => {
      for (const name of three) made.apply(name);
    });
    await t.until(() => three.every(name => t.condition(name, 'Ready')?.status === 'True'));
    t.answer = () => UNREACHED;
    for (const name of three) t.annotate(name, 'now');
    await t.pass(10);
    for (const name of three) t.patch('providercredentials', name, { spec: { suspend: true } });
    await t.pass(400);
    t.inject(call => rehearses(call) && call.name === 'full-token', { status: 403, reason: 'Forbidden' });
    t.apply('full');
    await t.pass(5);
    expect(t.says('full', 'Ready')).toBe('False PublishBlocked');
    t.answer = asked => t.judge(asked);
    for (const name of three) t.patch('providercredentials', name, { spec: { suspend: false } });
    t.remove('full');
    await t.pass(HOUR);
    expect(all(t, 'Refreshed', three)).toEqual(['True TokenPublished']);
    expect(await t.metric(OPEN)).toBe(0);
  });

  test('is found well again although whose turn it was moved to another origin, which asks to wait', async () => {
    const three = ['b', 'c', 'a'];
    const slow = ['s1', 's2'];
    const t = await trouble({}, made => {
      for (const name of three) made.apply(name);
      for (const name of slow) made.apply(name, {}, { environment: 'staging' });
    });
    await t.until(() => [...three, ...slow].every(name => t.condition(name, 'Ready')?.status === 'True'));
    await t.pass(20);
    t.answer = asked => (asked.host === 'login.acme.example' ? UNREACHED : throttled(300));
    for (const name of slow) t.annotate(name, 'now');
    await t.pass(1);
    for (const name of three) {
      t.annotate(name, 'now');
      await t.pass(0.01);
    }
    await t.pass(0.1);
    t.patch('providercredentials', 'a', { spec: { environment: 'staging' } });
    await t.pass(100);
    t.answer = asked => t.judge(asked);
    await t.pass(HOUR);
    expect(all(t, 'Refreshed', [...three, ...slow])).toEqual(['True TokenPublished']);
    expect(await t.metric(OPEN)).toBe(0);
  });

  test('is probed by the one that is left, at the origin’s pace and not at its own', async () => {
    const t = await trouble({ expiresIn: 60 }, made => made.apply('a'));
    await t.until(() => t.condition('a', 'Ready')?.status === 'True');
    t.answer = () => answer(503);
    await t.until(() => t.times('a').length === 8, 2 * HOUR);
    for (const name of ['b', 'c']) t.apply(name);
    await t.pass(5);
    for (const name of ['b', 'c']) t.patch('providercredentials', name, { spec: { suspend: true } });
    await t.until(() => t.times('a').length === 9, HOUR);
    await t.pass(400);
    expect(t.times('a').length).toBeGreaterThanOrEqual(11);
  });

  test('is opened by no single credential, however often it fails', async () => {
    const t = await trouble({}, made => {
      made.answer = asked => (asked.username === 'a' ? UNREACHED : made.judge(asked));
      made.apply('a');
    });
    await t.pass(600);
    expect(t.says('a', 'Refreshed')).toBe('False Unreachable');
    expect((await t.metric(OPEN)) ?? 0).toBe(0);
  });

  test('shows its circuit as closed before it ever opened, and no longer when nobody uses it', async () => {
    const t = await trouble({}, made => made.apply('a'));
    await t.pass(2);
    expect(await t.metric(OPEN)).toBe(0);
    t.remove('a');
    await t.pass(2);
    expect(await t.metric(OPEN)).toBeUndefined();
  });
});

describe('a provider that refuses several logins that all once worked, and accepts none', () => {
  const many = NAMES.slice(0, 6);

  async function refusing(names = many): Promise<Trouble> {
    const t = await trouble({ expiresIn: 1200 }, made => {
      for (const name of names) made.apply(name);
    });
    await t.until(() => names.every(name => t.condition(name, 'Ready')?.status === 'True'));
    t.answer = () => refused();
    await t.pass(1200);
    return t;
  }

  test('is taken to have trouble of its own: nothing is counted and nobody is stalled', async () => {
    const t = await refusing();
    await t.pass(HOUR);
    expect(all(t, 'Refreshed', many)).toEqual(['False ProviderRejectsAll']);
    expect(all(t, 'Stalled', many)).toEqual(['absent']);
    for (const name of many) expect(t.tries(name)).toBe(0);
    expect(await t.metric(OPEN)).toBe(1);
  });

  test('is asked by one every 10 minutes, in turn', async () => {
    const t = await refusing();
    const before = t.asked.length;
    await t.pass(2 * HOUR);
    const probes = t.asked.slice(before);
    expect(probes.length).toBeGreaterThanOrEqual(11);
    expect(probes.length).toBeLessThanOrEqual(13);
    for (const [index, { at }] of probes.slice(1).entries())
      expect(Math.round(at - (probes[index]?.at ?? 0))).toBe(600);
    expect(new Set(probes.slice(0, 6).map(({ username }) => username))).toEqual(new Set(many));
  });

  test('is believed again as soon as one login is accepted, and all go on at once', async () => {
    const t = await refusing();
    await t.pass(HOUR);
    t.answer = asked => t.judge(asked);
    await t.pass(605);
    expect(all(t, 'Ready', many)).toEqual(['True TokenLive']);
    expect(all(t, 'Refreshed', many)).toEqual(['True TokenPublished']);
    for (const name of many) expect([t.tries(name), t.status(name).failures]).toEqual([0, undefined]);
    expect(await t.metric(OPEN)).toBe(0);
  });

  test('pardons those whose refusals were counted before it was known', async () => {
    const t = await trouble({ expiresIn: 10 * HOUR }, made => {
      for (const name of many) made.apply(name);
    });
    await t.until(() => many.every(name => t.condition(name, 'Ready')?.status === 'True'));
    t.answer = () => refused();
    await t.until(
      () => many.some(name => t.says(name, 'Refreshed') === 'False ProviderRejectsAll'),
      10 * HOUR,
    );
    await t.pass(2);
    const hit = many.filter(name => t.says(name, 'Refreshed') !== 'True TokenPublished');
    expect(hit.length).toBeGreaterThanOrEqual(3);
    expect(all(t, 'Refreshed', hit)).toEqual(['False ProviderRejectsAll']);
    for (const name of hit) expect(t.tries(name)).toBe(0);
    t.answer = asked => t.judge(asked);
    await t.pass(605);
    expect(all(t, 'Refreshed', hit)).toEqual(['True TokenPublished']);
  });

  test('never sees more than 6 refused logins of one credential in 24 hours all the same', async () => {
    const t = await refusing(NAMES.slice(0, 3));
    await t.pass(DAY / 2);
    for (const name of NAMES.slice(0, 3)) {
      expect(t.times(name).length).toBeLessThanOrEqual(7);
      expect(t.says(name, 'Stalled')).toBe('absent');
    }
  });

  test('has no trouble when it accepts others: a wrong password is counted', async () => {
    const t = await trouble({ expiresIn: 1200 }, made => {
      for (const name of many) made.apply(name);
    });
    await t.until(() => many.every(name => t.condition(name, 'Ready')?.status === 'True'));
    t.answer = asked => (['c0', 'c1'].includes(asked.username) ? refused() : t.judge(asked));
    await t.pass(2 * HOUR);
    expect([t.says('c0', 'Refreshed'), t.says('c2', 'Refreshed')]).toEqual([
      'False Rejected',
      'True TokenPublished',
    ]);
    expect(t.tries('c0')).toBeGreaterThan(1);
  });

  test('does not excuse several credentials of one account: that is one changed password', async () => {
    const t = await trouble({ expiresIn: 1200 }, made => {
      for (const name of many) made.apply(name, { username: 'shared' });
    });
    await t.until(() => many.every(name => t.condition(name, 'Ready')?.status === 'True'));
    const before = t.asked.length;
    t.answer = () => refused();
    await t.pass(6 * HOUR);
    for (const name of many) expect(t.says(name, 'Ready')).toMatch(/^False Reject/);
    expect(t.asked.length - before).toBeLessThanOrEqual(6);
  });

  test('does not excuse a login that never worked: it is counted meanwhile, and stalls', async () => {
    const t = await refusing();
    t.apply('new', { password: 'wrong' });
    await t.pass(6 * HOUR);
    expect(t.times('new').length).toBeLessThanOrEqual(3);
    expect(t.tries('new')).toBe(t.times('new').length);
  });
});
