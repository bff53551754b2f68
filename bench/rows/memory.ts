import { Operator, program } from '../lib/operator.ts';
import { startPlace } from '../lib/place.ts';
import { defineProvider, populate } from '../lib/population.ts';
import { cpuOf } from '../lib/proc.ts';
import type { Row } from '../lib/row.ts';
import type { Bench } from './bench.ts';
import { atRest } from './resting.ts';

/** What flags of V8 and Node do for memory, and what they cost in processor time: the same first tokens under each. */

interface Variant {
  readonly title: string;
  readonly node?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Without what the image says of memory. */
const BARE = { NODE_ENV: 'production' };
const ONE_ARENA = { ...BARE, MALLOC_ARENA_MAX: '1' };
const TRIMMED = { ...ONE_ARENA, MALLOC_TRIM_THRESHOLD_: '65536' };
const MAPPED = { ...TRIMMED, MALLOC_MMAP_THRESHOLD_: '32768' };
const VARIANTS: readonly Variant[] = [
  { title: 'as the image starts it' },
  { title: 'the bundle alone', env: BARE },
  { title: 'MALLOC_ARENA_MAX=1', env: ONE_ARENA },
  { title: 'and MALLOC_TRIM_THRESHOLD_=65536', env: TRIMMED },
  { title: 'and MALLOC_MMAP_THRESHOLD_=32768', env: MAPPED },
  { title: 'and --max-semi-space-size=1', env: MAPPED, node: ['--max-semi-space-size=1'] },
  { title: 'and --max-semi-space-size=2', env: MAPPED, node: ['--max-semi-space-size=2'] },
  { title: 'and --max-semi-space-size=8', env: MAPPED, node: ['--max-semi-space-size=8'] },
  { title: 'as the image, --optimize-for-size', node: ['--optimize-for-size'] },
  { title: 'as the image, --single-threaded-gc', node: ['--single-threaded-gc'] },
  { title: 'as the image, --v8-pool-size=0', node: ['--v8-pool-size=0'] },
  { title: 'as the image, --enable-source-maps', node: ['--enable-source-maps'] },
];
/** At rest memory is given back after some six seconds (`src/at-rest.ts`). */
const FULL = { count: 500, restMs: 12_000, variants: VARIANTS };
const SMOKE = { count: 10, restMs: 300, variants: VARIANTS.slice(0, 2) };
const MiB = 2 ** 20;

export const memory: Bench = {
  name: 'memory',
  about: 'what flags of V8 and Node do for memory at rest after first tokens',
  async run({ smoke, say }) {
    const { count, restMs, variants } = smoke ? SMOKE : FULL;
    const rows: Row[] = [];
    const place = await startPlace('sandbox', 3600);
    try {
      const script = await program(smoke);
      await defineProvider(place, 'memory', 'login');
      for (const [index, { title, ...how }] of variants.entries()) {
        say(`memory: ${title}`);
        const namespace = `memory-${index}`;
        await populate(place, { namespace, provider: 'memory', count });
        const operator = new Operator(place, script, { ...how, flags: [`--watch-namespaces=${namespace}`] });
        try {
          const { resident, memory } = await atRest(operator, place, { namespace, count, restMs });
          const cpu = await cpuOf(operator.child.pid);
          rows.push({
            bench: 'memory',
            what: `${title}: RSS, ${count.toLocaleString('en-US')} credentials`,
            figure: resident.total / MiB,
            unit: 'MiB',
            note: `${(memory.heapTotal / MiB).toFixed(0)} MiB heap, ${(resident.anonymous / MiB).toFixed(0)} MiB anonymous, ${(cpu / 1000).toFixed(1)} s of CPU`,
          });
        } catch (error) {
          throw new Error(`${title}: ${await operator.said()}`, { cause: error });
        } finally {
          await operator.stop();
        }
      }
      return rows;
    } finally {
      await place.close();
    }
  },
};
