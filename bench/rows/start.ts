import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { bundle, Operator, SOURCE } from '../lib/operator.ts';
import { type Place, startPlace } from '../lib/place.ts';
import { defineProvider, nameOf, populate } from '../lib/population.ts';
import { cpuOf, type Resident, residentOf } from '../lib/proc.ts';
import { atMost, measured, type Row } from '../lib/row.ts';
import type { Bench } from './bench.ts';
import { atRest } from './resting.ts';

/** From exec to the first token of one credential, and what is held at rest with ten. */

const FULL = { starts: 5, restMs: 10_000 };
const SMOKE = { starts: 1, restMs: 500 };
const LIFETIME_S = 3600;
const LANE = 'start';
const TEN = { namespace: 'resting', count: 10 };
const MiB = 2 ** 20;

export const start: Bench = {
  name: 'start',
  about: 'from exec to the first token, and memory at rest with ten credentials',
  async run({ smoke, say }) {
    const size = smoke ? SMOKE : FULL;
    const place = await startPlace('sandbox', LIFETIME_S);
    try {
      await defineProvider(place, LANE, 'login');
      await populate(place, { ...TEN, provider: LANE });
      const programs = smoke ? { source: SOURCE } : { bundle: await bundle(), source: SOURCE };
      const rows = [bare(await residentOfNode(size.restMs))];
      for (const [program, script] of Object.entries(programs)) {
        say(`start: ${program}`);
        const runs: { wall: number; cpu: number }[] = [];
        for (let run = 0; run < size.starts; run++)
          runs.push(await firstToken(place, script, `${program}-${run}`));
        const { resident, memory } = await resting(place, script, size.restMs);
        const add = (what: string, unit: string, rest: Omit<Row, 'bench' | 'what' | 'unit'>): void => {
          rows.push({ bench: 'start', what: `${program}: ${what}`, unit, ...rest });
        };
        add('exec to first token', 'ms', measured(runs.map(({ wall }) => wall)));
        add('CPU from exec to first token', 'ms', measured(runs.map(({ cpu }) => cpu)));
        add('RSS at rest, ten credentials', 'MiB', {
          figure: resident.total / MiB,
          // It is what users start.
          ...(program === 'bundle' && { goal: atMost(80) }),
        });
        add('of it not of mapped files', 'MiB', { figure: resident.anonymous / MiB });
        add("of it V8's heap", 'MiB', {
          figure: memory.heapTotal / MiB,
          note: `${(memory.heapUsed / MiB).toFixed(1)} MiB in use`,
        });
        add('of it buffers and other memory of objects', 'MiB', { figure: memory.external / MiB });
      }
      return rows;
    } finally {
      await place.close();
    }
  },
};

async function firstToken(
  place: Place,
  script: string,
  namespace: string,
): Promise<{ wall: number; cpu: number }> {
  await populate(place, { namespace, provider: LANE, count: 1 });
  const target = `${nameOf(0)}-token`;
  const operator = new Operator(place, script, { flags: [`--watch-namespaces=${namespace}`] });
  try {
    await place.client.until('Secret', items => items.some(({ metadata }) => metadata.name === target), {
      namespace,
    });
    const wall = performance.now() - operator.child.startedAt;
    return { wall, cpu: await cpuOf(operator.child.pid) };
  } catch (error) {
    throw new Error(`no token came: ${await operator.said()}`, { cause: error });
  } finally {
    await operator.stop();
  }
}

async function resting(place: Place, script: string, restMs: number): ReturnType<typeof atRest> {
  const operator = new Operator(place, script, { flags: [`--watch-namespaces=${TEN.namespace}`] });
  try {
    return await atRest(operator, place, { ...TEN, restMs });
  } finally {
    await operator.stop();
  }
}

/** What Node holds when it does nothing: below that nobody gets. */
async function residentOfNode(restMs: number): Promise<Resident> {
  const node = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
  await once(node, 'spawn');
  try {
    await delay(Math.min(restMs, 2000));
    return await residentOf(node.pid ?? 0);
  } finally {
    node.kill('SIGKILL');
  }
}

function bare({ total }: Resident): Row {
  return { bench: 'start', what: 'RSS of Node that does nothing', figure: total / MiB, unit: 'MiB' };
}
