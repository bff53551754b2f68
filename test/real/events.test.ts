import { expect, test } from 'vitest';
import { z } from 'zod';
import { KubeClient } from '../../src/kube/client.ts';
import { EventRecorder } from '../../src/kube/events.ts';
import { kubeconfigEndpoint } from '../../src/kube/kubeconfig.ts';
import { ServerTime } from '../../src/kube/server-time.ts';
import type { Clock } from '../../src/loop/clock.ts';
import { systemClock } from '../../src/loop/clock.ts';
import { MemoryLog } from '../kube/fake-api.ts';
import { place } from './place.ts';

const Events = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      series: z.object({ count: z.number() }).optional(),
    }),
  ),
});

test('a real API server takes an event, its series, and the series of one that it has forgotten', async context => {
  const it = await place(context, 'events');
  const { endpoint } = await kubeconfigEndpoint({ paths: [it.plane.kubeconfig], clock: systemClock });
  context.onTestFinished(() => endpoint.close());
  let passed = 0;
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + passed };
  const serverTime = new ServerTime(clock);
  const client = new KubeClient({ endpoint, clock, serverTime });
  const log = new MemoryLog();
  const recorder = new EventRecorder(client, serverTime, 'test', log);
  const made = await it.apply('pgf/login', 1);
  const regarding = {
    kind: 'ProviderCredential',
    namespace: it.namespace,
    name: made.name,
    uid: 'c0ffee00-0000-4000-8000-000000000000',
    resourceVersion: '1',
  };
  const event = { type: 'Warning', reason: 'Unreachable', action: 'Refresh', note: 'no way there' } as const;
  const path = `/apis/events.k8s.io/v1/namespaces/${it.namespace}/events`;
  const counts = async (): Promise<(number | undefined)[]> => {
    await recorder.flush();
    return (await client.get(path, Events)).items.map(({ series }) => series?.count);
  };
  recorder.repeat(regarding, event);
  expect(await counts()).toEqual([]);
  recorder.record(regarding, event);
  expect(await counts()).toEqual([undefined]);
  recorder.repeat(regarding, event);
  expect(await counts()).toEqual([2]);
  recorder.repeat(regarding, event);
  expect(await counts()).toEqual([3]);
  const described = await it.kubectl([
    'get',
    'events',
    '-o',
    'wide',
    '--field-selector',
    `involvedObject.name=${made.name}`,
  ]);
  // MESSAGE, FIRST SEEN, COUNT
  expect(described.stdout).toMatch(/ Warning +Unreachable +.* no way there +\S+ +3 /);

  const [first] = (await client.get(path, Events)).items;
  await client.remove(`${path}/${first?.metadata.name}`, {});
  passed += 11 * 60_000;
  recorder.repeat(regarding, event);
  expect(await counts()).toEqual([4]);
  expect(log.lines).toEqual([]);
});
