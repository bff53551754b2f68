import { expect, test } from 'vitest';
import { Cluster, SECRETS, secret, TYPE, WIDGETS, widget } from './cluster.ts';

test('a created object gets what the server gives it, by the injected clock', async () => {
  const cluster = new Cluster();
  const { code, body, headers } = await cluster.send(
    'POST',
    SECRETS,
    secret('a', { stringData: { k: 'v' } }),
  );
  expect(code).toBe(201);
  expect(headers.date).toBe('Sun, 01 Mar 2026 12:00:00 GMT');
  expect(body).toMatchObject({
    kind: 'Secret',
    metadata: { name: 'a', namespace: 'default', creationTimestamp: '2026-03-01T12:00:00Z' },
    type: 'Opaque',
    data: { k: 'dg==' },
  });
  expect(body).not.toHaveProperty('stringData');
  expect(Number(body.metadata.resourceVersion)).toBeGreaterThan(100);
  expect((await cluster.send('GET', `${SECRETS}/a`)).body).toEqual(body);
});

test.each([
  ['taken name', 'POST', SECRETS, secret('a'), 409, 'AlreadyExists'],
  ['missing object', 'GET', `${SECRETS}/nope`, undefined, 404, 'NotFound'],
  ['missing namespace', 'POST', '/api/v1/namespaces/none/secrets', secret('b'), 404, 'NotFound'],
  [
    'other namespace in the body',
    'POST',
    SECRETS,
    { metadata: { name: 'b', namespace: 'x' } },
    400,
    'BadRequest',
  ],
  ['other kind in the body', 'POST', SECRETS, { kind: 'Pod', metadata: { name: 'b' } }, 400, 'BadRequest'],
  ['other name in the body', 'PUT', `${SECRETS}/a`, secret('b'), 400, 'BadRequest'],
  ['no name', 'POST', SECRETS, { metadata: {} }, 422, 'Invalid'],
  ['bad name', 'POST', SECRETS, secret('A b'), 422, 'Invalid'],
  ['a version to create', 'POST', SECRETS, { metadata: { name: 'b', resourceVersion: '5' } }, 500, undefined],
  ['stale PUT', 'PUT', `${SECRETS}/a`, { metadata: { name: 'a', resourceVersion: '3' } }, 409, 'Conflict'],
  ['PUT of another uid', 'PUT', `${SECRETS}/a`, { metadata: { name: 'a', uid: 'x' } }, 409, 'Conflict'],
  ['PUT of nothing there', 'PUT', `${SECRETS}/z`, secret('z'), 404, 'NotFound'],
  [
    'PUT of a custom object without a version',
    'PUT',
    `${WIDGETS}/w`,
    widget('w', { size: 'm' }),
    422,
    'Invalid',
  ],
  ['unknown group', 'GET', '/apis/foo/v1/bars', undefined, 404, undefined],
  ['POST to an object', 'POST', `${SECRETS}/a`, secret('a'), 405, 'MethodNotAllowed'],
  ['delete with another uid', 'DELETE', `${SECRETS}/a`, { preconditions: { uid: 'x' } }, 409, 'Conflict'],
  [
    'delete of another version',
    'DELETE',
    `${SECRETS}/a`,
    { preconditions: { resourceVersion: '1' } },
    409,
    'Conflict',
  ],
])('refused: %s', async (_, method, path, body, code, reason) => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, secret('a'));
  await cluster.send('POST', WIDGETS, widget('w', { size: 'm' }));
  const reply = await cluster.send(method, path, body);
  expect([reply.code, reply.body.reason]).toEqual([code, reason]);
});

test.each([
  ['stale', { metadata: { resourceVersion: '3' } }, 409],
  ['another uid', { metadata: { uid: 'x' } }, 422],
  ['the type', { type: 'other/type' }, 422],
  ['a bad key', { data: { 'a b': 'eA==' } }, 422],
  ['bad base64', { data: { k: 'e!' } }, 400],
  ['a label that is none', { metadata: { labels: { a: 'b c' } } }, 422],
  ['an annotation key that is none', { metadata: { annotations: { 'a b': 'c' } } }, 422],
  ['more than a mebibyte', { data: { k: Buffer.alloc(1024 * 1024 + 1).toString('base64') } }, 422],
  [
    'an owner without a uid',
    { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: '' }] } },
    422,
  ],
])('a patch of a Secret is refused: %s', async (_, patch, code) => {
  const cluster = new Cluster();
  const before = (await cluster.send('POST', SECRETS, secret('a', { data: { k: 'dg==' } }))).body;
  expect((await cluster.merge(`${SECRETS}/a`, patch)).code).toBe(code);
  expect((await cluster.send('GET', `${SECRETS}/a`)).body).toEqual(before);
});

test('a refusal for base64 does not quote the value', async () => {
  const cluster = new Cluster();
  const { body } = await cluster.send('POST', SECRETS, secret('a', { data: { k: 'CANARY!' } }));
  expect(JSON.stringify(body)).not.toContain('CANARY');
});

test('an immutable Secret stays as it is', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, secret('a', { immutable: true, data: { k: 'dg==' } }));
  for (const patch of [{ data: { k: 'eA==' } }, { immutable: false }]) {
    expect((await cluster.merge(`${SECRETS}/a`, patch)).code).toBe(422);
  }
  expect((await cluster.merge(`${SECRETS}/a`, { metadata: { labels: { x: 'y' } } })).code).toBe(200);
});

test('a dry run says what would be, and changes nothing', async () => {
  const cluster = new Cluster();
  expect((await cluster.send('POST', `${SECRETS}?dryRun=All`, secret('a'))).code).toBe(201);
  expect(cluster.server.get('secrets', 'a', 'default')).toBeUndefined();
  await cluster.send('POST', SECRETS, secret('a'));
  const before = cluster.server.get('secrets', 'a', 'default');
  const patched = await cluster.merge(`${SECRETS}/a?dryRun=All`, { data: { k: 'eA==' } });
  expect(patched.body.data).toEqual({ k: 'eA==' });
  await cluster.send('DELETE', `${SECRETS}/a?dryRun=All`);
  expect(cluster.server.get('secrets', 'a', 'default')).toBe(before);
});

test('a write that changes nothing makes no new version', async () => {
  const cluster = new Cluster();
  const { body } = await cluster.send('POST', SECRETS, secret('a', { data: { k: 'dg==' } }));
  const again = await cluster.merge(`${SECRETS}/a`, { data: { k: 'dg==' } });
  expect(again.body.metadata.resourceVersion).toBe(body.metadata.resourceVersion);
});

test.each([
  ['merge', TYPE.merge, { data: { a: null, c: 'Yw==' } }],
  [
    'json',
    TYPE.json,
    [
      { op: 'remove', path: '/data/a' },
      { op: 'add', path: '/data/c', value: 'Yw==' },
    ],
  ],
  ['strategic', TYPE.strategic, { data: { a: null, c: 'Yw==' } }],
])('%s patch', async (_, type, patch) => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, secret('s', { data: { a: 'YQ==', b: 'Yg==' } }));
  const { body } = await cluster.send('PATCH', `${SECRETS}/s`, patch, { type });
  expect(body.data).toEqual({ b: 'Yg==', c: 'Yw==' });
});

test('a strategic patch merges keyed lists and follows its directives', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, { metadata: { name: 's', finalizers: ['a/a', 'b/b'] } });
  const patch = { metadata: { '$deleteFromPrimitiveList/finalizers': ['a/a'], finalizers: ['c/c'] } };
  const { body } = await cluster.send('PATCH', `${SECRETS}/s`, patch, { type: TYPE.strategic });
  expect(body.metadata.finalizers).toEqual(['b/b', 'c/c']);
  const custom = await cluster.send('PATCH', `${WIDGETS}/w`, {}, { type: TYPE.strategic });
  expect(custom.code).toBe(404);
  await cluster.send('POST', WIDGETS, widget('w', { size: 'm' }));
  expect((await cluster.send('PATCH', `${WIDGETS}/w`, {}, { type: TYPE.strategic })).code).toBe(415);
});

test('a JSON patch whose test fails changes nothing', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, secret('s', { data: { a: 'YQ==' } }));
  const patch = [
    { op: 'remove', path: '/data/a' },
    { op: 'test', path: '/type', value: 'no' },
  ];
  expect((await cluster.send('PATCH', `${SECRETS}/s`, patch, { type: TYPE.json })).code).toBe(422);
  expect(cluster.server.get('secrets', 's', 'default')?.data).toEqual({ a: 'YQ==' });
});

test('both APIs of events show the same events', async () => {
  const cluster = new Cluster();
  const events = '/apis/events.k8s.io/v1/namespaces/default/events';
  const event = {
    metadata: { name: 'e' },
    eventTime: '2026-03-01T12:00:00.000000Z',
    reportingController: 'tokensync.dev/x',
    reportingInstance: 'x-1',
    action: 'Refresh',
    reason: 'Refreshed',
    type: 'Normal',
    note: 'hello',
    regarding: { kind: 'Widget', name: 'w', namespace: 'default' },
  };
  expect((await cluster.send('POST', events, event)).body).toMatchObject({ note: 'hello' });
  const selector = 'fieldSelector=involvedObject.name%3Dw,involvedObject.kind%3DWidget';
  const core = await cluster.send('GET', `/api/v1/namespaces/default/events?${selector}`);
  expect(core.body.items).toMatchObject([
    { apiVersion: 'v1', message: 'hello', involvedObject: { name: 'w' } },
  ]);
  const missing = await cluster.send('POST', events, {
    ...event,
    metadata: { name: 'f' },
    action: undefined,
  });
  expect(missing.code).toBe(422);
  expect((await cluster.send('POST', events, { ...event, type: 'Odd', metadata: { name: 'f' } })).code).toBe(
    422,
  );
});

test('a merge patch removes what it sets to null, at any depth', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', WIDGETS, widget('w', { size: 'm', free: { x: 1, y: { z: 2, k: 3 } } }));
  const { body } = await cluster.merge(`${WIDGETS}/w`, {
    spec: { free: { x: null, y: { z: null, n: { o: null } } } },
  });
  expect(body.spec.free).toEqual({ y: { k: 3, n: {} } });
});
