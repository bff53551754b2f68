import { expect, test } from 'vitest';
import type { z } from 'zod';
import { AccessReviewer } from '../../src/kube/access-review.ts';
import { KubeError } from '../../src/kube/kube-error.ts';
import { ManualClock } from '../provider/manual-clock.ts';
import { MemoryLog } from './fake-api.ts';

const TOKEN = 'token-c4n4ry';
const BEARER = `Bearer ${TOKEN}`;
const USER = { username: 'prometheus', uid: 'u', groups: ['g'], extra: { x: ['y'] } };

interface Asked {
  readonly kind: string;
  readonly body: { readonly spec: unknown };
  readonly secret: boolean | undefined;
}

function reviewer(answers: { review?: unknown; access?: unknown; fails?: Error; waits?: Promise<void> }) {
  const asked: Asked[] = [];
  const clock = new ManualClock();
  const log = new MemoryLog();
  const client = {
    create: async <T>(
      path: string,
      body: unknown,
      schema: z.ZodType<T>,
      { secret }: { readonly secret?: boolean | undefined } = {},
    ): Promise<T> => {
      const kind = path.slice(path.lastIndexOf('/') + 1);
      asked.push({ kind, body: body as Asked['body'], secret });
      await answers.waits;
      if (answers.fails !== undefined) throw answers.fails;
      return schema.parse({ status: kind === 'tokenreviews' ? answers.review : answers.access });
    },
  };
  const made = new AccessReviewer(client, clock, log);
  const review = (authorization?: string) => made.review(authorization, '/metrics', 'get');
  return { review, asked, clock, log, answers };
}
const good = { review: { authenticated: true, user: USER }, access: { allowed: true } };

test('a bearer token is reviewed, then what its user may', async () => {
  const { review, asked } = reviewer(good);
  expect(await review(BEARER)).toBe('allowed');
  expect(asked.map(({ kind, body }) => [kind, body.spec])).toEqual([
    ['tokenreviews', { token: TOKEN }],
    [
      'subjectaccessreviews',
      {
        user: 'prometheus',
        uid: 'u',
        groups: ['g'],
        extra: { x: ['y'] },
        nonResourceAttributes: { path: '/metrics', verb: 'get' },
      },
    ],
  ]);
  // nothing of the API server's words may be kept in an error
  expect(asked.every(({ secret }) => secret)).toBe(true);
});

test.each<[string, Parameters<typeof reviewer>[0], string]>([
  ['a token that is not good', { review: { user: {}, error: 'invalid bearer token' } }, 'unauthenticated'],
  ['a user of a token that is not good', { review: { authenticated: false, user: USER } }, 'unauthenticated'],
  ['an answer without a user', { review: { authenticated: true } }, 'unauthenticated'],
  ['an answer that says nothing', { review: {} }, 'unauthenticated'],
  ['a user who may not', { ...good, access: { allowed: false } }, 'forbidden'],
  ['an answer that cannot be read', { ...good, access: {} }, 'unavailable'],
])('%s', async (_, answers, access) => {
  expect(await reviewer(answers).review(BEARER)).toBe(access);
});

test.each([undefined, '', 'Basic YTpi', 'Bearer', 'Bearer a b'])('%j asks nobody', async authorization => {
  const { review, asked } = reviewer(good);
  expect(await review(authorization)).toBe('unauthenticated');
  expect(asked).toEqual([]);
});

test('an answer counts for a minute, a refusal for ten seconds', async () => {
  const { review, asked, clock, answers } = reviewer(good);
  await review(BEARER);
  answers.access = { allowed: false };
  clock.advance(59_999);
  expect(await review(BEARER)).toBe('allowed');
  expect(asked).toHaveLength(2);
  clock.advance(1);
  expect(await review(BEARER)).toBe('forbidden');
  answers.access = { allowed: true };
  clock.advance(9999);
  expect(await review(BEARER)).toBe('forbidden');
  clock.advance(1);
  expect(await review(BEARER)).toBe('allowed');
  expect(await review(`${BEARER}2`)).toBe('allowed');
  expect(asked).toHaveLength(8);
});

test('an API server that is away is asked again, and told of once a minute, without the token', async () => {
  const fails = new KubeError({ what: 'create tokenreviews', code: 403, reason: 'Forbidden', sent: 'yes' });
  const { review, asked, clock, log, answers } = reviewer({ ...good, fails });
  expect([await review(BEARER), await review(BEARER)]).toEqual(['unavailable', 'unavailable']);
  expect(asked).toHaveLength(2);
  expect(log.lines).toEqual([
    {
      level: 'warn',
      message: 'scrapes cannot be authorized',
      fields: { code: 403, reason: 'Forbidden', todo: expect.stringContaining('tokenreviews') as string },
    },
  ]);
  clock.advance(60_000);
  await review(BEARER);
  expect(log.lines).toHaveLength(2);
  expect(log.text).not.toContain('c4n4ry');
  delete answers.fails;
  expect(await review(BEARER)).toBe('allowed');
});

test('many with one token are one review, and many tokens no storm', async () => {
  const waits = Promise.withResolvers<void>();
  const { review, asked } = reviewer({ ...good, waits: waits.promise });
  const same = Array.from({ length: 50 }, () => review(BEARER));
  const others = Array.from({ length: 50 }, (_, index) => review(`Bearer ${index}`));
  expect(asked).toHaveLength(8);
  waits.resolve();
  expect(new Set(await Promise.all(same))).toEqual(new Set(['allowed']));
  expect((await Promise.all(others)).filter(access => access === 'unavailable')).toHaveLength(43);
});
