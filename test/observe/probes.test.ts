import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { ObserveServer } from '../../src/observe/server.ts';
import { answer, refused, type Trouble, trouble, UNREACHED } from '../operator/trouble.ts';

/** What a probe says, and what it does not say: each thing that fails one is made to happen. */

const MINUTE = 60;

/** As kubelet asks: over HTTP. */
async function probes(t: Trouble) {
  const server = new ObserveServer({
    metricsAddress: 'off',
    probeAddress: { host: '127.0.0.1', port: 0 },
    metrics: t.run,
    healthy: { loops: t.run.healthy },
    ready: { synced: t.run.ready },
  });
  onTestFinished(() => server.close());
  const { probes: at } = await server.listen();
  return async (path: '/healthz' | '/readyz'): Promise<string> => {
    const { statusCode, body } = await request(`http://${at}${path}`, { reset: true });
    return `${statusCode} ${await body.text()}`;
  };
}

async function shop(expiresIn = 120): Promise<Trouble> {
  const t = await trouble({ expiresIn }, made => made.apply('shop'));
  await t.until(() => t.condition('shop', 'Ready')?.status === 'True');
  return t;
}

const OK = '200 [+]loops ok\n';
const READY = '200 [+]synced ok\n';

test('a watch that neither hears nor tries: not healthy', async () => {
  const t = await shop(86_400);
  const probe = await probes(t);
  await t.pass(20 * MINUTE);
  expect(await probe('/healthz')).toBe(OK);
  // nothing comes to it, and none of its timers fires: so nothing is tried either
  t.run.pause();
  await t.pass(14 * MINUTE);
  expect(await probe('/healthz')).toBe(OK);
  await t.pass(2 * MINUTE);
  expect(await probe('/healthz')).toMatch(/^503 \[-\]loops failed: the watch of [a-z/]+ is stuck\n$/);
  await t.run.resume();
  await t.pass(MINUTE);
  expect(await probe('/healthz')).toBe(OK);
});

test('a scheduler that is late by more than a minute: not healthy, until it is no longer', async () => {
  const t = await shop();
  const probe = await probes(t);
  // its timers do not fire
  t.run.pause();
  await t.pass(60);
  expect(await probe('/healthz')).toBe(OK);
  await t.pass(120);
  expect(await probe('/healthz')).toBe('503 [-]loops failed: the scheduler is late\n');
  await t.run.resume();
  await t.pass(1);
  expect(await probe('/healthz')).toBe(OK);
});

test('a loop that is blocked answers nobody; kubelet takes that for a failure', async () => {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('blocked-worker.ts', import.meta.url), { workerData: { flag } });
  onTestFinished(async () => void (await worker.terminate()));
  const [at] = (await once(worker, 'message')) as [string];
  const ask = async (ms: number): Promise<number> => {
    const { statusCode, body } = await request(`http://${at}/healthz`, {
      reset: true,
      signal: AbortSignal.timeout(ms),
    });
    await body.dump();
    return statusCode;
  };
  expect(await ask(20_000)).toBe(200);
  worker.postMessage('block');
  await once(worker, 'message');
  await expect(ask(500)).rejects.toThrow(/timeout/i);
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
  expect(await ask(20_000)).toBe(200);
});

test.each([
  ['does not answer', UNREACHED],
  ['answers with 503', answer(503)],
  ['refuses everyone', refused()],
  ['throttles', answer(429, {}, { 'retry-after': '3600' })],
])('a provider that %s, and credentials without a token, are no reason to restart', async (_, given) => {
  const t = await shop();
  const probe = await probes(t);
  t.answer = () => given;
  t.apply('late');
  for (let hour = 0; hour < 6; hour++) {
    await t.pass(60 * MINUTE);
    expect([await probe('/healthz'), await probe('/readyz')]).toEqual([OK, READY]);
  }
  expect([t.condition('shop', 'Ready')?.status, t.condition('late', 'Ready')?.status]).toEqual([
    'False',
    'False',
  ]);
});

test('an API server that is away: not ready, and no reason to restart', async () => {
  const t = await shop(86_400);
  const probe = await probes(t);
  t.run.cut('hang');
  await t.pass(60 * MINUTE);
  expect(await probe('/readyz')).toMatch(/^503 \[-\]synced failed: nothing is heard of [a-z/]+ from the API/);
  expect(await probe('/healthz')).toBe(OK);
  t.run.mend();
  await t.pass(10 * MINUTE);
  expect(await probe('/readyz')).toBe(READY);
});

test('not ready before everything is listed', async () => {
  const t = await trouble({}, made =>
    made.inject(({ resource }) => resource === 'namespaces', { status: 503, reason: 'ServiceUnavailable' }),
  );
  const probe = await probes(t);
  await t.pass(MINUTE);
  expect(await probe('/readyz')).toBe('503 [-]synced failed: not synced with the API server\n');
  expect(await probe('/healthz')).toBe(OK);
});
