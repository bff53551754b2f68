import type { Failure } from '../errors.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

interface Curve {
  readonly first: number;
  readonly most: number;
}

const UNREACHED: Curve = { first: SECOND, most: 5 * MINUTE };
const UNANSWERED: Curve = { first: 30 * SECOND, most: 30 * MINUTE };
const THROTTLED: Curve = { first: 30 * SECOND, most: HOUR };
const UNUSABLE: Curve = { first: MINUTE, most: HOUR };

/**
 * How long to wait after a failure, in ms.
 * Refused logins have waits of their own (login-limit.ts), and what is Invalid waits for a change, not for a time.
 * @param attempt 1 for the first failure of its kind in a row.
 * @param chance in [0, 1); waits lie in the upper half of the exponential step.
 */
export function backoff(failure: Failure, attempt: number, chance: number): number | undefined {
  switch (failure.class) {
    case 'Unavailable':
      return Math.max(
        exponential(failure.sent === 'no' ? UNREACHED : UNANSWERED, attempt, chance),
        Math.min(HOUR, failure.retryAfterMs ?? 0),
      );
    case 'Unusable':
      return exponential(UNUSABLE, attempt, chance);
    case 'Throttled':
      if (failure.retryAfterMs === undefined) return exponential(THROTTLED, attempt, chance);
      return Math.min(HOUR, Math.max(SECOND, failure.retryAfterMs));
    case 'Rejected':
    case 'Invalid':
      return undefined;
  }
}

function exponential({ first, most }: Curve, attempt: number, chance: number): number {
  const step = Math.min(most, first * 2 ** Math.min(30, Math.max(0, attempt - 1)));
  return Math.round(Math.min(most, Math.max(first, step * (0.75 + chance / 2))));
}
