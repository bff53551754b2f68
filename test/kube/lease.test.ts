import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import type { Endpoint } from '../../src/kube/endpoint.ts';
import { LeaseClient, readLease } from '../../src/kube/lease.ts';
import { clientOf, FakeApi, until } from './fake-api.ts';

const TIMEOUT_MS = 5000;
const PATH = '/apis/coordination.k8s.io/v1/namespaces/ops/leases';
const stored = (spec?: Record<string, unknown>) => ({
  metadata: { name: 'tokensync', namespace: 'ops', uid: 'u1', resourceVersion: '7' },
  spec,
});
const CONTENT = { holder: 'pod_1', durationMs: 2500, transitions: 3, acquireTime: 0, renewTime: 1_500 };

let api: FakeApi;
let clock: VirtualClock;
let endpoint: Endpoint;
let leases: LeaseClient;

beforeEach(async () => {
  api = await FakeApi.start();
  clock = new VirtualClock({ startMs: 0 });
  const made = clientOf(api.url, clock);
  endpoint = made.endpoint;
  leases = new LeaseClient(made.client, { namespace: 'ops', name: 'tokensync', timeoutMs: TIMEOUT_MS });
});
afterEach(async () => {
  await endpoint.close();
  await api.close();
});

describe('a Lease', () => {
  test.each([
    [
      { holderIdentity: 'b', leaseDurationSeconds: 15, leaseTransitions: 2, acquireTime: 't' },
      ['b', 15_000, 2, 't'],
    ],
    [{ holderIdentity: null, leaseDurationSeconds: null }, ['', undefined, 0, undefined]],
    [{}, ['', undefined, 0, undefined]],
    [undefined, ['', undefined, 0, undefined]],
  ])('%j', (spec, expected) => {
    const lease = readLease(stored(spec));
    expect([lease?.holder, lease?.durationMs, lease?.transitions, lease?.acquireTime]).toEqual(expected);
  });

  test('that is none', () => {
    for (const raw of [undefined, 'x', {}, stored({ holderIdentity: 7 })])
      expect(readLease(raw)).toBeUndefined();
  });
});

describe('the API server is asked', () => {
  test('to create: in whole seconds, rounded up, and times with six digits', async () => {
    const creating = leases.create(CONTENT);
    const call = await api.next();
    expect([call.method, call.url.pathname]).toEqual(['POST', PATH]);
    expect(JSON.parse(call.body)).toEqual({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'tokensync', namespace: 'ops' },
      spec: {
        holderIdentity: 'pod_1',
        leaseDurationSeconds: 3,
        acquireTime: '1970-01-01T00:00:00.000000Z',
        renewTime: '1970-01-01T00:00:01.500000Z',
        leaseTransitions: 3,
      },
    });
    call.json(201, stored({ holderIdentity: 'pod_1' }));
    expect(await creating).toMatchObject({ holder: 'pod_1' });
  });

  test('to write over what was seen and nothing else, leaving what others keep there', async () => {
    const lease = readLease(stored({ holderIdentity: 'b' }));
    if (lease === undefined) throw new Error('unreadable');
    const writing = leases.write(lease, { ...CONTENT, acquireTime: '2026-01-03T12:00:00.000000Z' });
    const call = await api.next();
    expect([call.method, call.url.pathname, call.headers['content-type']]).toEqual([
      'PATCH',
      `${PATH}/tokensync`,
      'application/merge-patch+json',
    ]);
    expect(JSON.parse(call.body)).toMatchObject({
      metadata: { uid: 'u1', resourceVersion: '7' },
      spec: { acquireTime: '2026-01-03T12:00:00.000000Z' },
    });
    call.status(409, 'Conflict');
    await expect(writing).rejects.toMatchObject({ code: 409, reason: 'Conflict' });
  });

  test('what there is; none is no error', async () => {
    const getting = leases.get();
    (await api.next()).status(404, 'NotFound');
    expect(await getting).toBeUndefined();
  });

  test('for no longer than its time-out', async () => {
    const getting = leases.get();
    getting.catch(() => {});
    await api.next();
    await clock.advance(TIMEOUT_MS);
    await expect(getting).rejects.toMatchObject({ code: 0, reason: 'Timeout' });
  });

  test('to watch the one Lease, which RBAC can allow by name', async () => {
    const told: string[] = [];
    const watch = leases.watch(
      {
        replace: items => told.push(...items.map(({ holder }) => holder)),
        upsert: ({ holder }) => told.push(holder),
        remove: () => told.push('gone'),
      },
      { clock, random: { next: () => 0 }, log: { debug() {}, info() {}, warn() {}, error() {} } },
    );
    watch.start();
    const call = (await api.next()).open();
    expect([call.url.pathname, call.param('fieldSelector')]).toEqual([PATH, 'metadata.name=tokensync']);
    call.event('ADDED', stored({ holderIdentity: 'b' })).bookmark('7', true);
    await until(() => told.length === 1, 'the list');
    call.event('MODIFIED', stored({ holderIdentity: '' })).event('DELETED', stored());
    await until(() => told.length === 3, 'the events');
    expect(told).toEqual(['b', '', 'gone']);
    await watch.stop();
  });
});

describe('what is beside the spec', () => {
  const labels = { 'tokensync.dev/shards-of': 'tokensync' };
  const body = async (): Promise<unknown> => {
    const call = await api.next();
    call.json(200, stored());
    return JSON.parse(call.body);
  };
  const seen = readLease(stored({ holderIdentity: 'b' }));

  test('labels are written each time, annotations where they are said, and none is taken away from a Lease that is new', async () => {
    if (seen === undefined) throw new Error('unreadable');
    const { client, endpoint: to } = clientOf(api.url, clock);
    const labelled = new LeaseClient(client, {
      namespace: 'ops',
      name: 'tokensync',
      timeoutMs: TIMEOUT_MS,
      labels,
    });
    const annotations = { a: '1', b: null };
    const created = labelled.create({ ...CONTENT, annotations });
    expect(await body()).toHaveProperty('metadata', {
      name: 'tokensync',
      namespace: 'ops',
      labels,
      annotations: { a: '1' },
    });
    await created;
    const written = labelled.write(seen, { ...CONTENT, annotations });
    expect(await body()).toMatchObject({ metadata: { labels, annotations, resourceVersion: '7' } });
    await written;
    await to.close();
  });

  test('annotations alone, of the version that was seen', async () => {
    if (seen === undefined) throw new Error('unreadable');
    const annotated = leases.annotate(seen, { a: '1' });
    expect(await body()).toEqual({ metadata: { uid: 'u1', resourceVersion: '7', annotations: { a: '1' } } });
    await annotated;
  });
});
