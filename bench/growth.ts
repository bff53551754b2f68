import { z } from 'zod';
import { Collections } from '../src/collections.ts';
import type { KubeClient } from '../src/kube/client.ts';
import { readCredential } from '../src/kube/objects.ts';
import { parseEvent } from '../src/kube/watch-event.ts';
import { type Clock, systemClock, systemRandom } from '../src/loop/clock.ts';
import { Queue } from '../src/loop/queue.ts';
import { createLog } from '../src/observe/log.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { answering } from './lib/child.ts';

/** What single operations cost among so many credentials, in a process of their own: each asked for gives ns for one. */

const OPERATIONS = 20_000;
const Count = z.number();
const nameOf = (index: number): string => `credential-${String(index).padStart(6, '0')}`;
/** The very text each time, as in the operator, where all share what the watch brought. */
const keys: string[] = [];
const keyOf = (index: number): string => (keys[index] ??= `team/${nameOf(index)}`);
/** No two steps near each other, and each once. */
const scattered = (step: number, count: number): number => (step * 7919) % count;

function timed(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / OPERATIONS;
}

/** Of half an hour from now, whenever it is asked. */
const still: Clock = { ...systemClock, monotonic: () => 0, after: () => ({ cancel: () => {} }) };

function line(index: number, version: number): string {
  const at = '2026-01-03T12:00:00Z';
  const condition = (type: string, reason: string) => ({
    type,
    status: 'True',
    observedGeneration: 1,
    lastTransitionTime: at,
    reason,
    message: 'The Secret holds a live token, obtained for what the spec says.',
  });
  const object = {
    apiVersion: 'tokensync.dev/v1alpha1',
    kind: 'ProviderCredential',
    metadata: {
      name: nameOf(index),
      namespace: 'team',
      uid: `4f1c9a5e-0000-4000-8000-${String(index).padStart(12, '0')}`,
      resourceVersion: String(version),
      generation: 1,
      creationTimestamp: at,
    },
    spec: {
      providerRef: { name: 'acme' },
      source: { secretRef: { name: `${nameOf(index)}-login` } },
      target: { name: `${nameOf(index)}-token` },
    },
    status: {
      observedGeneration: 1,
      conditions: [condition('Ready', 'TokenLive'), condition('Refreshed', 'TokenPublished')],
      token: {
        issuedAt: at,
        expiresAt: at,
        renewAt: at,
        grant: 'Login',
        secretName: `${nameOf(index)}-token`,
      },
    },
  };
  return JSON.stringify({ type: 'MODIFIED', object });
}

/** A line of a watch: read, kept, and its key found. */
function watchEvent(count: number): number {
  const collections = new Collections({
    // Nothing is asked for before it is started.
    client: {} as KubeClient,
    clock: systemClock,
    random: systemRandom,
    log: createLog({ clock: systemClock, level: 'error', format: 'json', write: () => {} }),
    watchNamespaces: [],
  });
  const { credentials } = collections;
  const feed = credentials.feed();
  let found = 0;
  credentials.onChange(key => (found += key.length));
  const take = (text: string): void => {
    const item = readCredential(parseEvent(text)?.object);
    if (item !== undefined) feed.upsert(item);
  };
  for (let index = 0; index < count; index++) take(line(index, index + 1));
  const lines = Array.from({ length: OPERATIONS }, (_, step) =>
    line(scattered(step, count), count + step + 1),
  );
  found = 0;
  const ns = timed(() => lines.forEach(take));
  if (found === 0 || credentials.size !== count) throw new Error('events were lost');
  return ns;
}

/** A key is put in line behind others, and comes out. */
async function queueOperation(count: number): Promise<number> {
  let release: () => void = () => {};
  const released = new Promise<void>(resolve => (release = resolve));
  let handled = 0;
  const done = Promise.withResolvers<void>();
  const queue = new Queue({
    clock: still,
    concurrency: 1,
    handle: () => (handled++ === 0 ? released : handled < OPERATIONS ? Promise.resolve() : stopped()),
    place: key => ({ line: 'again', rank: Number(key.slice(-6)) }),
    onError: () => {},
  });
  const stopped = (): Promise<void> => {
    done.resolve();
    return new Promise(() => {});
  };
  for (let index = 0; index < count; index++) queue.add(keyOf(index));
  const before = process.cpuUsage();
  for (let step = 0; step < OPERATIONS; step++) queue.add(keyOf(count + step));
  release();
  await done.promise;
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / OPERATIONS;
}

/** A key's time is set, and moved. */
function timer(count: number): number {
  const queue = new Queue({
    clock: still,
    concurrency: 1,
    handle: () => Promise.resolve(),
    place: () => ({ line: 'again', rank: 0 }),
    onError: () => {},
  });
  for (let index = 0; index < count; index++) queue.addWithin(keyOf(index), 1e6 + scattered(index, count));
  return timed(() => {
    for (let step = 0; step < OPERATIONS; step++) {
      const key = keyOf(scattered(step, count));
      queue.forget(key);
      queue.addWithin(key, 1e6 + step);
    }
  });
}

function metricUpdate(count: number): number {
  const metrics = new Metrics({
    perCredential: 'auto',
    time: { now: () => Date.now(), monotonic: () => performance.now() },
    version: 'bench',
    process: false,
  });
  const set = (index: number): void =>
    metrics.setCredential(keyOf(index), 'acme', {
      ready: true,
      reason: 'TokenLive',
      expiresAt: Date.now() + index,
      renewAt: Date.now(),
      lastSuccess: Date.now(),
      rejections: 0,
    });
  for (let index = 0; index < count; index++) set(index);
  return timed(() => {
    for (let step = 0; step < OPERATIONS; step++) set(scattered(step, count));
  });
}

answering({
  'watch event': count => watchEvent(Count.parse(count)),
  'queue operation': count => queueOperation(Count.parse(count)),
  'timer set': count => timer(Count.parse(count)),
  'metric update': count => metricUpdate(Count.parse(count)),
});
