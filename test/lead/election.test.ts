import { expect, onTestFinished, test } from 'vitest';
import { seeded } from '../../sandbox/random.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { LeaseClient } from '../../src/kube/lease.ts';
import { Election } from '../../src/lead/election.ts';
import { clientOf, FakeApi, MemoryLog, until } from '../kube/fake-api.ts';

/** What the order of answers may do to an election. The rest is in test/operator/replicas.test.ts. */

const TIMES = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };

test('a list that was begun before our own write does not have it, and that does not take the Lease from us', async () => {
  const api = await FakeApi.start();
  const clock = new VirtualClock({ startMs: 0 });
  const { client, endpoint, serverTime } = clientOf(api.url, clock);
  onTestFinished(async () => {
    await endpoint.close();
    await api.close();
  });
  const seen: (string | undefined)[] = [];
  const election = new Election({
    leases: new LeaseClient(client, { namespace: 'ops', name: 'tokensync', timeoutMs: 5000 }),
    identity: 'pod_1',
    times: TIMES,
    clock,
    random: seeded('election'),
    serverTime,
    log: new MemoryLog(),
    onRenewed: () => {},
    onDeposed: () => {},
    onLeading: () => {},
    onSeen: lease => seen.push(lease?.metadata.resourceVersion),
  });
  election.start();
  const first = [await api.next(), await api.next()];
  const watch = first.find(({ url }) => url.searchParams.has('watch'))?.open();
  first.find(call => !call.url.searchParams.has('watch'))?.status(404, 'NotFound');
  const stored = (version: string, holder: string): Record<string, unknown> => ({
    metadata: { name: 'tokensync', namespace: 'ops', uid: 'u', resourceVersion: version },
    spec: { holderIdentity: holder, leaseDurationSeconds: 15, leaseTransitions: 0 },
  });
  const created = await api.next();
  expect(created.method).toBe('POST');
  created.json(201, stored('7', 'pod_1'));
  await election.elected;

  watch?.bookmark('6', true).event('MODIFIED', stored('8', 'pod_1'));
  await until(() => seen.at(-1) === '8', 'what comes after the list');
  expect(seen).toEqual([undefined, '7', '8']);
  const stopped = election.stop(true);
  const given = await api.next();
  expect([given.method, JSON.parse(given.body)]).toMatchObject([
    'PATCH',
    { metadata: { resourceVersion: '8' }, spec: { holderIdentity: '' } },
  ]);
  given.json(200, stored('9', ''));
  await stopped;
});
