import { describe, expect, test } from 'vitest';
import { answer, type Trouble, throttled, trouble } from './trouble.ts';

const HOUR = 3600;
const NAMES = ['a', 'b', 'c', 'd', 'e'];

async function told(seconds: number | undefined, names = ['a']): Promise<Trouble> {
  return trouble({}, made => {
    made.answer = () => throttled(seconds);
    for (const name of names) made.apply(name);
  });
}

describe('a provider that asks to wait', () => {
  test('gets what its Retry-After says', async () => {
    const t = await told(120);
    await t.pass(300);
    expect(t.times()).toEqual([0, 120, 240]);
    expect([t.says('a', 'Ready'), t.says('a', 'Stalled'), t.tries('a')]).toEqual([
      'False Throttled',
      'absent',
      0,
    ]);
  });

  test('gets an hour at most', async () => {
    const t = await told(86_400);
    await t.pass(2 * HOUR + 60);
    expect(t.times()).toEqual([0, HOUR, 2 * HOUR]);
  });

  test('without a Retry-After is left alone for 30 s, doubling', async () => {
    const t = await told(undefined);
    await t.pass(HOUR);
    const times = t.asked.map(({ at }) => at);
    for (const [index, at] of times.slice(1, 6).entries()) {
      const wait = at - (times[index] ?? 0);
      expect(wait / (30 * 2 ** index)).toBeGreaterThan(0.74);
      expect(wait / (30 * 2 ** index)).toBeLessThan(1.27);
    }
    expect(times.length).toBeLessThan(9);
  });

  test('may say so in a field of its answer, as the definition tells', async () => {
    const t = await trouble(
      { login: { response: { throttled: "body.code == 'SLOW_DOWN'", retryAfter: 'body.wait' } } },
      made => {
        made.answer = () => answer(403, { code: 'SLOW_DOWN', wait: 90 });
        made.apply('a');
      },
    );
    await t.pass(100);
    expect([t.times(), t.tries('a'), t.says('a', 'Refreshed')]).toEqual([[0, 90], 0, 'False Throttled']);
  });

  test('is not asked sooner by an annotation, another password, a changed definition or a restart', async () => {
    const t = await told(1000);
    await t.pass(5);
    t.annotate('a', 'now');
    await t.pass(5);
    t.login('a', { password: 'other' });
    await t.pass(5);
    t.redefine({}, { request: { headers: { x: 'y' } } });
    await t.pass(5);
    await t.restart();
    await t.pass(5);
    t.world.api.delete('secrets', 'a-login', 'team');
    await t.pass(5);
    t.login('a', {});
    await t.pass(900);
    expect(t.logins).toBe(1);
    t.answer = asked => t.judge(asked);
    await t.pass(100);
    expect([t.times(), t.says('a', 'Ready'), t.status('a').lastHandledRefreshAt]).toEqual([
      [0, 1000],
      'True TokenLive',
      'now',
    ]);
  });

  test('does not speak for another origin: a credential that moves there logs in at once', async () => {
    const t = await told(HOUR);
    await t.pass(60);
    t.answer = asked => t.judge(asked);
    t.patch('providercredentials', 'a', { spec: { environment: 'staging' } });
    await t.pass(2);
    expect(t.asked.map(({ host }) => host)).toEqual(['login.acme.example', 'staging.acme.example']);
    expect(t.says('a', 'Ready')).toBe('True TokenLive');
  });

  test('is left alone by all once two were told so; one alone holds up nobody', async () => {
    const t = await told(100, ['a']);
    await t.pass(10);
    t.answer = asked => (asked.username === 'b' ? throttled(100) : t.judge(asked));
    t.apply('free');
    await t.pass(1);
    expect(t.says('free', 'Ready')).toBe('True TokenLive');
    // that one was accepted: the next two that are told so are the first
    t.answer = () => throttled(100);
    t.apply('b');
    await t.pass(1);
    t.apply('c');
    await t.pass(1);
    t.answer = asked => t.judge(asked);
    t.apply('d');
    await t.pass(1);
    expect([t.says('d', 'Ready'), t.times('d')]).toEqual(['False Throttled', []]);
    expect(t.status('d').login?.tries ?? 0).toBe(0);
    await t.pass(100);
    expect(['b', 'c', 'd'].map(name => t.says(name, 'Ready'))).toEqual(Array(3).fill('True TokenLive'));
  });

  test('is left alone as an origin for 5 minutes at most, and another origin is not held up', async () => {
    const t = await told(HOUR, ['a', 'b']);
    await t.pass(10);
    t.answer = asked => t.judge(asked);
    t.apply('c');
    t.apply('d', {}, { environment: 'staging' });
    await t.pass(10);
    expect([t.says('c', 'Ready'), t.says('d', 'Ready')]).toEqual(['False Throttled', 'True TokenLive']);
    await t.pass(285);
    expect(t.says('c', 'Ready')).toBe('True TokenLive');
    // those who were told so wait as they were told
    expect([t.times('a'), t.times('b')]).toEqual([[0], [0]]);
  });

  test('is not asked more by many than by few: a throttle is not lengthened', async () => {
    const t = await told(60, NAMES);
    await t.pass(600);
    // each window some find out again; never all of them
    expect(t.logins).toBeLessThanOrEqual(11 * 4);
    t.answer = asked => t.judge(asked);
    await t.pass(120);
    for (const name of NAMES) expect(t.says(name, 'Ready')).toBe('True TokenLive');
  });
});
