import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { GCProfiler } from 'node:v8';

/**
 * Loaded before a program that is measured (`--import`): tells of its heap when asked, and lets it find the files of a
 * pod's service account in a folder of the benchmark. Imports nothing, so that it weighs nothing.
 */

const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const folder = process.env.BENCH_SERVICE_ACCOUNT;
if (folder !== undefined) {
  const { readFile } = fs;
  const elsewhere = ((path: unknown, ...rest: never[]) =>
    readFile(
      typeof path === 'string' && path.startsWith(MOUNT)
        ? folder + path.slice(MOUNT.length)
        : (path as string),
      ...rest,
    )) as typeof readFile;
  fs.readFile = elsewhere;
  syncBuiltinESMExports();
}

let profiler = begun();
let used = process.memoryUsage().heapUsed;

function begun(): GCProfiler {
  const started = new GCProfiler();
  started.start();
  return started;
}

/** Bytes allocated on V8's heap since it was last asked: what was there before each collection, less what the one before left. */
function allocated(): number {
  let bytes = 0;
  for (const { beforeGC, afterGC } of profiler.stop().statistics) {
    bytes += beforeGC.heapStatistics.usedHeapSize - used;
    used = afterGC.heapStatistics.usedHeapSize;
  }
  const now = process.memoryUsage().heapUsed;
  bytes += now - used;
  used = now;
  profiler = begun();
  return bytes;
}

process.on('message', (message: { ask?: number; what?: string }) => {
  if (message.what === 'allocated') process.send?.({ reply: message.ask, value: allocated() });
  if (message.what === 'memory') process.send?.({ reply: message.ask, value: process.memoryUsage() });
});
// Nothing that is measured outlives who measures.
process.on('disconnect', () => process.exit(1));
// The program ends when it would without us.
process.channel?.unref();
