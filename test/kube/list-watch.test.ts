import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import type { KubeClient, WatchReceiver } from '../../src/kube/client.ts';
import type { Endpoint } from '../../src/kube/endpoint.ts';
import { ListWatch, type ListWatchOptions } from '../../src/kube/list-watch.ts';
import { Store } from '../../src/kube/store.ts';
import { type Call, clientOf, FakeApi, MemoryLog, until } from './fake-api.ts';

const CANARY = 'canary-s3cr3t';
const Item = z.object({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string(),
    resourceVersion: z.string(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  data: z.record(z.string(), z.string()).optional(),
});
type Item = z.infer<typeof Item>;

const object = (name: string, resourceVersion: string, more: Record<string, unknown> = {}) => ({
  metadata: { name, namespace: 'ns', resourceVersion, ...more },
});

let api: FakeApi;
let clock: VirtualClock;
let log: MemoryLog;
let store: Store<Item>;
let endpoint: Endpoint;
let client: KubeClient;
let running: ListWatch<Item>[];

beforeEach(async () => {
  api = await FakeApi.start();
  clock = new VirtualClock({ startMs: 0 });
  log = new MemoryLog();
  store = new Store();
  ({ client, endpoint } = clientOf(api.url, clock));
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map(each => each.stop()));
  expect(clock.pending).toBe(0);
  await endpoint.close();
  await api.close();
});

function listWatch(options: Partial<ListWatchOptions<Item>> = {}): ListWatch<Item> {
  const made = new ListWatch<Item>({
    client,
    path: '/api/v1/secrets',
    parse: raw => Item.safeParse(raw).data,
    handler: store.feed(),
    clock,
    random: { next: () => 0 },
    log,
    name: 'secrets',
    ...options,
  });
  running.push(made);
  made.start();
  return made;
}

/** A server that does not stream lists. */
async function refuseStreaming(): Promise<void> {
  (await api.next()).status(422, 'Invalid', { message: 'sendInitialEvents is forbidden' });
}

/** Synced by a streamed list at `version`; the connection goes on as the watch. */
async function synced(made: ListWatch<Item>, version = '10', names: readonly string[] = []): Promise<Call> {
  const call = (await api.next()).open();
  for (const name of names) call.event('ADDED', object(name, '1'));
  call.bookmark(version, true);
  await made.synced;
  return call;
}

const names = (): string[] => [...store.values()].map(each => each.metadata.name).sort();
const has = (version: string) => () =>
  [...store.values()].some(each => each.metadata.resourceVersion === version);
/** The list or watch was seen to end, and the wait for the next is exactly `ms`. */
async function waits(made: ListWatch<Item>, ms: number): Promise<void> {
  await until(() => made.health.state === 'waiting', 'a wait');
  const { restarts } = made.health;
  await clock.advance(ms - 1);
  expect(made.health.restarts).toBe(restarts);
  await clock.advance(1);
  expect(made.health.restarts).toBe(restarts + 1);
}

describe('the streamed list', () => {
  test('is asked for, and swapped in at its closing bookmark', async () => {
    let told = 0;
    store.onChange(() => (told += 1));
    const made = listWatch({ query: { labelSelector: 'a=b' } });
    const call = await api.next();
    expect(Object.fromEntries(call.url.searchParams)).toEqual({
      watch: 'true',
      labelSelector: 'a=b',
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: 'true',
      timeoutSeconds: '300',
    });
    call.open().event('ADDED', object('a', '1')).event('ADDED', object('b', '2'));
    call.event('MODIFIED', object('a', '3')).event('DELETED', object('b', '4'));
    await clock.settle();
    expect([made.health.syncedOnce, told]).toEqual([false, 0]);
    call.bookmark('5', true);
    await made.synced;
    expect(store.get('ns/a')?.metadata.resourceVersion).toBe('3');
    expect(names()).toEqual(['a']);
    expect(made.health).toMatchObject({ state: 'watching', syncedOnce: true, restarts: 0 });
    call.event('ADDED', object('c', '6'));
    await until(has('6'), 'the event');
    call.end();
    const next = await api.next();
    expect(next.param('resourceVersion')).toBe('6');
    expect(next.param('sendInitialEvents')).toBeNull();
  });

  test('that breaks off is begun again, after a wait, and nothing of it was used', async () => {
    const made = listWatch();
    (await api.next()).open().event('ADDED', object('a', '1')).end();
    await waits(made, 250);
    expect(made.health.syncedOnce).toBe(false);
    const call = await synced(made, '5', ['b']);
    expect(call.param('sendInitialEvents')).toBe('true');
    expect(names()).toEqual(['b']);
  });

  test('where it is refused, pages serve, at once and from then on', async () => {
    const made = listWatch();
    await refuseStreaming();
    const list = await api.next();
    expect([list.param('watch'), list.param('limit')]).toEqual([null, '500']);
    list.list('9', [object('a', '1')]);
    await made.synced;
    const watch = await api.next();
    expect([watch.param('resourceVersion'), watch.param('sendInitialEvents')]).toEqual(['9', null]);
    watch.open().event('ERROR', { code: 410, reason: 'Expired' });
    expect((await api.next()).param('limit')).toBe('500');
  });

  test.each([
    ['silent', () => clock.advance(30_000)],
    ['sending an ordinary bookmark', async (call: Call) => void call.bookmark('4')],
  ])('a server that ignores the request, %s, gets pages', async (_, then) => {
    const made = listWatch();
    const call = (await api.next()).open().event('ADDED', object('a', '1'));
    await until(() => made.health.lastEventMono >= 0 && clock.pending > 0, 'the event');
    await clock.settle();
    await then(call);
    (await api.next()).list('9', [object('b', '2')]);
    await made.synced;
    expect(names()).toEqual(['b']);
  });
});

describe('the paged list', () => {
  test('is put together, and nothing is told before it is whole', async () => {
    const made = listWatch();
    await refuseStreaming();
    (await api.next()).list('9', [object('a', '1')], 'two');
    const second = await api.next();
    expect([second.param('continue'), second.param('limit')]).toEqual(['two', '500']);
    expect(made.health.syncedOnce).toBe(false);
    second.list('9', [object('b', '2')]);
    await made.synced;
    expect(names()).toEqual(['a', 'b']);
  });

  test('a 410 while paging starts it over, at last without pages', async () => {
    const made = listWatch();
    await refuseStreaming();
    for (let tries = 0; tries < 2; tries++) {
      const first = await api.next();
      expect([first.param('continue'), first.param('limit')]).toEqual([null, '500']);
      first.list('9', [object('old', '1')], 'two');
      (await api.next()).status(410, 'Expired');
    }
    const whole = await api.next();
    expect([whole.param('continue'), whole.param('limit')]).toEqual([null, null]);
    whole.list('12', [object('a', '1')]);
    await made.synced;
    expect(names()).toEqual(['a']);
    expect(made.health.restarts).toBe(1);
  });

  test('metadata alone is asked for by the list’s own kind', async () => {
    listWatch({ metadataOnly: true });
    const stream = await api.next();
    expect(stream.headers.accept).toBe('application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1');
    stream.status(400, 'BadRequest');
    expect((await api.next()).headers.accept).toBe(
      'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
    );
  });
});

describe('410', () => {
  test.each([
    [
      'as an event',
      (call: Call) => void call.event('ERROR', { kind: 'Status', code: 410, reason: 'Expired' }),
    ],
    [
      'as an answer',
      async (call: Call) => {
        call.end();
        (await api.next()).status(410, 'Gone');
      },
    ],
  ])('%s: a new list, with the deletions that it implies', async (_, expire) => {
    const changes: string[] = [];
    const made = listWatch();
    const call = await synced(made, '10', ['a', 'b']);
    await clock.advance(20_000);
    store.onChange((key, old, next) => changes.push(`${key} ${old === undefined} ${next === undefined}`));
    await expire(call);
    await until(() => api.waiting > 0 || clock.pending > 0, 'the list');
    await clock.advance(1000);
    const again = await api.next();
    expect(again.param('sendInitialEvents')).toBe('true');
    again.open().event('ADDED', object('b', '1')).event('ADDED', object('c', '30'));
    await clock.settle();
    expect(changes).toEqual([]);
    again.bookmark('40', true);
    await until(() => names().join() === 'b,c', 'the swap');
    expect(changes.sort()).toEqual(['ns/a false true', 'ns/c true false']);
  });

  test('again and again is slowed down', async () => {
    const made = listWatch();
    let call = await synced(made);
    for (const least of [0, 500, 1000, 2000]) {
      call.event('ERROR', { code: 410, reason: 'Expired' });
      if (least > 0) await waits(made, least);
      call = (await api.next()).open().bookmark('20', true);
      await until(() => made.health.state === 'watching', 'the watch');
    }
  });
});

describe('the watch', () => {
  test('goes on from the last event or bookmark when it ends, at once', async () => {
    const made = listWatch();
    let call = await synced(made, '10');
    call.event('ADDED', object('a', '11')).bookmark('15');
    await until(has('11'), 'the event');
    await clock.advance(20_000);
    call.end();
    call = await api.next();
    expect(call.param('resourceVersion')).toBe('15');
    expect(made.health.restarts).toBe(1);
  });

  test('that ends at once, again and again, is slowed down, and one that lived starts afresh', async () => {
    const made = listWatch();
    let call = await synced(made);
    call.end();
    for (const wait of [500, 1000, 2000, 4000, 8000, 15_000, 15_000]) {
      (await api.next()).open().end();
      await waits(made, wait);
    }
    call = (await api.next()).open();
    await until(() => made.health.state === 'watching', 'the watch');
    await clock.advance(10_000);
    call.end();
    (await api.next()).open().reset();
    await waits(made, 500);
    await api.next();
  });

  test('honours Retry-After', async () => {
    const made = listWatch();
    const call = await synced(made);
    call.reset();
    await waits(made, 250);
    (await api.next()).status(429, 'TooManyRequests', {}, { 'retry-after': '9' });
    await waits(made, 9000);
    expect((await api.next()).param('resourceVersion')).toBe('10');
  });

  test('dropped in the middle of a line loses nothing', async () => {
    const made = listWatch();
    const call = await synced(made);
    const line = JSON.stringify({ type: 'ADDED', object: object('a', '11') });
    call.raw(line.slice(0, 20));
    await clock.settle();
    call.reset();
    await waits(made, 250);
    const next = await api.next();
    expect(next.param('resourceVersion')).toBe('10');
    next.open().raw(`${line}\n`);
    await until(has('11'), 'the event');
  });

  test('that says nonsense is opened anew', async () => {
    const made = listWatch();
    (await synced(made)).raw(`{"type": ${CANARY}\n`);
    await waits(made, 250);
    await api.next();
    expect(log.text).toContain('NotAnEvent');
    expect(log.text).not.toContain(CANARY);
  });

  test('from a version that the server has not reached is a new list', async () => {
    const made = listWatch();
    const call = await synced(made);
    await clock.advance(20_000);
    call.end();
    (await api.next()).status(504, 'Timeout', {
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 },
    });
    await waits(made, 1000);
    expect((await api.next()).param('sendInitialEvents')).toBe('true');
  });
});

describe('a server that waits in silence for a version that it has not reached', () => {
  test('is asked for a list once nothing was heard for as long as bookmarks may be missing', async () => {
    const made = listWatch();
    (await synced(made, '1000', ['a'])).end();
    (await api.next()).open();
    await until(() => made.health.state === 'watching', 'the watch');
    await clock.advance(129_999);
    expect(made.health.state).toBe('watching');
    await clock.advance(1);
    await waits(made, 250);
    const list = await api.next();
    expect(list.param('sendInitialEvents')).toBe('true');
    list.open().event('ADDED', object('b', '7')).bookmark('9', true);
    await until(() => names().join() === 'b', 'the history that was set back');
  });

  test('also when its watches end in good order', async () => {
    const made = listWatch();
    (await synced(made, '1000', ['a'])).end();
    const call = (await api.next()).open();
    await until(() => made.health.state === 'watching', 'the watch');
    await clock.advance(100_000);
    call.end();
    const second = await api.next();
    expect(second.param('resourceVersion')).toBe('1000');
    second.open();
    await until(() => made.health.state === 'watching', 'the watch');
    await clock.advance(30_000);
    second.end();
    expect((await api.next()).param('sendInitialEvents')).toBe('true');
  });
});

/** Synced by pages from a server that was not seen to send bookmarks. */
async function syncedByPages(made: ListWatch<Item>): Promise<Call> {
  await refuseStreaming();
  (await api.next()).list('10', [object('a', '1')]);
  await made.synced;
  const call = (await api.next()).open();
  await until(() => made.health.state === 'watching', 'the watch');
  return call;
}

describe('the watchdog', () => {
  test('no head within 30 s', async () => {
    const made = listWatch();
    const call = await api.next();
    await clock.advance(30_000);
    await until(() => call.closed, 'the connection to be given up');
    expect(log.text).toContain('NoAnswer');
    await waits(made, 250);
    await api.next();
  });

  test('two bookmarks that do not come; then a list tells whether anything was missed', async () => {
    const made = listWatch();
    const call = await synced(made);
    await clock.advance(60_000);
    call.bookmark('11');
    await until(() => made.health.lastEventMono === 60_000, 'the bookmark');
    await clock.advance(129_999);
    expect([call.closed, made.health.state]).toEqual([false, 'watching']);
    await clock.advance(1);
    await waits(made, 250);
    expect((await api.next()).param('sendInitialEvents')).toBe('true');
    expect(log.text).toContain('WatchSilent');
  });

  test('of a server without bookmarks: silence past the watch’s own end, and a list after it', async () => {
    const made = listWatch();
    const call = await syncedByPages(made);
    await clock.advance(329_999);
    await clock.settle();
    expect([call.closed, made.health.state]).toEqual([false, 'watching']);
    await clock.advance(1);
    await waits(made, 250);
    expect((await api.next()).param('limit')).toBe('500');
  });

  test('remembers from connection to connection that bookmarks come', async () => {
    const made = listWatch();
    let call = await syncedByPages(made);
    await clock.advance(60_000);
    call.bookmark('11');
    await until(() => made.health.lastEventMono === 60_000, 'the bookmark');
    call.end();
    call = (await api.next()).open();
    await until(() => made.health.state === 'watching', 'the watch');
    await clock.advance(130_000);
    await waits(made, 250);
    expect((await api.next()).param('limit')).toBe('500');
  });
});

describe('health', () => {
  test('a server that is away makes it deaf, and never stuck: each try is a sign of life', async () => {
    const made = listWatch();
    (await synced(made)).reset();
    for (let left = 1_800_000; left > 0; left -= 1000) {
      await clock.advance(1000);
      await until(() => api.waiting > 0 || made.health.state === 'waiting', 'a try or a wait');
      while (api.waiting > 0) {
        (await api.next()).reset();
        await until(() => made.health.state === 'waiting', 'a wait');
      }
      const since = 1_800_000 - left + 1000;
      if (since === 190_000) expect(made.health.deaf).toBe(false);
      if (since === 191_000) expect(made.health.deaf).toBe(true);
      expect(made.health.stuck).toBe(false);
    }
    await clock.advance(30_000);
    (await api.next()).open().bookmark('20', true);
    await until(() => made.health.state === 'watching', 'the watch');
    expect(made.health.deaf).toBe(false);
  });

  test('initial events that never end are not heard', async () => {
    const made = listWatch();
    (await synced(made)).event('ERROR', { code: 410, reason: 'Expired' });
    const call = (await api.next()).open();
    for (let second = 0; second < 200; second += 20) {
      call.event('ADDED', object(`a${second}`, '11'));
      await until(() => made.health.lastEventMono === second * 1000, 'the event');
      await clock.advance(20_000);
    }
    expect(made.health.deaf).toBe(true);
  });

  test('nothing tried any more is a defect', async () => {
    const made = listWatch({
      client: { request: () => new Promise(() => {}), watch: () => new Promise(() => {}) },
    });
    await clock.advance(900_001);
    expect(made.health.stuck).toBe(true);
    running.pop();
  });
});

describe('what is told', () => {
  test('managedFields and the last-applied copy are dropped first', async () => {
    const made = listWatch();
    const noise = {
      managedFields: [{ manager: 'x' }],
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': CANARY, kept: 'yes' },
    };
    const call = (await api.next())
      .open()
      .event('ADDED', object('a', '1', noise))
      .bookmark('2', true);
    await made.synced;
    call.event('ADDED', object('b', '3', noise));
    await until(has('3'), 'the event');
    for (const each of store.values()) {
      expect(each.metadata).not.toHaveProperty('managedFields');
      expect(each.metadata.annotations).toEqual({ kept: 'yes' });
    }
  });

  test('an object that cannot be read is skipped by name, and does not live on as it was', async () => {
    const made = listWatch();
    const bad = (version: string) => ({ ...object('bad', version), data: { key: { x: CANARY } } });
    const call = (await api.next()).open().event('ADDED', bad('1')).event('ADDED', object('a', '2'));
    call.bookmark('3', true);
    await made.synced;
    expect(names()).toEqual(['a']);
    call
      .event('MODIFIED', { ...bad('4'), metadata: object('a', '4').metadata })
      .event('ADDED', object('c', '5'));
    await until(has('5'), 'the event after');
    expect(names()).toEqual(['c']);
    expect(log.lines.map(line => [line.fields.object, line.message])).toEqual([
      ['ns/bad', 'an object cannot be read: skipped'],
      ['ns/a', 'an object cannot be read: skipped'],
    ]);
    expect(log.text).not.toContain(CANARY);
  });

  test('a handler that throws stops nothing, and its words are not logged', async () => {
    const seen: string[] = [];
    const handler = {
      replace: () => {
        throw new TypeError(CANARY);
      },
      upsert: (each: Item) => {
        seen.push(each.metadata.name);
        throw new Error(CANARY);
      },
      remove: () => {},
    };
    const made = listWatch({ handler });
    const call = await synced(made);
    call.event('ADDED', object('a', '11')).event('ADDED', object('b', '12'));
    await until(() => seen.length === 2, 'both events');
    expect(log.lines.map(line => line.level)).toEqual(['error', 'error', 'error']);
    expect(log.text).not.toContain(CANARY);
  });

  test('nothing that an older connection still says, nor anything after stop', async () => {
    const receivers: WatchReceiver[] = [];
    const ends: (() => void)[] = [];
    const stub: Pick<KubeClient, 'request' | 'watch'> = {
      request: () => Promise.reject(new Error('no list is expected')),
      watch: (_, on) => {
        receivers.push(on);
        return new Promise(resolve => ends.push(resolve));
      },
    };
    const made = listWatch({ client: stub });
    const say = (index: number, type: string, what: unknown) =>
      receivers[index]?.line(JSON.stringify({ type, object: what }));
    receivers[0]?.head?.();
    say(0, 'BOOKMARK', {
      metadata: { resourceVersion: '1', annotations: { 'k8s.io/initial-events-end': 'true' } },
    });
    ends[0]?.();
    await until(() => receivers.length === 2, 'the second watch');
    receivers[1]?.head?.();
    say(0, 'ADDED', object('late', '2'));
    say(1, 'ADDED', object('a', '3'));
    expect(names()).toEqual(['a']);
    const stopped = made.stop();
    say(1, 'ADDED', object('b', '4'));
    ends[1]?.();
    await stopped;
    expect(names()).toEqual(['a']);
  });
});

describe('start and stop', () => {
  test('stop gives up what is under way, waits for it, and is final', async () => {
    const made = listWatch();
    const call = await synced(made);
    expect(() => made.start()).toThrow('cannot start twice');
    await made.stop();
    await until(() => call.closed, 'the connection to be given up');
    expect([made.health.state, clock.pending]).toEqual(['stopped', 0]);
    expect(() => made.start()).toThrow('cannot start twice');
    await clock.advance(3_600_000);
    expect(api.waiting).toBe(0);
  });

  test('stop before the first list tells whoever waits for it, also out of a wait', async () => {
    const made = listWatch();
    const told = expect(made.synced).rejects.toThrow('stopped before its first list');
    (await api.next()).status(403, 'Forbidden');
    await until(() => made.health.state === 'waiting', 'a wait');
    await made.stop();
    await told;
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { code: 403, reason: 'Forbidden' } }]);
  });
});
