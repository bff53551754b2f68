import { expect, test } from 'vitest';
import { Cluster, SECRETS, secret, WIDGETS, widget } from './cluster.ts';

async function ownedSecret(cluster: Cluster, name: string, ...uids: string[]) {
  const ownerReferences = uids.map(uid => ({ apiVersion: 'example.dev/v1', kind: 'Widget', name: uid, uid }));
  await cluster.send('POST', SECRETS, { metadata: { name, ownerReferences } });
}
const names = (cluster: Cluster) => cluster.server.list('secrets').map(({ metadata }) => metadata.name);

test('what is owned goes with the last of its owners', async () => {
  const cluster = new Cluster();
  const uids = await Promise.all(
    ['a', 'b'].map(
      async name => (await cluster.send('POST', WIDGETS, widget(name, { size: 'm' }))).body.metadata.uid,
    ),
  );
  await ownedSecret(cluster, 'one', uids[0] ?? '');
  await ownedSecret(cluster, 'both', ...uids);
  await cluster.clock.advance(1000);
  expect(names(cluster)).toEqual(['one', 'both']);
  await cluster.send('DELETE', `${WIDGETS}/a`, { propagationPolicy: 'Background' });
  await cluster.clock.advance(0);
  expect(names(cluster)).toEqual(['both']);
  await cluster.send('DELETE', `${WIDGETS}/b`);
  await cluster.clock.advance(0);
  expect(names(cluster)).toEqual([]);
});

test('what is made for an owner that is gone goes too', async () => {
  const cluster = new Cluster();
  await ownedSecret(cluster, 'late', 'no-such-uid');
  expect(names(cluster)).toEqual(['late']);
  await cluster.clock.advance(0);
  expect(names(cluster)).toEqual([]);
});

test('an owner of the same name but another uid is no owner', async () => {
  const cluster = new Cluster();
  const { body } = await cluster.send('POST', WIDGETS, widget('w', { size: 'm' }));
  await ownedSecret(cluster, 's', body.metadata.uid);
  await cluster.send('DELETE', `${WIDGETS}/w`);
  await cluster.send('POST', WIDGETS, widget('w', { size: 'm' }));
  await cluster.clock.advance(0);
  expect(names(cluster)).toEqual([]);
});

test('orphaned: what was owned stays and forgets its owner', async () => {
  const cluster = new Cluster();
  const { body } = await cluster.send('POST', WIDGETS, widget('w', { size: 'm' }));
  await ownedSecret(cluster, 's', body.metadata.uid);
  await cluster.send('DELETE', `${WIDGETS}/w?propagationPolicy=Orphan`);
  await cluster.clock.advance(0);
  expect(cluster.server.get('secrets', 's', 'default')?.metadata).not.toHaveProperty('ownerReferences');
});

test('a finalizer holds an object until it is taken away', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', WIDGETS, {
    ...widget('w', { size: 'm' }),
    metadata: { name: 'w', finalizers: ['x/y'] },
  });
  const watch = cluster.watch(`${WIDGETS}?watch=1`);
  const deleted = await cluster.send('DELETE', `${WIDGETS}/w`);
  expect(deleted.body.metadata).toMatchObject({ deletionTimestamp: '2026-03-01T12:00:00Z', generation: 2 });
  expect((await cluster.merge(`${WIDGETS}/w`, { metadata: { finalizers: ['x/y', 'z/z'] } })).code).toBe(422);
  expect((await cluster.merge(`${WIDGETS}/w`, { metadata: { finalizers: null } })).code).toBe(200);
  expect(cluster.server.get('widgets', 'w', 'default')).toBeUndefined();
  expect(watch.seen()).toEqual(['ADDED w', 'MODIFIED w', 'DELETED w']);
});

test('a namespace goes with all that is in it, and takes nothing new meanwhile', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', '/api/v1/namespaces', { metadata: { name: 'team' } });
  const inside = '/api/v1/namespaces/team/secrets';
  await cluster.send('POST', inside, { metadata: { name: 'held', finalizers: ['x/y'] } });
  await cluster.send('POST', inside, secret('free'));
  const gone = await cluster.send('DELETE', '/api/v1/namespaces/team');
  expect(gone.body.status).toEqual({ phase: 'Terminating' });
  const late = await cluster.send('POST', inside, secret('late'));
  expect([late.code, late.body.details.causes[0]?.reason]).toEqual([403, 'NamespaceTerminating']);
  await cluster.clock.advance(0);
  expect(names(cluster)).toEqual(['held']);
  expect((await cluster.send('GET', '/api/v1/namespaces/team')).code).toBe(200);
  await cluster.merge(`${inside}/held`, { metadata: { finalizers: null } });
  await cluster.clock.advance(0);
  expect((await cluster.send('GET', '/api/v1/namespaces/team')).code).toBe(404);
});

test('a deletion tells the uid, and a collection can be deleted by selector', async () => {
  const cluster = new Cluster();
  const { body } = await cluster.send('POST', SECRETS, secret('a'));
  const deleted = await cluster.send('DELETE', `${SECRETS}/a`);
  expect(deleted.body).toMatchObject({
    status: 'Success',
    details: { uid: body.metadata.uid, kind: 'secrets' },
  });
  await cluster.send('POST', SECRETS, { metadata: { name: 'b', labels: { x: 'y' } } });
  await cluster.send('POST', SECRETS, secret('c'));
  await cluster.send('DELETE', `${SECRETS}?labelSelector=x`);
  expect(names(cluster)).toEqual(['c']);
});
