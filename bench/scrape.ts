import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { Metrics } from '../src/observe/metrics.ts';
import { ObserveServer } from '../src/observe/server.ts';

/**
 * What a scrape costs the operator: the longest that one holds the event loop, and what heap is left behind.
 * Over a real socket, read by another thread, with a series for each credential.
 *
 *   node --expose-gc bench/scrape.ts [credentials=10000] [scrapes=50]
 */

const [credentials = 10_000, scrapes = 50] = process.argv.slice(2).map(Number);
/** What one scrape may hold the loop for, ms. */
const LONGEST_MS = 20;

const metrics = new Metrics({
  perCredential: 'on',
  version: 'bench',
  time: { now: Date.now, monotonic: () => performance.now() },
  process: true,
});
metrics.owned(1);
for (let p = 0; p < 5; p++) {
  const provider = `provider-${p}`;
  metrics.setProvider(provider, { accepted: true, saturated: false });
  metrics.acceptProvider(provider, [{ name: 'jwt', refreshable: true }]);
}
const set = (index: number): void =>
  metrics.setCredential(`namespace-${index % 500}/credential-${index}`, `provider-${index % 5}`, {
    ready: index % 10 !== 0,
    reason: index % 10 === 0 ? 'TokenExpired' : 'TokenLive',
    begun: true,
    expiresAt: Date.now() + 3_600_000 + index,
    renewAt: Date.now() + 2_400_000,
    lastSuccess: Date.now(),
    rejections: 0,
  });
for (let index = 0; index < credentials; index++) set(index);

const address = { host: '127.0.0.1', port: 0 };
const server = new ObserveServer({
  metricsAddress: address,
  probeAddress: 'off',
  metrics,
  healthy: {},
  ready: {},
});
const { metrics: at } = await server.listen();

/** Reads from a thread of its own, as a scraper would: its work is none of ours. */
const scraper = new Worker(
  `const { parentPort, workerData } = require('node:worker_threads');
   parentPort.on('message', async accept => {
     const answer = await fetch(workerData, { headers: { accept } });
     parentPort.postMessage((await answer.arrayBuffer()).byteLength);
   });`,
  { eval: true, workerData: `http://${at}/metrics` },
);
async function scrape(accept: string): Promise<number> {
  scraper.postMessage(accept);
  const [bytes] = (await once(scraper, 'message')) as [number];
  return bytes;
}

const heap = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

/**
 * The longest turn of the event loop, in the thread's own processor time: what we, and the collector, hold it for.
 * How late the loop comes (`monitorEventLoopDelay`) is told too, and on a busy machine is mostly what others take.
 */
class Turns {
  #last = cpu();
  #longest = 0;
  #stopped = false;

  constructor() {
    const turn = (): void => {
      const now = cpu();
      this.#longest = Math.max(this.#longest, now - this.#last);
      this.#last = now;
      if (!this.#stopped) setImmediate(turn);
    };
    setImmediate(turn);
  }

  stop(): number {
    this.#stopped = true;
    return this.#longest;
  }
}

function cpu(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

async function measure(format: string, accept: string): Promise<Record<string, string>> {
  for (let i = 0; i < 5; i++) await scrape(accept);
  const before = heap();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const turns = new Turns();
  const began = performance.now();
  let bytes = 0;
  for (let i = 0; i < scrapes; i++) {
    bytes = await scrape(accept);
    for (let index = 0; index < credentials; index += 97) set(index);
  }
  const each = (performance.now() - began) / scrapes;
  delay.disable();
  const longest = turns.stop();
  if (longest > LONGEST_MS) process.exitCode = 1;
  return {
    format,
    'size MiB': (bytes / 2 ** 20).toFixed(1),
    'ms a scrape': each.toFixed(0),
    'loop held, longest ms': longest.toFixed(1),
    'loop late, longest ms': (delay.max / 1e6).toFixed(1),
    'heap before MiB': before.toFixed(1),
    'heap after MiB': heap().toFixed(1),
  };
}

console.log(`${credentials} credentials, ${scrapes} scrapes each`);
console.table([
  await measure('text', 'text/plain'),
  await measure('OpenMetrics', 'application/openmetrics-text;version=1.0.0'),
]);
if (globalThis.gc === undefined)
  console.log('The heap is not collected before it is read: run with --expose-gc.');
if (process.exitCode === 1) console.log(`A scrape held the event loop for more than ${LONGEST_MS} ms.`);
await scraper.terminate();
await server.close();
