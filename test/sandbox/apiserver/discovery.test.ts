import { expect, test } from 'vitest';
import { Cluster, SECRETS } from './cluster.ts';

const get = async (cluster: Cluster, path: string): Promise<unknown> =>
  (await cluster.send('GET', path)).body;

test('discovery tells of groups, kinds and their short names', async () => {
  const cluster = new Cluster();
  expect(await get(cluster, '/api')).toMatchObject({ versions: ['v1'] });
  const groups = (await get(cluster, '/apis')) as { groups: { name: string; preferredVersion: object }[] };
  expect(groups.groups.find(({ name }) => name === 'example.dev')?.preferredVersion).toEqual({
    groupVersion: 'example.dev/v1',
    version: 'v1',
  });
  expect(await get(cluster, '/apis/example.dev/v1')).toMatchObject({
    resources: [
      { name: 'widgets', singularName: 'widget', kind: 'Widget', namespaced: true, shortNames: ['wd'] },
      { name: 'widgets/status' },
    ],
  });
  expect(await get(cluster, '/version')).toMatchObject({ major: '1' });
});

test('OpenAPI has each schema with its descriptions, and says that the server checks fields', async () => {
  const cluster = new Cluster();
  expect(await get(cluster, '/openapi/v3')).toMatchObject({
    paths: { 'apis/example.dev/v1': { serverRelativeURL: '/openapi/v3/apis/example.dev/v1' } },
  });
  const path = '/apis/example.dev/v1/namespaces/{namespace}/widgets/{name}';
  const gvk = { group: 'example.dev', version: 'v1', kind: 'Widget' };
  expect(await get(cluster, '/openapi/v3/apis/example.dev/v1')).toMatchObject({
    paths: {
      [path]: {
        patch: {
          'x-kubernetes-group-version-kind': gvk,
          parameters: [
            { name: 'dryRun' },
            { name: 'fieldManager' },
            { name: 'fieldValidation' },
            { name: 'force' },
          ],
        },
      },
    },
    components: {
      schemas: {
        'example.dev.v1.Widget': {
          'x-kubernetes-group-version-kind': [gvk],
          properties: { spec: { properties: { size: { description: 'How big it is.' } } } },
        },
      },
    },
  });
});

test('everything may be done here', async () => {
  const cluster = new Cluster();
  const { body } = await cluster.send('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { verb: 'get', resource: 'secrets' } },
  });
  expect(body.status).toEqual({ allowed: true });
});

test('a Secret as kubectl sends it, in protobuf', async () => {
  const cluster = new Cluster();
  const field = (number: number, content: Buffer | string): Buffer =>
    Buffer.concat([Buffer.from([(number << 3) | 2, Buffer.byteLength(content)]), Buffer.from(content)]);
  const object = Buffer.concat([
    field(1, Buffer.concat([field(1, 'login'), field(11, Buffer.concat([field(1, 'x'), field(2, 'y')]))])),
    field(2, Buffer.concat([field(1, 'password'), field(2, 'pässword')])),
    field(3, 'Opaque'),
  ]);
  const typeMeta = Buffer.concat([field(1, 'v1'), field(2, 'Secret')]);
  const body = Buffer.concat([Buffer.from('k8s\0'), field(1, typeMeta), field(2, object)]);
  const response = await cluster.server.handler({
    method: 'POST',
    url: new URL(`http://cluster.test${SECRETS}`),
    headers: { 'content-type': 'application/vnd.kubernetes.protobuf' },
    body,
    signal: new AbortController().signal,
  });
  expect(response.status).toBe(201);
  expect(cluster.server.get('secrets', 'login', 'default')).toMatchObject({
    metadata: { labels: { x: 'y' } },
    data: { password: Buffer.from('pässword').toString('base64') },
  });
});

test.each([
  ['not JSON', '{"metadata": CANARY'],
  ['a list', '["CANARY"]'],
  ['a key that would reach the prototype', '{"__proto__": {"x": "CANARY"}}'],
])('a body that is %s is refused unquoted', async (_, text) => {
  const cluster = new Cluster();
  const response = await cluster.server.handler({
    method: 'POST',
    url: new URL(`http://cluster.test${SECRETS}`),
    headers: {},
    body: Buffer.from(text),
    signal: new AbortController().signal,
  });
  expect(response.status).toBe(400);
  expect(response.body).not.toContain('CANARY');
});
