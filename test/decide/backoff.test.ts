import { describe, expect, test } from 'vitest';
import { backoff } from '../../src/decide/backoff.ts';
import type { Failure, FailureClass } from '../../src/errors.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const failure = (kind: FailureClass, sent: Failure['sent'] = 'yes', retryAfterMs?: number): Failure => ({
  class: kind,
  reason: 'Unusable',
  sent,
  message: '',
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

describe('backoff', () => {
  const unreached = failure('Unavailable', 'no');
  const unanswered = failure('Unavailable', 'maybe');

  test.each<[string, Failure, number, number]>([
    ['not reached, 1st', unreached, 1, SECOND],
    ['not reached, 4th', unreached, 4, 8 * SECOND],
    ['not reached, 9th', unreached, 9, 256 * SECOND],
    ['not reached, 10th and on', unreached, 10, 5 * MINUTE],
    ['not reached, 5000th', unreached, 5000, 5 * MINUTE],
    ['unanswered, 1st', unanswered, 1, 30 * SECOND],
    ['unanswered, 3rd', unanswered, 3, 2 * MINUTE],
    ['unanswered, at most', unanswered, 40, 30 * MINUTE],
    ['unanswered with Retry-After', failure('Unavailable', 'maybe', 10 * MINUTE), 1, 10 * MINUTE],
    ['unanswered with a Retry-After that is shorter', failure('Unavailable', 'maybe', SECOND), 3, 2 * MINUTE],
    ['unanswered with an endless Retry-After', failure('Unavailable', 'maybe', 99 * HOUR), 1, HOUR],
    ['unusable, 1st', failure('Unusable'), 1, MINUTE],
    ['unusable, at most', failure('Unusable'), 40, HOUR],
    ['throttled, 1st', failure('Throttled'), 1, 30 * SECOND],
    ['throttled, 2nd', failure('Throttled'), 2, MINUTE],
    ['throttled, at most', failure('Throttled'), 40, HOUR],
    ['throttled with Retry-After', failure('Throttled', 'yes', 90 * SECOND), 7, 90 * SECOND],
    ['throttled with Retry-After: 0', failure('Throttled', 'yes', 0), 7, SECOND],
    ['throttled with an endless Retry-After', failure('Throttled', 'yes', 99 * HOUR), 1, HOUR],
  ])('%s', (_what, failed, attempt, expected) => {
    expect(backoff(failed, attempt, 0.5)).toBe(expected);
  });

  test('spreads what fails together, and leaves its bounds to no chance', () => {
    const at = (chance: number): number => backoff(unanswered, 3, chance) ?? 0;
    expect(at(0)).toBeLessThan(at(0.5));
    expect(at(0.999)).toBeGreaterThan(at(0.5));
    expect(backoff(unanswered, 1, 0)).toBe(30 * SECOND);
    expect(backoff(unreached, 40, 0.999)).toBe(5 * MINUTE);
  });

  test('is not for what has waits of its own, or waits for a change', () => {
    expect([backoff(failure('Rejected'), 1, 0), backoff(failure('Invalid'), 1, 0)]).toEqual([
      undefined,
      undefined,
    ]);
  });
});
