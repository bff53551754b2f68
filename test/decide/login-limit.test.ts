import { describe, expect, test } from 'vitest';
import {
  counted,
  forgiven,
  type LoginRecord,
  type LoginRequest,
  mayLogin,
  mustCount,
  NO_LOGIN_YET,
  notRefused,
  settled,
  standing,
  succeeded,
  unanswered,
} from '../../src/decide/login-limit.ts';

const SECOND = 1000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOW = 100 * DAY;
const POLICY = { maxRejections: 3, rejectionDelaysMs: [MINUTE, 10 * MINUTE] };

const request = (digest: string, definition = 'd1'): LoginRequest => ({
  digest,
  definition,
  comparable: other => other.startsWith('key1:'),
});
const A = request('key1:a');
const B = request('key1:b');

/** A record of these refusals, each some minutes ago. */
function refusedFor(minutesAgo: readonly number[], more: Partial<LoginRecord> = {}): LoginRecord {
  const record = minutesAgo.reduce(
    (before, minutes) => counted(before, A, NOW - minutes * MINUTE),
    NO_LOGIN_YET,
  );
  return { ...record, ...more };
}

describe('mayLogin', () => {
  const send = { may: 'send' };
  const wait = (ms: number) => ({ may: 'wait', until: NOW + ms });
  const stop = { may: 'stop', why: 'rejections' };
  const proven = { provenAt: NOW - 50 * DAY };

  test.each<[string, LoginRecord, { expiresAt?: number; oneTry?: boolean; maxRejections?: number }, unknown]>(
    [
      ['nothing yet', NO_LOGIN_YET, {}, send],
      ['one, just now', refusedFor([0]), {}, wait(MINUTE)],
      ['one, a minute ago', refusedFor([1]), {}, send],
      ['two', refusedFor([1, 0]), {}, wait(10 * MINUTE)],
      ['two, 10 minutes ago', refusedFor([11, 10]), {}, send],
      ['three', refusedFor([21, 20, 0]), {}, stop],
      ['three long ago', refusedFor([9003, 9002, 9001]), {}, stop],
      ['three, but someone asked', refusedFor([21, 20, 0]), { oneTry: true }, send],
      [
        'more tries than waits: the last wait repeats',
        refusedFor([30, 20, 0]),
        { maxRejections: 10 },
        wait(10 * MINUTE),
      ],
      ['one of one', refusedFor([5]), { maxRejections: 1 }, stop],
      [
        'six in a day',
        refusedFor([5, 4, 3, 2, 1, 0]),
        { maxRejections: 10 },
        wait(DAY + SECOND - 5 * MINUTE),
      ],
      [
        'six in a day, although someone asked',
        refusedFor([5, 4, 3, 2, 1, 0]),
        { maxRejections: 10, oneTry: true },
        wait(DAY + SECOND - 5 * MINUTE),
      ],
      ['six in a day and used up: it is Stalled, not waiting', refusedFor([5, 4, 3, 2, 1, 0]), {}, stop],
      [
        'six, the first more than a day ago',
        refusedFor([1441, 400, 300, 200, 100, 60]),
        { maxRejections: 10 },
        send,
      ],
      [
        'six, the first a day ago by a time that was cut to the second',
        refusedFor([1440, 400, 300, 200, 100, 60]),
        { maxRejections: 10 },
        wait(SECOND),
      ],
      ['five unanswered', { ...NO_LOGIN_YET, unanswered: 5 }, {}, { may: 'stop', why: 'unanswered' }],
      ['five unanswered, but someone asked', { ...NO_LOGIN_YET, unanswered: 5 }, { oneTry: true }, send],
      ['four unanswered', { ...NO_LOGIN_YET, unanswered: 4 }, {}, send],
      ['proven, many unanswered', { ...NO_LOGIN_YET, ...proven, unanswered: 50 }, {}, send],
      ['proven, one, 20 h of life left', refusedFor([0], proven), { expiresAt: NOW + 20 * HOUR }, wait(HOUR)],
      [
        'proven, two, 20 h of life left',
        refusedFor([60, 0], proven),
        { expiresAt: NOW + 20 * HOUR },
        wait(10 * HOUR),
      ],
      [
        'proven, one, a minute of life left',
        refusedFor([0], proven),
        { expiresAt: NOW + MINUTE },
        wait(MINUTE),
      ],
      ['proven, one, dead', refusedFor([0], proven), {}, wait(MINUTE)],
      ['proven, two, dead', refusedFor([1, 0], proven), {}, wait(10 * MINUTE)],
      ['proven, three', refusedFor([11, 10, 0], proven), { expiresAt: NOW + DAY }, wait(6 * HOUR)],
      ['proven, four', refusedFor([371, 370, 360, 0], proven), {}, wait(DAY)],
      ['proven, five', refusedFor([2000, 1900, 1810, 1440, 0], proven), {}, stop],
    ],
  )('%s', (_what, record, { expiresAt, oneTry = false, maxRejections = 3 }, expected) => {
    expect(mayLogin(record, { ...POLICY, maxRejections }, NOW, expiresAt, oneTry)).toEqual(expected);
  });
});

describe('standing: the count for the request that would be sent now', () => {
  const three = refusedFor([21, 20, 0]);

  test.each<[string, LoginRecord, LoginRequest, number]>([
    ['the same request', three, A, 3],
    ['a new one', three, B, 0],
    ['one refused before', counted(three, B, NOW), A, 4],
    [
      'one among the last four',
      [1, 2, 3].reduce(
        (r, n) => counted(standing(r, request(`key1:${n}`)), request(`key1:${n}`), NOW),
        three,
      ),
      A,
      1,
    ],
    [
      'the fifth last',
      [1, 2, 3, 4].reduce(
        (r, n) => counted(standing(r, request(`key1:${n}`)), request(`key1:${n}`), NOW),
        three,
      ),
      A,
      0,
    ],
    ['a digest of a lost key', { ...three, inputs: 'key0:x' }, B, 3],
    ['a refusal of a lost key', { ...three, refused: ['key0:x', 'key1:a'] }, B, 3],
  ])('%s', (_what, record, asked, tries) => {
    expect(standing(record, asked).tries).toBe(tries);
  });

  test('of a new request keeps what was refused, when, and for which definition', () => {
    expect(standing({ ...three, provenAt: NOW }, B)).toEqual({
      refused: ['key1:a'],
      refusedAt: three.refusedAt,
      tries: 0,
      unanswered: 0,
      definition: 'd1',
    });
  });
});

describe('what becomes of a count', () => {
  const before: LoginRecord = { ...NO_LOGIN_YET, inputs: A.digest, definition: 'd1', unanswered: 2 };
  const sent = counted(before, A, NOW);

  test('it is as though refused until the outcome is known', () => {
    expect(sent).toMatchObject({ tries: 1, refused: [A.digest], refusedAt: [NOW], lastTriedAt: NOW });
  });
  test('success ends it, and proves the inputs', () => {
    expect(succeeded(before, A, NOW)).toMatchObject({
      tries: 0,
      unanswered: 0,
      refused: [],
      refusedAt: [],
      provenAt: NOW,
    });
  });
  test('an unknown outcome is counted apart, while the inputs have not worked', () => {
    expect(unanswered(before, A, NOW)).toMatchObject({
      tries: 0,
      unanswered: 3,
      refusedAt: [],
      lastTriedAt: NOW,
    });
    expect(unanswered({ ...before, provenAt: 1 }, A, NOW).unanswered).toBe(0);
  });
  test('what did not reach the provider takes it back', () => {
    expect(notRefused(before, A)).toEqual(before);
  });
  test('four refusals and six times are remembered, a day long', () => {
    let record = NO_LOGIN_YET;
    for (let index = 0; index < 9; index += 1)
      record = counted(record, request(`key1:${index}`), NOW + index);
    expect(record.refused).toEqual(['key1:5', 'key1:6', 'key1:7', 'key1:8']);
    expect(record.refusedAt).toHaveLength(6);
    expect(counted(record, A, NOW + 2 * DAY).refusedAt).toEqual([NOW + 2 * DAY]);
  });
  test('a token that such a login brought settles it, and only such a one', () => {
    expect(settled(sent, A, NOW)).toMatchObject({ tries: 0, refusedAt: [], provenAt: NOW });
    expect(settled(sent, A, NOW - 1)).toBe(sent);
    expect(settled(sent, B, NOW)).toBe(sent);
  });
  test('forgiveness is for inputs that once worked', () => {
    expect(forgiven(sent)).toBe(sent);
    expect(forgiven({ ...sent, provenAt: 1 })).toMatchObject({ tries: 0, refusedAt: [NOW] });
  });
  test.each([
    ['new inputs', NO_LOGIN_YET, false, true],
    ['proven', { ...NO_LOGIN_YET, provenAt: 1 }, false, false],
    ['proven, last attempt failed', { ...NO_LOGIN_YET, provenAt: 1 }, true, true],
    ['proven, refused once', { ...NO_LOGIN_YET, provenAt: 1, tries: 1 }, false, true],
  ])('it must be written before sending: %s', (_what, record, failing, expected) => {
    expect(mustCount(record, failing)).toBe(expected);
  });
});
