import { expect, onTestFinished, test } from 'vitest';
import { seeded } from '../../sandbox/random.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { LeaseClient } from '../../src/kube/lease.ts';
import { Election } from '../../src/lead/election.ts';
import { type Call, clientOf, FakeApi, MemoryLog, until } from '../kube/fake-api.ts';

/** What the order of answers may do to an election. The rest is in test/operator/replicas.test.ts. */

const TIMES = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };

const stored = (version: string, holder: string): Record<string, unknown> => ({
  metadata: { name: 'tokensync', namespace: 'ops', uid: 'u', resourceVersion: version },
  spec: { holderIdentity: holder, leaseDurationSeconds: 15, leaseTransitions: 0 },
});

/** One that finds no Lease, and asks to make it. */
async function taking(): Promise<{
  api: FakeApi;
  election: Election;
  watch: Call | undefined;
  create: Call;
  /** Versions of the Lease. */
  seen: (string | undefined)[];
}> {
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
  const create = await api.next();
  expect(create.method).toBe('POST');
  return { api, election, watch, create, seen };
}

async function expectGiven(api: FakeApi, version: string): Promise<void> {
  const call = await api.next();
  expect([call.method, JSON.parse(call.body)]).toMatchObject([
    'PATCH',
    { metadata: { resourceVersion: version }, spec: { holderIdentity: '' } },
  ]);
  call.json(200, stored('9', ''));
}

test('a list that was begun before our own write does not have it, and that does not take the Lease from us', async () => {
  const { api, election, watch, create, seen } = await taking();
  create.json(201, stored('7', 'pod_1'));
  await election.elected;
  watch?.bookmark('6', true).event('MODIFIED', stored('8', 'pod_1'));
  await until(() => seen.at(-1) === '8', 'what comes after the list');
  expect(seen).toEqual([undefined, '7', '8']);
  const stopped = election.stop(true);
  await expectGiven(api, '8');
  await stopped;
});

test('who ends while it takes the Lease gives it back', async () => {
  const { api, election, create } = await taking();
  const stopped = election.stop(true);
  create.json(201, stored('7', 'pod_1'));
  await expectGiven(api, '7');
  await stopped;
  expect(election.leads).toBe(false);
});
