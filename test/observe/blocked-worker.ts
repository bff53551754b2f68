import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { ObserveServer } from '../../src/observe/server.ts';

/** Serves probes, and blocks its event loop when told to, until the shared flag says that it is enough. */

const { flag } = z.object({ flag: z.instanceof(Int32Array) }).parse(workerData);
const server = new ObserveServer({
  metricsAddress: 'off',
  probeAddress: { host: '127.0.0.1', port: 0 },
  metrics: { expose: () => ({ contentType: 'text/plain', pieces: (async function* () {})() }) },
  healthy: { loops: () => undefined },
  ready: {},
});
parentPort?.once('message', () => {
  parentPort?.postMessage('blocked');
  Atomics.wait(flag, 0, 0);
});
parentPort?.postMessage((await server.listen()).probes);
