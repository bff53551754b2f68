import { beforeEach, describe, expect, test } from 'vitest';
import { OriginHealth } from '../../src/decide/origin-health.ts';
import type { Failure } from '../../src/errors.ts';

const MINUTE = 60_000;
const HERE = 'acme https://a.example';
const UNREACHED: Failure = { class: 'Unavailable', reason: 'Unreachable', sent: 'no', message: '' };
const REFUSED: Failure = { class: 'Rejected', reason: 'Rejected', sent: 'yes', message: '' };
const UNUSABLE: Failure = { class: 'Unusable', reason: 'Unusable', sent: 'yes', message: '' };
const slow = (retryAfterMs?: number): Failure => ({
  class: 'Throttled',
  reason: 'Throttled',
  sent: 'yes',
  message: '',
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

let now = 0;
let woken: string[] = [];
let probes: { origin: string; at: number }[] = [];
let changes: boolean[] = [];
let health: OriginHealth;

beforeEach(() => {
  now = 1000;
  woken = [];
  probes = [];
  changes = [];
  health = new OriginHealth({
    now: () => now,
    chance: () => 0.5,
    wake: key => woken.push(key),
    probeIn: (origin, ms) => probes.push({ origin, at: now + ms }),
    circuitChanged: (_origin, open) => changes.push(open),
  });
});

const admitted = (key: string): boolean => health.admit(HERE, key).admitted;
const fail = (keys: readonly string[], failure: Failure, proven = true): void => {
  for (const key of keys) health.failed(HERE, key, failure, proven ? `login of ${key}` : undefined);
};
/** Time goes on to the next probe. */
function probe(): void {
  now = Math.max(now, ...probes.map(({ at }) => at));
  health.probeDue(HERE);
}

describe('an origin that cannot be reached', () => {
  test('is closed to nobody by two; three open the circuit', () => {
    fail(['a', 'b', 'a', 'b'], UNREACHED);
    expect([admitted('c'), changes]).toEqual([true, []]);
    fail(['c'], UNREACHED);
    expect([health.admit(HERE, 'd'), changes, health.isOpen(HERE)]).toEqual([
      { admitted: false, reason: 'CircuitOpen' },
      [true],
      true,
    ]);
    expect(health.admit('acme https://b.example', 'd')).toEqual({ admitted: true });
  });

  test('is probed by one, in turn, ever further apart', () => {
    fail(['a', 'b', 'c'], UNREACHED);
    for (const key of ['a', 'b', 'd']) expect(admitted(key)).toBe(false);
    const turns: string[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      const before = woken.length;
      probe();
      const [key = ''] = woken.slice(before);
      turns.push(key);
      for (const other of ['a', 'b', 'c', 'd']) expect(admitted(other)).toBe(other === key);
      fail([key], UNREACHED);
    }
    expect(turns).toEqual(['c', 'a', 'b', 'd', 'c', 'a', 'b', 'd']);
    const gaps = probes.slice(1).map(({ at }, index) => at - (probes[index]?.at ?? 0));
    expect(gaps.slice(0, 4)).toEqual([2000, 4000, 8000, 16_000]);
  });

  test.each([
    ['a success', () => health.succeeded(HERE, 'a')],
    ['a refusal', () => fail(['a'], REFUSED, false)],
    ['an answer that cannot be read', () => fail(['a'], UNUSABLE)],
    ['a throttle', () => fail(['a'], slow(1))],
  ])('is open to all again after %s, and those who waited are woken', (_what, answered) => {
    fail(['a', 'b', 'c'], UNREACHED);
    admitted('d');
    answered();
    expect(changes).toEqual([true, false]);
    expect(new Set(woken)).toEqual(new Set(['a', 'b', 'c', 'd']));
    expect(health.recoveredAt(HERE)).toBe(now);
    expect(admitted('e')).toBe(true);
  });

  test('lets nobody past the line when the time of a probe comes', () => {
    fail(['a', 'b', 'c'], UNREACHED);
    admitted('d');
    now += MINUTE;
    expect(['d', 'new', 'c', 'd'].map(admitted)).toEqual([false, false, true, false]);
  });

  test('passes the turn on when whose turn it is leaves, or is forgotten', () => {
    fail(['a', 'b', 'c'], UNREACHED);
    admitted('a');
    probe();
    expect(woken).toEqual(['c']);
    health.leave('c');
    expect(woken).toEqual(['c', 'a']);
    admitted('b');
    health.forget('a');
    expect(woken).toEqual(['c', 'a', 'b']);
  });
});

describe('an origin that asks to wait', () => {
  test('is left alone once two were told so, five minutes at most', () => {
    fail(['a', 'a'], slow(60_000));
    expect(admitted('c')).toBe(true);
    fail(['b'], slow(90_000));
    expect(health.admit(HERE, 'c')).toEqual({ admitted: false, reason: 'Throttled', until: now + 90_000 });
    fail(['b'], slow(60 * MINUTE));
    expect(health.admit(HERE, 'c')).toMatchObject({ until: now + 5 * MINUTE });
    now += 5 * MINUTE;
    expect(admitted('c')).toBe(true);
  });

  test('is left alone for half a minute when it does not say how long', () => {
    fail(['a', 'b'], slow());
    expect(health.admit(HERE, 'c')).toMatchObject({ until: now + 30_000 });
  });

  test('is forgiven by a success', () => {
    fail(['a'], slow());
    health.succeeded(HERE, 'c');
    fail(['b'], slow());
    expect(admitted('c')).toBe(true);
  });
});

describe('whoever gets in line at another origin', () => {
  const THERE = 'acme https://b.example';

  test('leaves the line where it stood: the probe there is for those who are left', () => {
    fail(['a', 'b', 'c'], UNREACHED);
    for (const key of ['x', 'y', 'z']) health.failed(THERE, key, UNREACHED, undefined);
    expect(health.admit(THERE, 'a')).toMatchObject({ admitted: false });
    probe();
    expect(health.isProbing(HERE, 'a')).toBe(false);
    expect(['b', 'c'].filter(admitted)).toHaveLength(1);
  });

  test('passes on the probe that it was to send where it stood', () => {
    fail(['a', 'b', 'c'], UNREACHED);
    for (const key of ['x', 'y', 'z']) health.failed(THERE, key, UNREACHED, undefined);
    probe();
    const prober = woken.at(-1) ?? '';
    health.admit(THERE, prober);
    expect(['a', 'b', 'c'].filter(key => key !== prober && admitted(key))).toHaveLength(1);
  });

  test('and sends a probe without having waited passes it on as well, when it is not sent', () => {
    fail(['a', 'b', 'c'], UNREACHED);
    for (const key of ['a', 'b', 'c']) health.forget(key);
    now += 10 * MINUTE;
    expect([admitted('new'), admitted('b')]).toEqual([true, false]);
    health.leave('new');
    expect(admitted('b')).toBe(true);
  });
});

describe('an origin that refuses all', () => {
  const failed = (key: string, login: string | undefined = `login of ${key}`): boolean =>
    health.failed(HERE, key, REFUSED, login);

  test('is believed for two; the third of those who once worked is forgiven, and all get in line', () => {
    expect([failed('a'), failed('b'), health.rejectsAll(HERE)]).toEqual([false, false, false]);
    expect([failed('c'), health.rejectsAll(HERE)]).toEqual([true, true]);
    expect(woken).toEqual(['a', 'b']);
    expect(health.admit(HERE, 'a')).toEqual({ admitted: false, reason: 'ProviderRejectsAll' });
    expect(probes).toEqual([{ origin: HERE, at: now + 10 * MINUTE }]);
  });

  test('is believed where a login was accepted in between', () => {
    failed('a');
    failed('b');
    health.succeeded(HERE, 'd');
    expect([failed('c'), health.rejectsAll(HERE)]).toEqual([false, false]);
  });

  test('is believed of one login that several credentials send', () => {
    for (const key of ['a', 'b', 'c', 'd']) expect(failed(key, 'one and the same')).toBe(false);
  });

  test('is believed of logins that never worked, before and meanwhile', () => {
    for (const key of ['x', 'y', 'z']) expect(health.failed(HERE, key, REFUSED, undefined)).toBe(false);
    expect(health.rejectsAll(HERE)).toBe(false);
    for (const key of ['a', 'b', 'c']) failed(key);
    expect(health.failed(HERE, 'x', REFUSED, undefined)).toBe(false);
  });

  test('is asked every ten minutes, not ever more seldom', () => {
    for (const key of ['a', 'b', 'c']) failed(key);
    for (let turn = 0; turn < 4; turn += 1) {
      probe();
      failed(woken.at(-1) ?? '');
    }
    const gaps = probes.slice(1).map(({ at }, index) => at - (probes[index]?.at ?? 0));
    expect(gaps).toEqual(Array(4).fill(10 * MINUTE));
  });

  test('is open to all again when one is accepted; what it refused until then is pardoned', () => {
    for (const key of ['a', 'b', 'c']) failed(key);
    expect(health.forgivenAt(HERE)).toBe(Number.NEGATIVE_INFINITY);
    now += MINUTE;
    woken = [];
    health.succeeded(HERE, 'd');
    expect(new Set(woken)).toEqual(new Set(['a', 'b', 'c']));
    expect([health.rejectsAll(HERE), health.forgivenAt(HERE), changes]).toEqual([false, now, [true, false]]);
  });

  test('is not pardoned by the end of an outage', () => {
    fail(['a', 'b', 'c'], UNREACHED);
    health.succeeded(HERE, 'a');
    expect(health.forgivenAt(HERE)).toBe(Number.NEGATIVE_INFINITY);
  });
});
