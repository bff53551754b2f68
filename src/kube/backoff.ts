import type { Random } from '../loop/clock.ts';

const FIRST_MS = 500;
const LAST_MS = 30_000;

/**
 * How long to wait before the API server is asked again: 0.5 s doubling to 30 s, less up to half by jitter, since
 * every watch of every replica fails in the same moment; and never less than the server asked for.
 * @param failures in a row before this one.
 */
export function backoff(failures: number, retryAfterMs: number | undefined, random: Random): number {
  const step = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(failures, 16));
  return Math.max(step * (0.5 + random.next() / 2), retryAfterMs ?? 0);
}
