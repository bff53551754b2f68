import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import type { Endpoint } from '../../src/kube/endpoint.ts';
import { ListWatch } from '../../src/kube/list-watch.ts';
import { Store } from '../../src/kube/store.ts';
import { type Call, clientOf, FakeApi, MemoryLog, until } from './fake-api.ts';

/** A list-watch that keeps a share of what there is, which grows and shrinks. */

const Item = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
  }),
});
type Item = z.infer<typeof Item>;

const object = (name: string, resourceVersion: string, uid = name) => ({
  metadata: { name, namespace: 'ns', uid, resourceVersion },
});

let api: FakeApi;
let clock: VirtualClock;
let store: Store<Item>;
let endpoint: Endpoint;
let made: ListWatch<Item>;
let share: string[];
let read: number;

beforeEach(async () => {
  api = await FakeApi.start();
  clock = new VirtualClock({ startMs: 0 });
  store = new Store();
  share = ['a'];
  read = 0;
  const { client, endpoint: to } = clientOf(api.url, clock);
  endpoint = to;
  made = new ListWatch<Item>({
    client,
    path: '/api/v1/things',
    query: () => ({ shardSelector: share.join('+') }),
    keep: uid => share.includes(uid),
    parse: raw => {
      read += 1;
      return Item.safeParse(raw).data;
    },
    handler: store.feed(),
    clock,
    random: { next: () => 0 },
    log: new MemoryLog(),
    name: 'things',
  });
  made.start();
});
afterEach(async () => {
  await made.stop();
  expect(clock.pending).toBe(0);
  await endpoint.close();
  await api.close();
});

const names = (): string[] => [...store.values()].map(each => each.metadata.name).toSorted();

async function synced(version = '10', ...listed: readonly string[]): Promise<Call> {
  const call = (await api.next()).open();
  for (const name of listed) call.event('ADDED', object(name, '1'));
  call.bookmark(version, true);
  await made.synced;
  return call;
}

test('what is not of the share is passed by, unread: in lists, by pages too, and in events', async () => {
  const call = await synced('10', 'a', 'b', 'c');
  expect([names(), read]).toEqual([['a'], 1]);
  call
    .event('ADDED', object('d', '11'))
    .event('DELETED', object('b', '12'))
    .event('MODIFIED', object('a', '13'));
  await until(() => store.get('ns/a')?.metadata.resourceVersion === '13', 'the event');
  expect([names(), read]).toEqual([['a'], 2]);
  call.event('ADDED', object('e', '14')).end();
  // it was passed by, and is not asked for again
  expect((await api.next()).param('resourceVersion')).toBe('14');
});

test('pages, on a server that does not stream', async () => {
  (await api.next()).status(422, 'Invalid', { message: 'sendInitialEvents is forbidden' });
  const call = await api.next();
  expect(call.param('shardSelector')).toBe('a');
  call.json(200, { metadata: { resourceVersion: '5' }, items: [object('a', '1'), object('b', '2')] });
  await made.synced;
  expect([names(), read]).toEqual([['a'], 1]);
});

test('a share that grows is listed anew at once, and is told when that list is here and no sooner', async () => {
  const old = await synced('10', 'a');
  share = ['a', 'b'];
  let done = false;
  const listed = made.relist().then(() => {
    done = true;
  });
  const call = await api.next();
  expect([call.param('shardSelector'), call.param('sendInitialEvents')]).toEqual(['a+b', 'true']);
  old.event('ADDED', object('b', '11'));
  call.open().event('ADDED', object('a', '1')).event('ADDED', object('b', '12'));
  await clock.settle();
  expect([names(), done]).toEqual([['a'], false]);
  call.bookmark('13', true);
  await listed;
  expect(names()).toEqual(['a', 'b']);
});

test('asked again while it lists, it begins once more: what was listed before that does not count', async () => {
  await synced('10', 'a');
  share = ['a', 'b'];
  const first = made.relist();
  const broken = await api.next();
  broken.open().event('ADDED', object('b', '11'));
  await clock.settle();
  share = ['a', 'b', 'c'];
  const second = made.relist();
  const call = await api.next();
  expect(call.param('shardSelector')).toBe('a+b+c');
  broken.bookmark('12', true);
  await clock.settle();
  expect(names()).toEqual(['a']);
  call.open().event('ADDED', object('c', '13')).bookmark('14', true);
  await Promise.all([first, second]);
  expect(names()).toEqual(['c']);
});

test('asked while it waits after a failure, it does not wait', async () => {
  (await synced('10', 'a')).end();
  (await api.next()).status(500, 'InternalError');
  await until(() => made.health.state === 'waiting', 'a wait');
  const listed = made.relist();
  (await api.next()).open().event('ADDED', object('a', '20')).bookmark('21', true);
  await listed;
  expect(store.get('ns/a')?.metadata.resourceVersion).toBe('20');
});

test('a share that shrinks is watched on from where it was, without a list', async () => {
  share = ['a', 'b'];
  await synced('10', 'a', 'b');
  share = ['a'];
  store.drop(store.where(({ metadata }) => !share.includes(metadata.uid)));
  made.narrow();
  const call = await api.next();
  expect([call.param('shardSelector'), call.param('resourceVersion')]).toEqual(['a', '10']);
  expect(names()).toEqual(['a']);
});
