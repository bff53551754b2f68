import { describe, expect, it } from 'vitest';
import {
  busiest,
  expired,
  firsts,
  histories,
  lateness,
  quantile,
  type Seen,
} from '../../bench/lib/steadiness.ts';
import { renewal, renewalPolicy } from '../../src/decide/renewal.ts';

const T = Date.UTC(2026, 0, 3, 12);
const s = (seconds: number): number => T + seconds * 1000;
const POLICY = renewalPolicy(undefined, 95_000);
const held = (issuedAt: number, grants: number) => ({
  account: '',
  inputs: '',
  source: '',
  grant: 'Login' as const,
  sessionSequence: 0,
  issuedAt,
  expiresAt: issuedAt + 120_000,
  grants,
});
/** When a grant of the credential is renewed. */
const due = (issuedAt: number, grants: number): number =>
  renewal(held(issuedAt, grants), POLICY, 'uid').at ?? 0;

function seen(more: Partial<Seen> = {}): Seen {
  return {
    made: [[7, s(0), 'uid']],
    asked: [[7, 0, s(0.1), 0]],
    written: [[7, s(0.3), s(0), s(120), 1]],
    ...more,
  };
}
const all = (what: Seen) => histories(what, () => true);

describe('a Secret', () => {
  it('that is written anew before its token ends never held an expired one', () => {
    const renewed = seen({
      written: [
        [7, s(0.3), s(0), s(120), 1],
        [7, s(119.9), s(119), s(239), 2],
      ],
    });
    expect(expired(all(renewed), [s(0), s(200)])).toEqual([]);
    expect(expired(all(renewed), [s(0), s(240)])).toEqual([1000]);
  });

  it('that is written too late did, for so long; what lies outside of the span does not count', () => {
    const late = seen({
      written: [
        [7, s(0.3), s(0), s(120), 1],
        [7, s(130), s(129), s(249), 2],
      ],
    });
    expect(expired(all(late), [s(0), s(200)])).toEqual([10_000]);
    expect(expired(all(late), [s(125), s(127)])).toEqual([2000]);
    expect(expired(all(late), [s(131), s(200)])).toEqual([]);
  });

  it('that was never there counts as expired', () => {
    expect(expired(all(seen({ written: [] })), [s(10), s(20)])).toEqual([10_000]);
  });
});

describe('lateness', () => {
  const at = due(s(0), 1);

  it('is from the planned time to the request', () => {
    const what = seen({
      asked: [
        [7, 0, s(0.1), 0],
        [7, 0, at + 1500, 0],
      ],
    });
    expect(lateness(all(what), POLICY, [s(0), s(60)])).toEqual({ ms: [1500], never: 0 });
    expect(lateness(all(what), POLICY, [at + 1, s(60)])).toEqual({ ms: [], never: 0 });
  });

  it('of a renewal that was never asked for is told apart', () => {
    expect(lateness(all(seen()), POLICY, [s(0), s(60)])).toEqual({ ms: [], never: 1 });
  });
});

it('a first token is counted from the making of its credential, less what the provider took', () => {
  const what = seen({ asked: [[7, 0, s(0.1), 100]] });
  expect(firsts(all(what), [s(0), s(1)])).toEqual({ ms: [200], never: 0 });
  expect(firsts(all({ ...what, written: [] }), [s(0), s(1)])).toEqual({ ms: [], never: 1 });
  expect(firsts(all(what), [s(1), s(2)])).toEqual({ ms: [], never: 0 });
});

it('only what matters is looked at', () => {
  expect(histories(seen(), index => index !== 7).size).toBe(0);
});

it('a quantile is a sample, and there is none of no samples', () => {
  const samples = Array.from({ length: 1000 }, (_, index) => index + 1);
  expect([quantile(samples, 0.5), quantile(samples, 0.99), quantile(samples, 0.999)]).toEqual([
    500, 990, 999,
  ]);
  expect(quantile([3], 0.999)).toBe(3);
  expect(() => quantile([], 0.5)).toThrow(RangeError);
});

it('the busiest second is told beside the mean', () => {
  const times = [s(0), s(0.5), s(0.9), s(2), s(5)];
  expect(busiest(times, [s(0), s(4)])).toEqual({ most: 3, mean: 1 });
  expect(() => busiest([], [s(0), s(4)])).toThrow('nothing');
});
