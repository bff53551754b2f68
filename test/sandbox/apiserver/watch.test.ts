import { expect, test } from 'vitest';
import { ACCEPT, Cluster, type OpenWatch, SECRETS, secret, WIDGETS, widget } from './cluster.ts';

const STREAMED = 'watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan';

test('a watch tells what is there, then what changes, in order', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, secret('a'));
  const watch = cluster.watch(`${SECRETS}?watch=true`);
  await cluster.send('POST', SECRETS, secret('b'));
  await cluster.send('POST', '/api/v1/namespaces/kube-system/secrets', secret('elsewhere'));
  await cluster.merge(`${SECRETS}/a`, { data: { k: 'dg==' } });
  await cluster.send('DELETE', `${SECRETS}/a`);
  expect(watch.seen()).toEqual(['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED a']);
  const versions = watch.events.map(({ object }) => Number(object.metadata.resourceVersion));
  expect(versions).toEqual([...versions].sort((x, y) => x - y));
  expect(watch.events[3]?.object.data).toEqual({ k: 'dg==' });
});

test('a watch from a version tells just what came after', async () => {
  const cluster = new Cluster();
  const { body } = await cluster.send('POST', SECRETS, secret('a'));
  await cluster.send('POST', SECRETS, secret('b'));
  const watch = cluster.watch(`${SECRETS}?watch=true&resourceVersion=${body.metadata.resourceVersion}`);
  await cluster.send('POST', SECRETS, secret('c'));
  expect(watch.seen()).toEqual(['ADDED b', 'ADDED c']);
});

test.each([
  ['compacted', async (cluster: Cluster) => cluster.server.compact()],
  [
    'out of bounded history',
    async (cluster: Cluster) => {
      for (let i = 0; i < 30; i += 1) await cluster.merge(`${SECRETS}/b`, { data: { k: btoa(String(i)) } });
    },
  ],
])('a version that is %s: one ERROR with 410, and the end', async (_, forget) => {
  const cluster = new Cluster({ historyLimit: 10 });
  const { body } = await cluster.send('POST', SECRETS, secret('a'));
  await cluster.send('POST', SECRETS, secret('b'));
  await forget(cluster);
  const watch = cluster.watch(`${SECRETS}?watch=true&resourceVersion=${body.metadata.resourceVersion}`);
  expect(watch.events).toMatchObject([{ type: 'ERROR', object: { code: 410, reason: 'Expired' } }]);
  expect(watch.ended).toBe('end');
  expect(cluster.server.openWatches()).toBe(0);
});

test('the newest version is never too old', async () => {
  const cluster = new Cluster();
  const { body } = await cluster.send('POST', SECRETS, secret('a'));
  cluster.server.compact();
  const watch = cluster.watch(`${SECRETS}?watch=true&resourceVersion=${body.metadata.resourceVersion}`);
  await cluster.send('POST', SECRETS, secret('b'));
  expect(watch.seen()).toEqual(['ADDED b']);
});

test('the initial state can be streamed, its end marked by a bookmark', async () => {
  const cluster = new Cluster();
  const { body } = await cluster.send('POST', SECRETS, secret('a', { data: { k: 'dg==' } }));
  const watch = cluster.watch(`${SECRETS}?${STREAMED}`, ACCEPT.partial);
  expect(watch.events).toMatchObject([
    { type: 'ADDED', object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } } },
    {
      type: 'BOOKMARK',
      object: {
        kind: 'PartialObjectMetadata',
        metadata: {
          resourceVersion: body.metadata.resourceVersion,
          annotations: { 'k8s.io/initial-events-end': 'true' },
        },
      },
    },
  ]);
  expect(JSON.stringify(watch.events)).not.toContain('dg==');
});

test('an older server refuses to stream the initial state', async () => {
  const cluster = new Cluster({ watchList: false });
  expect((await cluster.send('GET', `${SECRETS}?${STREAMED}`)).code).toBe(422);
  const newer = new Cluster();
  expect((await newer.send('GET', `${SECRETS}?watch=1&sendInitialEvents=true`)).code).toBe(422);
});

test('an object comes and goes as a selector starts and stops to match', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, secret('a'));
  const watch = cluster.watch(`${SECRETS}?watch=true&labelSelector=x%3Dy`);
  await cluster.merge(`${SECRETS}/a`, { metadata: { labels: { x: 'y' } } });
  await cluster.merge(`${SECRETS}/a`, { data: { k: 'dg==' } });
  const gone = await cluster.merge(`${SECRETS}/a`, { metadata: { labels: { x: null } } });
  await cluster.send('DELETE', `${SECRETS}/a`);
  expect(watch.seen()).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
  expect(watch.events[2]?.object.metadata).toMatchObject({
    resourceVersion: gone.body.metadata.resourceVersion,
    labels: { x: 'y' },
  });
});

test('a bookmark each minute, and the end at timeoutSeconds', async () => {
  const cluster = new Cluster();
  const watch = cluster.watch(`${SECRETS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=150`);
  const plain = cluster.watch(`${SECRETS}?watch=true&timeoutSeconds=150`);
  await cluster.clock.advance(119_999);
  expect(watch.seen()).toEqual(['BOOKMARK']);
  await cluster.clock.advance(1);
  expect(watch.seen()).toEqual(['BOOKMARK', 'BOOKMARK']);
  expect(watch.ended).toBeUndefined();
  await cluster.clock.advance(30_000);
  expect([watch.ended, plain.ended]).toEqual(['end', 'end']);
  expect(plain.events).toEqual([]);
  expect(cluster.clock.pending).toBe(0);
});

test('without timeoutSeconds a watch ends within an hour', async () => {
  const cluster = new Cluster();
  const watch = cluster.watch(`${SECRETS}?watch=true`);
  await cluster.clock.advance(29 * 60_000);
  expect(watch.ended).toBeUndefined();
  await cluster.clock.advance(31 * 60_000);
  expect(watch.ended).toBe('end');
});

test('watches can be ended, broken, or made to fall silent', async () => {
  const cluster = new Cluster();
  const ended = cluster.watch(`${SECRETS}?watch=true`);
  cluster.server.dropWatches();
  const broken = cluster.watch(`${SECRETS}?watch=true`);
  cluster.server.dropWatches('reset');
  const silent = cluster.watch(`${SECRETS}?watch=true&allowWatchBookmarks=true`);
  cluster.server.stallWatches();
  const live = cluster.watch(`${SECRETS}?watch=true`);
  await cluster.send('POST', SECRETS, secret('a'));
  await cluster.clock.advance(3 * 3_600_000);
  expect([ended.ended, broken.ended, silent.ended]).toEqual(['end', 'reset', undefined]);
  expect([ended, broken, silent, live].map(watch => watch.events.length)).toEqual([0, 0, 0, 1]);
});

test('a client that leaves is forgotten', async () => {
  const cluster = new Cluster();
  const watch = cluster.watch(`${SECRETS}?watch=true`);
  expect(cluster.server.openWatches()).toBe(1);
  watch.leave();
  expect(cluster.server.openWatches()).toBe(0);
  expect(cluster.clock.pending).toBe(0);
});

test('all watches see one order, even when one of their readers writes', async () => {
  const cluster = new Cluster();
  const first = cluster.watch(`${SECRETS}?watch=1`);
  const second = cluster.watch(`${SECRETS}?watch=1`);
  first.onEvent = ({ object }) => {
    if (object.metadata.name === 'first') cluster.server.put(secret('second'));
  };
  await cluster.send('POST', SECRETS, secret('first'));
  for (const watch of [first, second]) expect(watch.seen()).toEqual(['ADDED first', 'ADDED second']);
});

test('a watch can show rows of a table', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', WIDGETS, widget('w', { size: 'm' }));
  const watch = cluster.watch(`${WIDGETS}?watch=1`, ACCEPT.table);
  expect(watch.events).toMatchObject([
    { type: 'ADDED', object: { kind: 'Table', rows: [{ cells: ['w', 'm', null, null, '0s'] }] } },
  ]);
});

test('a watch that a reader opens has each change once, in its state or after it', async () => {
  const cluster = new Cluster();
  const first = cluster.watch(`${SECRETS}?watch=1`);
  let second: OpenWatch | undefined;
  first.onEvent = () => {
    if (second !== undefined) return;
    cluster.server.put(secret('b'));
    second = cluster.watch(`${SECRETS}?watch=1`);
  };
  await cluster.send('POST', SECRETS, secret('a'));
  await cluster.send('POST', SECRETS, secret('c'));
  expect(second?.seen()).toEqual(['ADDED a', 'ADDED b', 'ADDED c']);
});

test('a large initial state comes in slices, each when the last was taken; what changes meanwhile comes after its end', async () => {
  const cluster = new Cluster();
  const count = 2500;
  for (let index = 0; index < count; index += 1)
    cluster.server.put(secret(`s-${String(index).padStart(4, '0')}`));
  const watch = cluster.watch(`${SECRETS}?${STREAMED}`);
  expect(watch.events.length).toBeLessThan(count);
  await cluster.send('DELETE', `${SECRETS}/s-2499`);
  while (watch.events.length < count) {
    const { length } = watch.events;
    await new Promise(setImmediate);
    expect(watch.events).toHaveLength(length);
    watch.untaken?.();
    expect(watch.events.length).toBeGreaterThan(length);
  }
  const [bookmark, deleted] = watch.events.slice(count);
  expect(watch.events.slice(0, count).every(({ type }) => type === 'ADDED')).toBe(true);
  expect([bookmark?.type, deleted?.type, deleted?.object.metadata.name]).toEqual([
    'BOOKMARK',
    'DELETED',
    's-2499',
  ]);
  expect(Number(bookmark?.object.metadata.resourceVersion)).toBeLessThan(
    Number(deleted?.object.metadata.resourceVersion),
  );
});
