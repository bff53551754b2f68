import { describe, expect, test } from 'vitest';
import type { Lease } from '../../src/kube/lease.ts';
import { nextStep, type Seen, type Step, type Tenure, Term } from '../../src/lead/standing.ts';

const TIMES = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };
const NOW = 100_000;

function lease(holder: string, transitions = 3, durationMs: number | undefined = 15_000): Lease {
  return {
    metadata: { name: 'tokensync', uid: 'u', resourceVersion: '7', generation: 0 },
    holder,
    durationMs,
    transitions,
    acquireTime: undefined,
  };
}

function seen(found: Lease | undefined, agoMs = 0, last = found): Seen {
  return { lease: found, last, since: NOW - agoMs };
}

const renewed = (agoMs: number, transitions = 3): Tenure => ({ renewedAt: NOW - agoMs, transitions });

describe('a Lease as it is seen', () => {
  test.each<[string, Seen, Tenure | undefined, Step]>([
    // who does not hold it
    ['none', seen(undefined), undefined, { do: 'create', at: NOW }],
    ['nobody’s', seen(lease('')), undefined, { do: 'acquire', at: NOW }],
    ['another’s, just renewed', seen(lease('b')), undefined, { do: 'wait', until: NOW + 15_000 }],
    ['another’s, about to run out', seen(lease('b'), 14_999), undefined, { do: 'wait', until: NOW + 1 }],
    [
      'another’s, unchanged for as long as it says',
      seen(lease('b'), 15_000),
      undefined,
      { do: 'acquire', at: NOW },
    ],
    [
      'another’s of another duration',
      seen(lease('b', 3, 60_000), 15_000),
      undefined,
      { do: 'wait', until: NOW + 45_000 },
    ],
    [
      'another’s that tells no duration: ours serves',
      seen({ ...lease('b'), durationMs: undefined }, 5000),
      undefined,
      { do: 'wait', until: NOW + 10_000 },
    ],
    [
      'another’s, and deleted',
      seen(undefined, 5000, lease('b')),
      undefined,
      { do: 'wait', until: NOW + 10_000 },
    ],
    [
      'another’s, deleted, and its time is up',
      seen(undefined, 15_000, lease('b')),
      undefined,
      { do: 'create', at: NOW },
    ],
    ['given back and deleted', seen(undefined, 0, lease('')), undefined, { do: 'create', at: NOW }],
    ['ours by a write whose answer was lost', seen(lease('a')), undefined, { do: 'renew', at: NOW }],
    // who holds it
    ['ours', seen(lease('a')), renewed(500), { do: 'renew', at: NOW + 1500 }],
    ['ours, due', seen(lease('a')), renewed(9000), { do: 'renew', at: NOW - 7000 }],
    [
      'ours, ran out long ago, and nobody held it since',
      seen(lease('a')),
      renewed(600_000),
      { do: 'renew', at: NOW - 598_000 },
    ],
    ['emptied by someone', seen(lease('')), renewed(500), { do: 'renew', at: NOW }],
    ['deleted', seen(undefined, 0, lease('a')), renewed(500), { do: 'create', at: NOW }],
    ['deleted after it ran out', seen(undefined, 0, lease('a')), renewed(15_000), { do: 'end', holder: '' }],
    ['stolen', seen(lease('b', 3)), renewed(500), { do: 'end', holder: 'b' }],
    ['taken when it had run out', seen(lease('b', 4)), renewed(20_000), { do: 'end', holder: 'b' }],
    ['taken and given back since', seen(lease('', 4)), renewed(20_000), { do: 'end', holder: '' }],
  ])('%s', (_what, found, tenure, step) => {
    expect(nextStep(found, tenure, 'a', TIMES, NOW)).toEqual(step);
  });
});

describe('what a holder may start', () => {
  const term = new Term(TIMES);
  test.each<[number, number, boolean]>([
    // ms since the renewal, ms that it takes, allowed
    [0, 10_000, true],
    [4000, 10_000, true],
    [4001, 10_000, false],
    [4001, 9000, true],
    [9999, 0, true],
    [10_000, 0, false], // the renew deadline
    [9000, 5000, true],
    [9001, 5000, false], // the lease, less its margin
    [0, 300_000, true], // longer than any lease promises: as much as one does
    [4000, 300_000, true],
    [4001, 300_000, false],
    [600_000, 0, false],
  ])('%i ms after its renewal, for %i ms: %s', (agoMs, ms, allowed) => {
    expect(term.allows(renewed(agoMs), ms, NOW)).toBe(allowed);
  });

  test('ends before anyone else may begin', () => {
    expect(term.endOf(renewed(0))).toBe(NOW + 14_000);
    expect(nextStep(seen(lease('b')), undefined, 'a', TIMES, NOW)).toEqual({
      do: 'wait',
      until: NOW + 15_000,
    });
  });

  test.each([
    [{ durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 }, 10_000],
    [{ durationMs: 3000, renewDeadlineMs: 2000, retryMs: 500 }, 1800],
    [{ durationMs: 3000, renewDeadlineMs: 2900, retryMs: 2400 }, 2800 / 3],
  ])('a lease just renewed allows something whatever the flags: %j', (times, promiseMs) => {
    const made = new Term(times);
    expect(made.promiseMs).toBe(promiseMs);
    expect(made.allows(renewed(0), 300_000, NOW)).toBe(true);
  });
});
