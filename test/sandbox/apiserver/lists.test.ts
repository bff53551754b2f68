import { expect, test } from 'vitest';
import { humanDuration } from '../../../sandbox/apiserver/columns.ts';
import { compilePath } from '../../../sandbox/apiserver/jsonpath.ts';
import { ACCEPT, Cluster, SECRETS, secret, WIDGETS, widget } from './cluster.ts';

const names = (items: { metadata: { name: string } }[]) => items.map(({ metadata }) => metadata.name);

test('pages show the state of the first page, whatever happens meanwhile', async () => {
  const cluster = new Cluster();
  for (const name of ['a', 'b', 'c', 'd']) await cluster.send('POST', SECRETS, secret(name));
  const first = await cluster.send('GET', `${SECRETS}?limit=2`);
  expect(names(first.body.items)).toEqual(['a', 'b']);
  expect(first.body.metadata.remainingItemCount).toBe(2);
  await cluster.send('DELETE', `${SECRETS}/c`);
  await cluster.send('POST', SECRETS, secret('ba'));
  await cluster.merge(`${SECRETS}/d`, { data: { k: 'dg==' } });
  const second = await cluster.send('GET', `${SECRETS}?limit=2&continue=${first.body.metadata.continue}`);
  expect(names(second.body.items)).toEqual(['c', 'd']);
  expect(second.body.items[1]).not.toHaveProperty('data');
  expect(second.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
  expect(second.body.metadata.continue).toBeUndefined();
});

test('a page whose state is forgotten is 410, a token that is none 400, a version to come 504', async () => {
  const cluster = new Cluster();
  for (const name of ['a', 'b', 'c']) await cluster.send('POST', SECRETS, secret(name));
  const first = await cluster.send('GET', `${SECRETS}?limit=1`);
  await cluster.send('DELETE', `${SECRETS}/a`);
  cluster.server.compact();
  const second = await cluster.send('GET', `${SECRETS}?limit=1&continue=${first.body.metadata.continue}`);
  expect([second.code, second.body.reason]).toEqual([410, 'Expired']);
  expect((await cluster.send('GET', `${SECRETS}?continue=abc`)).code).toBe(400);
  for (const path of [SECRETS, `${SECRETS}/b`])
    expect((await cluster.send('GET', `${path}?resourceVersion=999999`)).code).toBe(504);
});

test.each([
  ['labelSelector=x%3D1', ['a']],
  ['labelSelector=x', ['a', 'b']],
  ['labelSelector=!x', ['c']],
  ['labelSelector=x!%3D1', ['b', 'c']],
  ['labelSelector=x%20in%20(1,2),y', ['b']],
  ['labelSelector=x%20notin%20(1)', ['b', 'c']],
  ['fieldSelector=metadata.name%3Dc', ['c']],
  ['fieldSelector=type%3Dkubernetes.io/x,metadata.namespace%3Ddefault', ['c']],
  ['fieldSelector=type!%3DOpaque', ['c']],
])('%s', async (query, expected) => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, { metadata: { name: 'a', labels: { x: '1' } } });
  await cluster.send('POST', SECRETS, { metadata: { name: 'b', labels: { x: '2', y: '' } } });
  await cluster.send('POST', SECRETS, { metadata: { name: 'c' }, type: 'kubernetes.io/x' });
  expect(names((await cluster.send('GET', `${SECRETS}?${query}`)).body.items)).toEqual(expected);
});

test('a field that cannot be selected by is said to be none', async () => {
  const cluster = new Cluster();
  const { code, body } = await cluster.send('GET', `${WIDGETS}?fieldSelector=spec.size%3Dm`);
  expect([code, body.message]).toEqual([400, 'field label not supported: spec.size']);
});

test('metadata alone, of one and of many', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, secret('a', { data: { k: 'dg==' } }));
  const one = await cluster.send('GET', `${SECRETS}/a`, undefined, { accept: ACCEPT.partial });
  expect(one.body).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } });
  const many = await cluster.send('GET', SECRETS, undefined, { accept: ACCEPT.partialList });
  expect(many.body).toMatchObject({
    kind: 'PartialObjectMetadataList',
    items: [{ kind: 'PartialObjectMetadata', metadata: { name: 'a' } }],
  });
  expect(JSON.stringify([one.body, many.body])).not.toContain('dg==');
  expect((await cluster.send('GET', SECRETS, undefined, { accept: ACCEPT.partial })).code).toBe(406);
});

test('a table has the columns of the kind', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', WIDGETS, widget('w', { size: 'm' }));
  const conditions = [
    { type: 'Other', status: 'False' },
    { type: 'Ready', status: 'True' },
  ];
  await cluster.merge(`${WIDGETS}/w/status`, { status: { conditions, tries: 3 } });
  await cluster.clock.advance(125_000);
  const { body } = await cluster.send('GET', WIDGETS, undefined, { accept: ACCEPT.table });
  expect(body).toMatchObject({
    kind: 'Table',
    columnDefinitions: [
      { name: 'Name', format: 'name', priority: 0 },
      { name: 'Size' },
      { name: 'Ready' },
      { name: 'Tries', type: 'integer', priority: 1 },
      { name: 'Age', type: 'date' },
    ],
    rows: [{ cells: ['w', 'm', 'True', 3, '2m5s'], object: { kind: 'PartialObjectMetadata' } }],
  });
});

test.each([
  [-5000, '<invalid>'],
  [0, '0s'],
  [119_000, '119s'],
  [125_000, '2m5s'],
  [600_000, '10m'],
  [3 * 3_600_000, '3h'],
  [3.5 * 3_600_000, '3h30m'],
  [30 * 3_600_000, '30h'],
  [3 * 86_400_000 + 3_600_000, '3d1h'],
  [20 * 86_400_000, '20d'],
  [800 * 86_400_000, '2y70d'],
])('%d ms are %s', (ms, text) => {
  expect(humanDuration(ms)).toBe(text);
});

test.each([
  ['.a.b', 1],
  ['.list[0].n', 'x'],
  ['.list[?(@.n=="y")].v', 2],
  ["['odd.key']", 3],
  ['.odd\\.key', 3],
  ['.list[*].n', 'x'],
  ['.none.b', undefined],
])('the path %s', (path, value) => {
  const object = { a: { b: 1 }, list: [{ n: 'x' }, { n: 'y', v: 2 }], 'odd.key': 3 };
  expect(compilePath(path)(object)).toBe(value);
});
