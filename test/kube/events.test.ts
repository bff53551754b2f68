import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type EventFacts, EventRecorder } from '../../src/kube/events.ts';
import { MemoryLog } from './fake-api.ts';

const Written = z.object({
  regarding: z.object({ name: z.string() }),
  series: z.object({ count: z.number() }).optional(),
});

/** An API server that answers when it is told to. */
function recorder() {
  const asked: { readonly what: string; readonly count: number; readonly answer: () => void }[] = [];
  const client = {
    create<T>(_path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
      const { regarding, series } = Written.parse(body);
      const { promise, resolve } = Promise.withResolvers<T>();
      const answer = (): void => resolve(schema.parse({}));
      asked.push({ what: regarding.name, count: series?.count ?? 1, answer });
      return promise;
    },
    mergePatch: () => Promise.reject(new Error('none was told yet')),
  };
  const events = new EventRecorder(client, { now: () => 1_700_000_000_000 }, 'pod', new MemoryLog());
  return { events, asked };
}

const LIVE: EventFacts = { type: 'Normal', reason: 'TokenLive', action: 'Reconcile', note: 'It lives.' };
const about = (name: string) => ({
  kind: 'ProviderCredential',
  namespace: 'team',
  name,
  uid: `uid-${name}`,
  resourceVersion: '1',
});

test('a wave is sent two at a time, in the order that they came', async () => {
  const { events, asked } = recorder();
  for (const name of ['a', 'b', 'c', 'd']) events.record(about(name), LIVE);
  await turn();
  expect(asked.map(({ what }) => what)).toEqual(['a', 'b']);
  asked[1]?.answer();
  await turn();
  expect(asked.map(({ what }) => what)).toEqual(['a', 'b', 'c']);
});

test('what happens again while it waits is counted, and sent once', async () => {
  const { events, asked } = recorder();
  for (const name of ['a', 'b', 'c']) events.record(about(name), LIVE);
  events.record(about('c'), LIVE);
  asked[0]?.answer();
  await turn();
  expect(asked.map(({ what, count }) => [what, count])).toEqual([
    ['a', 1],
    ['b', 1],
    ['c', 2],
  ]);
});

test('of one series nothing is sent beside what is on its way', async () => {
  const { events, asked } = recorder();
  events.record(about('a'), LIVE);
  events.record(about('a'), LIVE);
  await turn();
  expect(asked).toHaveLength(1);
});

test('a flush sends many at once, and ends when all are answered', async () => {
  const { events, asked } = recorder();
  for (let index = 0; index < 50; index++) events.record(about(`c-${index}`), LIVE);
  let flushed = false;
  void events.flush().then(() => {
    flushed = true;
  });
  await turn();
  expect(asked).toHaveLength(32);
  for (let at = 0; at < asked.length; at++) {
    expect(flushed).toBe(false);
    asked[at]?.answer();
    await turn();
  }
  expect([asked.length, flushed]).toEqual([50, true]);
});

test('more than a thousand do not wait', async () => {
  const { events, asked } = recorder();
  for (let index = 0; index < 2000; index++) events.record(about(`c-${index}`), LIVE);
  for (let at = 0; at < asked.length; at++) {
    asked[at]?.answer();
    await turn();
  }
  expect(asked).toHaveLength(1002);
});
