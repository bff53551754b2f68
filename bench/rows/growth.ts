import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { Child, pathOf } from '../lib/child.ts';
import { exponentOf } from '../lib/growth.ts';
import { Operator, program } from '../lib/operator.ts';
import { type Place, startPlace } from '../lib/place.ts';
import { defineProvider, inParallel, nameOf } from '../lib/population.ts';
import { cpuOf } from '../lib/proc.ts';
import { atMost, median, type Row } from '../lib/row.ts';
import type { Bench } from './bench.ts';

/** What one more refresh, event or key costs among 1,000 and among 100,000 credentials: it should be the same. */

const FULL = { counts: [1000, 10_000, 100_000], active: 500, rounds: 3 };
const SMOKE = { counts: [100, 400], active: 20, rounds: 1 };
const OPERATIONS = ['watch event', 'queue operation', 'timer set', 'metric update'];
/** A heap of keys is a logarithm deep, and memory far apart is slow: from 1,000 to 100,000 that is a factor of 2. */
const FLAT = 0.15;
const DAY_S = 86_400;
const AT_ONCE = 500;
/** Two grants of a credential are that far apart. */
const SPACING_MS = 6000;
const TURN_MS = 900_000;

export const growth: Bench = {
  name: 'growth',
  waits: true,
  about: 'a refresh, a watch event, a queue operation, a metric update among 1,000 to 100,000 credentials',
  async run({ smoke, say }) {
    const { counts, ...size } = smoke ? SMOKE : FULL;
    const script = await program(smoke);
    const rows: Row[] = [];
    for (const operation of OPERATIONS) {
      const points = await alone(operation, counts);
      rows.push(...curve(operation, points, 'µs'));
    }
    const points: [number, number][] = [];
    for (const count of counts) {
      say(`growth: a refresh among ${count.toLocaleString('en-US')}`);
      points.push([count, await refreshAmong(script, count, size)]);
    }
    rows.push(...curve('refresh', points, 'ms of CPU'));
    return rows;
  },
};

function curve(what: string, points: readonly (readonly [number, number])[], unit: string): Row[] {
  const bench = 'growth';
  return [
    { bench, what: `${what}: exponent`, figure: exponentOf(points), unit: '', goal: atMost(FLAT) },
    ...points.map(([count, figure]) => ({
      bench,
      what: `${what} among ${count.toLocaleString('en-US')}`,
      figure,
      unit,
    })),
  ];
}

/** Each count in a process of its own, twice: code becomes quick when it has run. @returns µs. */
async function alone(operation: string, counts: readonly number[]): Promise<[number, number][]> {
  const points: [number, number][] = [];
  for (const count of counts) {
    const child = new Child(pathOf('growth.ts'));
    try {
      await child.ask(z.number(), operation, count);
      const samples: number[] = [];
      for (let round = 0; round < 3; round++) samples.push(await child.ask(z.number(), operation, count));
      points.push([count, median(samples) / 1000]);
    } finally {
      await child.stop();
    }
  }
  return points;
}

/** Some credentials are asked to refresh, and the others are suspended. @returns ms of the operator's CPU for one. */
async function refreshAmong(
  script: string,
  count: number,
  { active, rounds }: { active: number; rounds: number },
): Promise<number> {
  const place = await startPlace('sandbox', DAY_S);
  try {
    await seed(place, count, active);
    const operator = new Operator(place, script, { flags: ['--leader-elect=false'] });
    try {
      await granted(operator, place, active);
      await calm(operator);
      const samples: number[] = [];
      for (let round = 0; round <= rounds; round++) {
        await delay(SPACING_MS);
        const before = await cpuOf(operator.child.pid);
        await ask(place, active, round);
        await granted(operator, place, active * (round + 2));
        await calm(operator);
        if (round > 0) samples.push(((await cpuOf(operator.child.pid)) - before) / active);
        else if (rounds === 1) samples.push(((await cpuOf(operator.child.pid)) - before) / active);
      }
      return median(samples);
    } catch (error) {
      throw new Error(`among ${count}: ${await operator.said()}`, { cause: error });
    } finally {
      await operator.stop();
    }
  } finally {
    await place.close();
  }
}

const NAMESPACE = 'growth';

async function seed(place: Place, count: number, active: number): Promise<void> {
  const { sandbox, client } = place;
  if (sandbox === undefined) throw new Error("the API server is the sandbox's");
  await defineProvider(place, NAMESPACE, 'login');
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  const login = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'login', namespace: NAMESPACE },
    stringData: { username: 'user', password: 'password' },
  };
  await sandbox.ask(z.null(), 'put', [login]);
  for (let start = 0; start < count; start += AT_ONCE) {
    const objects: JsonObject[] = [];
    for (let index = start; index < Math.min(count, start + AT_ONCE); index++) {
      objects.push({
        apiVersion: 'tokensync.dev/v1alpha1',
        kind: 'ProviderCredential',
        metadata: { name: nameOf(index), namespace: NAMESPACE },
        spec: {
          providerRef: { name: NAMESPACE },
          source: { secretRef: { name: 'login' } },
          suspend: index >= active,
        },
      });
    }
    await sandbox.ask(z.null(), 'put', objects);
  }
}

function ask(place: Place, active: number, round: number): Promise<void> {
  return inParallel(active, 16, async index => {
    const metadata = {
      name: nameOf(index),
      annotations: { 'tokensync.dev/refresh-requested-at': `round ${round}` },
    };
    await place.client.apply(
      { apiVersion: 'tokensync.dev/v1alpha1', kind: 'ProviderCredential', metadata },
      NAMESPACE,
    );
  });
}

async function granted(operator: Operator, place: Place, wanted: number): Promise<void> {
  const late = AbortSignal.timeout(TURN_MS);
  for (;;) {
    const found = await place.provider.granted(NAMESPACE);
    if (found >= wanted) return;
    if (late.aborted) throw new Error(`${found} tokens were granted, of ${wanted}`);
    if (!operator.child.running) throw new Error('the operator has ended');
    await delay(50);
  }
}

/** Until it has written what it has to write. */
async function calm(operator: Operator): Promise<void> {
  let last = await cpuOf(operator.child.pid);
  for (;;) {
    await delay(500);
    const now = await cpuOf(operator.child.pid);
    if (now - last < 10) return;
    last = now;
  }
}
