import { expect, test } from 'vitest';
import { Cluster, SECRETS, secret, WIDGETS, widget } from './cluster.ts';

const spec = { size: 'm', a: 'x', parts: [{ name: 'p', count: 2 }], tags: ['q'] };

test('an apply creates, and owns just what it says', async () => {
  const cluster = new Cluster();
  const { code, body } = await cluster.apply(`${WIDGETS}/w`, widget('w', spec));
  expect(code).toBe(201);
  expect(body.spec).toEqual({ ...spec, mode: { kind: 'auto', level: 3 } });
  expect(body.metadata.managedFields).toEqual([
    {
      manager: 't',
      operation: 'Apply',
      apiVersion: 'example.dev/v1',
      time: '2026-03-01T12:00:00Z',
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:spec': {
          'f:size': {},
          'f:a': {},
          'f:parts': { 'k:{"name":"p"}': { '.': {}, 'f:name': {}, 'f:count': {} } },
          'f:tags': { 'v:"q"': {} },
        },
      },
    },
  ]);
});

test('conflicts name every field that another manager holds', async () => {
  const cluster = new Cluster();
  await cluster.apply(`${WIDGETS}/w`, widget('w', spec));
  const other = widget('w', {
    size: 's',
    a: 'y',
    parts: [{ name: 'p', count: 3 }, { name: 'r' }],
    tags: ['z'],
  });
  const { code, body } = await cluster.apply(`${WIDGETS}/w`, other, 'fieldManager=u');
  expect([code, body.reason]).toEqual([409, 'Conflict']);
  expect(body.message).toMatch(/^Apply failed with 3 conflicts: conflicts with "t":\n- /);
  expect(body.details.causes.map(({ field }) => field).sort()).toEqual([
    '.spec.a',
    '.spec.parts[name="p"].count',
    '.spec.size',
  ]);
});

test('force takes the fields over; what an applier drops goes, unless someone else has it', async () => {
  const cluster = new Cluster();
  await cluster.apply(`${WIDGETS}/w`, widget('w', spec));
  const other = widget('w', { size: 's', parts: [{ name: 'p', count: 3 }, { name: 'r' }], tags: ['z'] });
  const forced = await cluster.apply(`${WIDGETS}/w`, other, 'fieldManager=u&force=true');
  expect(forced.body.spec).toMatchObject({
    size: 's',
    a: 'x',
    parts: [
      { name: 'p', count: 3 },
      { name: 'r', count: 1 },
    ],
    tags: ['q', 'z'],
  });
  const less = await cluster.apply(`${WIDGETS}/w`, widget('w', { size: 'm' }), 'fieldManager=t&force=true');
  expect(less.body.spec).toEqual({
    size: 'm',
    mode: { kind: 'auto', level: 3 },
    parts: [
      { name: 'p', count: 3 },
      { name: 'r', count: 1 },
    ],
    tags: ['z'],
  });
  expect(less.body.metadata.managedFields?.map(({ manager, fieldsV1 }) => [manager, fieldsV1])).toEqual([
    ['t', { 'f:spec': { 'f:size': {} } }],
    [
      'u',
      {
        'f:spec': {
          'f:parts': {
            'k:{"name":"p"}': { '.': {}, 'f:name': {}, 'f:count': {} },
            'k:{"name":"r"}': { '.': {}, 'f:name': {} },
          },
          'f:tags': { 'v:"z"': {} },
        },
      },
    ],
  ]);
});

test('dropped keys, labels and owners of a Secret go; those of others stay', async () => {
  const cluster = new Cluster();
  const owner = { apiVersion: 'v1', kind: 'X', name: 'x', uid: 'u1' };
  const full = { name: 's', labels: { a: '1', b: '2' }, annotations: { n: '1' }, ownerReferences: [owner] };
  await cluster.apply(`${SECRETS}/s`, { ...secret('s'), metadata: full, data: { a: 'YQ==', b: 'Yg==' } });
  await cluster.merge(`${SECRETS}/s`, { data: { mine: 'eA==' }, metadata: { labels: { mine: 'x' } } });
  const less = { ...secret('s'), metadata: { name: 's', labels: { a: '1' } }, data: { a: 'YQ==' } };
  const { body } = await cluster.apply(`${SECRETS}/s`, less);
  expect(body.data).toEqual({ a: 'YQ==', mine: 'eA==' });
  expect(body.metadata.labels).toEqual({ a: '1', mine: 'x' });
  expect(body.metadata).not.toHaveProperty('annotations');
  expect(body.metadata).not.toHaveProperty('ownerReferences');
});

test('an update takes ownership from the applier, who then conflicts', async () => {
  const cluster = new Cluster();
  await cluster.apply(`${SECRETS}/s`, secret('s', { data: { a: 'YQ==' } }));
  await cluster.merge(`${SECRETS}/s?fieldManager=editor`, { data: { a: 'eA==' } });
  const { code, body } = await cluster.apply(`${SECRETS}/s`, secret('s', { data: { a: 'YQ==' } }));
  expect(code).toBe(409);
  expect(body.message).toBe('Apply failed with 1 conflict: conflict with "editor" using v1: .data.a');
  const forced = await cluster.apply(
    `${SECRETS}/s`,
    secret('s', { data: { a: 'YQ==' } }),
    'fieldManager=t&force=true',
  );
  expect(forced.body.metadata.managedFields?.map(({ manager }) => manager)).toEqual(['t']);
});

// All seen on a real kube-apiserver 1.36.
test.each([
  ['a version, nothing there: created', { resourceVersion: '1' }, '', false, 201],
  ['the same, dry', { resourceVersion: '1' }, '&dryRun=All', false, 201],
  ['a version that is not the live one', { resourceVersion: '1' }, '', true, 409],
  ['the same, dry', { resourceVersion: '1' }, '&dryRun=All', true, 409],
  ['a uid, nothing there', { uid: 'abc' }, '', false, 409],
  ['another uid', { uid: 'abc' }, '', true, 422],
  ['managed fields', { managedFields: [] }, '', true, 400],
  ['another name', { name: 'other' }, '', true, 400],
])('an apply with %s', async (_, metadata, query, exists, code) => {
  const cluster = new Cluster();
  if (exists) await cluster.send('POST', SECRETS, secret('s'));
  const before = cluster.server.get('secrets', 's', 'default');
  const body = { ...secret('s', { stringData: { a: 'b' } }), metadata: { name: 's', ...metadata } };
  const reply = await cluster.apply(`${SECRETS}/s`, body, `fieldManager=t&force=true${query}`);
  expect(reply.code).toBe(code);
  if (code !== 201 || query !== '') expect(cluster.server.get('secrets', 's', 'default')).toBe(before);
  else expect(reply.body.data).toEqual({ a: 'Yg==' });
});

test('an apply needs a manager, and fields that the schema knows', async () => {
  const cluster = new Cluster();
  expect((await cluster.apply(`${SECRETS}/s`, secret('s'), '')).code).toBe(422);
  for (const there of [false, true]) {
    if (there) await cluster.send('POST', WIDGETS, widget('w', { size: 'm' }));
    const { code, body } = await cluster.apply(`${WIDGETS}/w`, widget('w', { size: 'm', odd: 1 }));
    expect(code).toBe(500);
    expect(body.message).toContain('.spec.odd: field not declared in schema');
  }
});

test('the same apply again is no write', async () => {
  const cluster = new Cluster();
  const first = await cluster.apply(`${WIDGETS}/w`, widget('w', spec));
  await cluster.clock.advance(5000);
  const again = await cluster.apply(`${WIDGETS}/w`, widget('w', spec));
  expect(again.code).toBe(200);
  expect(again.body).toEqual(first.body);
});

test('an apply of status owns status alone', async () => {
  const cluster = new Cluster();
  const created = await cluster.apply(`${WIDGETS}/w`, {
    ...widget('w', { size: 'm' }),
    status: { tries: 7 },
  });
  expect(created.body.status).not.toHaveProperty('tries');
  expect(created.body.metadata.managedFields?.[0]?.fieldsV1).not.toHaveProperty('f:status');
  await cluster.merge(`${WIDGETS}/w/status?fieldManager=op`, {
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  });
  const applied = {
    ...widget('w', { size: 's' }),
    status: { conditions: [{ type: 'Stalled', status: 'False' }] },
  };
  const { body } = await cluster.apply(`${WIDGETS}/w/status`, applied, 'fieldManager=sa');
  expect(body.spec.size).toBe('m');
  expect(body.status.conditions).toEqual([
    { type: 'Ready', status: 'True' },
    { type: 'Stalled', status: 'False' },
  ]);
  const entries = body.metadata.managedFields ?? [];
  expect(entries.map(({ manager, operation, subresource }) => [manager, operation, subresource])).toEqual([
    ['sa', 'Apply', 'status'],
    ['t', 'Apply', undefined],
    ['op', 'Update', 'status'],
  ]);
});

test('kubectl takes over server-side what it applied client-side', async () => {
  const cluster = new Cluster();
  const last = 'kubectl.kubernetes.io/last-applied-configuration';
  const first = widget('w', { size: 'm' });
  const annotations = { [last]: JSON.stringify(first) };
  const created = { ...first, metadata: { name: 'w', annotations } };
  await cluster.send('POST', `${WIDGETS}?fieldManager=kubectl-client-side-apply`, created);
  const next = widget('w', { size: 's' });
  expect((await cluster.apply(`${WIDGETS}/w`, next, 'fieldManager=someone')).code).toBe(409);
  const { code, body } = await cluster.apply(`${WIDGETS}/w`, next, 'fieldManager=kubectl');
  expect(code).toBe(200);
  expect(JSON.parse(body.metadata.annotations?.[last] ?? '')).toMatchObject({ spec: { size: 's' } });
});
