import { expect, test } from 'vitest';
import { backoff } from '../../src/kube/backoff.ts';
import { KubeError, refusal } from '../../src/kube/kube-error.ts';
import { NO_INITIAL_END, watchEnd } from '../../src/kube/watch-end.ts';

const answered = (code: number, reason = 'X') => new KubeError({ what: 'w', code, reason, sent: 'yes' });
const tooLarge = refusal(
  { what: 'w', code: 504 },
  {
    reason: 'Timeout',
    details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
  },
);
const nothing = { relist: false, paged: false, calm: false };

test.each([
  ['ended in good order', undefined, false, { ...nothing, calm: true }],
  ['ended before its initial events did', undefined, true, nothing],
  ['410', answered(410), false, { ...nothing, relist: true, calm: true }],
  ['410 in a streamed list', answered(410), true, { ...nothing, relist: true, calm: true }],
  ['a version later than the server’s', tooLarge, false, { ...nothing, relist: true }],
  ['parameters refused while watching', answered(400), false, { ...nothing, relist: true }],
  ['streaming refused: 400', answered(400), true, { ...nothing, paged: true, calm: true }],
  ['streaming refused: 422', answered(422), true, { ...nothing, paged: true, calm: true }],
  ['streaming ignored', answered(0, NO_INITIAL_END), true, { ...nothing, paged: true, calm: true }],
  ['not allowed: no reason to stop streaming', answered(403), true, nothing],
  ['no such kind (yet)', answered(404), true, nothing],
  ['busy', answered(429), false, nothing],
  ['down', answered(503), false, nothing],
  ['reset', answered(0, 'ECONNRESET'), false, nothing],
  ['a bug of ours', new TypeError('x'), false, nothing],
])('%s', (_, error, streamedList, expected) => {
  expect(watchEnd(error, streamedList)).toEqual(expected);
});

test.each([
  [0, undefined, 0, 250],
  [0, undefined, 0.999999, 500],
  [3, undefined, 0, 2000],
  [6, undefined, 0.999999, 30_000],
  [1000, undefined, 0, 15_000],
  [0, 7000, 0, 7000],
  [6, 1000, 0, 15_000],
])(
  'backoff after %i failures, Retry-After %s, chance %d: %i ms',
  (failures, retryAfterMs, chance, expected) => {
    expect(Math.round(backoff(failures, retryAfterMs, { next: () => chance }))).toBe(expected);
  },
);
