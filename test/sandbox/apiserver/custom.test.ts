import { expect, test } from 'vitest';
import { Cluster, WIDGETS, widget } from './cluster.ts';

const UNCHECKED = '<nil>';

// Each of these was seen on a real kube-apiserver 1.36.
test.each([
  [{ size: 'q' }, ['spec.size', UNCHECKED], 'Unsupported value: "q": supported values: "s", "m", "xl"'],
  [{}, ['spec.size', UNCHECKED], 'Required value'],
  [{ size: 'm', a: 'toolong' }, ['spec.a', UNCHECKED], 'Too long: may not be more than 5 bytes'],
  [{ size: 'm', a: 'A' }, ['spec.a'], 'Invalid value: "A": spec.a in body should match \'^[a-z]+$\''],
  [{ size: 'm', a: '' }, ['spec.a'], 'Invalid value: "": spec.a in body should be at least 1 chars long'],
  [{ size: 'm', b: 0 }, ['spec.b'], 'Invalid value: 0: spec.b in body should be greater than or equal to 1'],
  [
    { size: 'm', b: '1' },
    ['spec.b', UNCHECKED],
    'Invalid value: "string": spec.b in body must be of type integer: "string"',
  ],
  [
    { size: 'm', port: true },
    ['spec.port', UNCHECKED],
    'Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
  ],
  [{ size: 'm', a: 'x', b: 1 }, ['spec'], 'Invalid value: a and b exclude each other'],
  [{ size: 'm', tags: ['a', 'a'] }, ['spec.tags[1]'], 'Duplicate value: "a"'],
  [
    { size: 'm', tags: ['a', 'b', 'c', 'd'] },
    ['spec.tags', UNCHECKED],
    'Too many: 4: must have at most 3 items',
  ],
  [
    { size: 'm', labels: { x: '12345' } },
    ['spec.labels.x', UNCHECKED],
    'Too long: may not be more than 4 bytes',
  ],
  [{ size: 'm', parts: [{ count: 3 }] }, ['spec.parts[0].name', UNCHECKED], 'Required value'],
  [{ size: 'm', parts: [{ name: 'a' }, { name: 'a' }] }, ['spec.parts[1]'], 'Duplicate value: {"name":"a"}'],
  [
    { size: 'm', parts: [{ name: 'a', count: 300 }] },
    ['spec.parts[0]'],
    'Invalid value: part a has too many',
  ],
])('%j is refused at %j', async (spec, fields, message) => {
  const cluster = new Cluster();
  const { code, body } = await cluster.send('POST', WIDGETS, widget('w', spec));
  expect(code).toBe(422);
  expect(body.details.kind).toBe('Widget');
  expect(body.details.causes.map(({ field }) => field)).toEqual(fields);
  expect(body.details.causes[0]?.message).toBe(message);
  expect(body.message).toContain(`Widget.example.dev "w" is invalid: `);
});

test('defaults are filled in, unknown fields pruned, nulls dropped', async () => {
  const cluster = new Cluster();
  const spec = {
    size: 'm',
    a: null,
    odd: 1,
    port: '80',
    free: { x: { y: 1 } },
    parts: [{ name: 'p', note: null, odd: 2 }],
  };
  const { body, headers } = await cluster.send('POST', WIDGETS, widget('w', spec));
  expect(body.spec).toEqual({
    size: 'm',
    port: '80',
    free: { x: { y: 1 } },
    mode: { kind: 'auto', level: 3 },
    parts: [{ name: 'p', note: null, count: 1 }],
  });
  expect(body.status).toEqual({ observedGeneration: -1 });
  expect(headers.warning).toBe(
    '299 - "unknown field \\"spec.odd\\"", 299 - "unknown field \\"spec.parts[0].odd\\""',
  );
});

test('strict validation refuses unknown fields', async () => {
  const cluster = new Cluster();
  const { code, body } = await cluster.send(
    'POST',
    `${WIDGETS}?fieldValidation=Strict`,
    widget('w', { size: 'm', odd: 1 }),
  );
  expect(code).toBe(400);
  expect(body.message).toBe(
    'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.odd"',
  );
});

test('generation counts changes of the spec alone', async () => {
  const cluster = new Cluster();
  const generation = () => cluster.server.get('widgets', 'w', 'default')?.metadata.generation;
  await cluster.send('POST', WIDGETS, widget('w', { size: 'm' }));
  expect(generation()).toBe(1);
  await cluster.merge(`${WIDGETS}/w`, { metadata: { labels: { a: 'b' } } });
  await cluster.merge(`${WIDGETS}/w/status`, { status: { tries: 1 } });
  expect(generation()).toBe(1);
  await cluster.merge(`${WIDGETS}/w`, { spec: { size: 's' } });
  expect(generation()).toBe(2);
});

test('status and the rest are written each through its own path', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', WIDGETS, { ...widget('w', { size: 'm' }), status: { tries: 9 } });
  await cluster.merge(`${WIDGETS}/w`, { status: { tries: 5 } });
  expect(cluster.server.get('widgets', 'w', 'default')?.status).toEqual({ observedGeneration: -1 });
  const patch = {
    spec: { size: 'xl' },
    metadata: { labels: { a: 'b' }, uid: 'other' },
    status: { tries: 1 },
  };
  const { code, body } = await cluster.merge(`${WIDGETS}/w/status`, patch);
  expect(code).toBe(200);
  expect(body).toMatchObject({ spec: { size: 'm' }, status: { tries: 1, observedGeneration: -1 } });
  expect(body.metadata.labels).toBeUndefined();
  const stale = { metadata: { resourceVersion: '1' }, status: { tries: 2 } };
  expect((await cluster.merge(`${WIDGETS}/w/status`, stale)).code).toBe(409);
  expect((await cluster.merge(`${WIDGETS}/w/status`, { status: { tries: 'x' } })).code).toBe(422);
});

test('a rule with oldSelf holds an update to what was', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', WIDGETS, widget('w', { size: 'xl' }));
  const { code, body } = await cluster.merge(`${WIDGETS}/w`, { spec: { size: 's' } });
  expect(code).toBe(422);
  expect(body.details.causes).toEqual([
    { reason: 'FieldValueForbidden', message: 'Forbidden: size xl is final', field: 'spec.size' },
  ]);
});

test('a definition that is applied later is served, and its deletion takes its objects along', async () => {
  const cluster = new Cluster();
  const kind = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'gadgets.other.dev' },
    spec: {
      group: 'other.dev',
      scope: 'Cluster',
      names: { plural: 'gadgets', kind: 'Gadget' },
      versions: [
        { name: 'v2', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
    },
  };
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const { body } = await cluster.apply(`${definitions}/gadgets.other.dev`, kind);
  expect(body.status).toMatchObject({ acceptedNames: { singular: 'gadget', listKind: 'GadgetList' } });
  const made = await cluster.send('POST', '/apis/other.dev/v2/gadgets', { metadata: { name: 'g' }, odd: 1 });
  expect(made.code).toBe(201);
  expect(made.body).not.toHaveProperty('odd');
  await cluster.send('DELETE', `${definitions}/gadgets.other.dev`);
  expect((await cluster.send('GET', '/apis/other.dev/v2/gadgets')).code).toBe(404);
});

test('a definition whose rule does not parse is refused', async () => {
  const cluster = new Cluster();
  const definition = cluster.server.get('customresourcedefinitions', 'widgets.example.dev');
  const text = JSON.stringify(definition).replace('self.count < 100', 'self.count <');
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.dev';
  const { code, body } = await cluster.send('PUT', path, JSON.parse(text));
  expect(code).toBe(422);
  expect(body.message).toContain('compilation failed');
});
