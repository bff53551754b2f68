import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { liveIn, Operator, program } from '../lib/operator.ts';
import { type Place, startPlace } from '../lib/place.ts';
import { defineProvider, nameOf } from '../lib/population.ts';
import { cpuOf, peakOf, residentOf } from '../lib/proc.ts';
import { atMost, type Goal, type Row } from '../lib/row.ts';
import type { Bench, BenchOptions } from './bench.ts';

/**
 * Many credentials in one process: a first start, which gets all their tokens, and a restart, which finds them live. The tokens
 * live for a day, so that nothing falls due. Each credential has a login, a Secret of its own for it, and one to write.
 */

const DAY_S = 86_400;
const SEEDED_AT_ONCE = 500;
const MiB = 2 ** 20;
/** A scrape is work for the operator. */
const LIVE_EVERY_MS = 500;
/** MiB that may be held at rest, by the number of credentials. */
const MEMORY: Readonly<Record<number, number>> = { 1000: 100, 5000: 120, 100000: 300 };
const FULL = { counts: [1000, 5000, 10_000, 100_000], settleMs: 30_000, restMs: 60_000 };
const SMOKE = { counts: [200], settleMs: 500, restMs: 1000 };
/** GiB: API server, provider and operator of the largest. */
const NEEDED_GIB = 4;

export const scale: Bench = {
  name: 'scale',
  about: 'a first start and a restart with 1,000 to 100,000 credentials: time, memory, API calls, rest',
  async run(options) {
    const size = options.smoke ? SMOKE : FULL;
    const script = await program(options.smoke);
    const rows: Row[] = [];
    const resident = new Map<number, number>();
    for (const count of countsFor(options, size.counts)) {
      const found = await Population.measure(script, count, { ...size, say: options.say });
      rows.push(...found.rows);
      resident.set(count, found.resident);
    }
    return [...rows, ...perCredential([...resident])];
  },
};

/** @throws where the machine is too small, unless less will do. */
function countsFor({ less, say }: BenchOptions, counts: readonly number[]): readonly number[] {
  const free = availableGiB();
  const most = counts.at(-1) ?? 0;
  if (free >= NEEDED_GIB || most <= 10_000) return counts;
  if (!less)
    throw new Error(
      `${most} credentials need ${NEEDED_GIB} GiB of free memory, and there are ${free.toFixed(1)}: --less does fewer`,
    );
  say(`scale: no more than 10,000 credentials, since only ${free.toFixed(1)} GiB are free`);
  return counts.filter(count => count <= 10_000);
}

const availableGiB = (): number => process.availableMemory() / 2 ** 30;

/** What one more costs: between each population and the next. */
function perCredential(resident: readonly (readonly [number, number])[]): Row[] {
  return resident.slice(1).flatMap(([count, bytes], index) => {
    const [before, held] = resident[index] ?? [0, 0];
    return {
      bench: 'scale',
      what: `restart: memory of one more credential, from ${inWords(before)} to ${inWords(count)}`,
      figure: (bytes - held) / (count - before) / 1024,
      unit: 'KiB',
    };
  });
}

const inWords = (count: number): string => count.toLocaleString('en-US');

interface Run {
  readonly syncedMs: number;
  readonly readyMs: number;
  readonly resident: number;
  readonly peak: number;
  readonly blockedMs: number;
  readonly calls: ReadonlyMap<string, number>;
  /** Of one core, at rest. */
  readonly busy: number;
}

interface Options {
  readonly settleMs: number;
  readonly restMs: number;
  readonly say: (text: string) => void;
}

class Population {
  readonly #place: Place;
  readonly #count: number;
  readonly #options: Options;
  readonly #name = 'scale';

  static async measure(
    script: string,
    count: number,
    options: Options,
  ): Promise<{ rows: Row[]; resident: number }> {
    const place = await startPlace('sandbox', DAY_S);
    try {
      const population = new Population(place, count, options);
      await population.#seed();
      const first = await population.#run(script, 'first start');
      const granted = await place.provider.granted('scale');
      if (granted !== count) throw new Error(`${granted} tokens were granted, of ${count}`);
      const restart = await population.#run(script, 'restart');
      const logins = (await place.provider.granted('scale')) - granted;
      return {
        rows: [...rowsOf('first start', count, first), ...rowsOf('restart', count, restart, logins)],
        resident: restart.resident,
      };
    } finally {
      await place.close();
    }
  }

  private constructor(place: Place, count: number, options: Options) {
    this.#place = place;
    this.#count = count;
    this.#options = options;
  }

  /** Past HTTP, as fast as the API server takes objects. */
  async #seed(): Promise<void> {
    const { sandbox, client } = this.#place;
    if (sandbox === undefined) throw new Error("this population's API server is the sandbox's");
    await defineProvider(this.#place, this.#name, 'login', 256);
    await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.#name } });
    for (let start = 0; start < this.#count; start += SEEDED_AT_ONCE) {
      const objects: JsonObject[] = [];
      for (let index = start; index < Math.min(this.#count, start + SEEDED_AT_ONCE); index++)
        objects.push(...this.#objects(index));
      await sandbox.ask(z.null(), 'put', objects);
    }
  }

  #objects(index: number): JsonObject[] {
    const namespace = this.#name;
    const source = `${nameOf(index)}-login`;
    const credential = {
      apiVersion: 'tokensync.dev/v1alpha1',
      kind: 'ProviderCredential',
      metadata: { name: nameOf(index), namespace },
      spec: {
        providerRef: { name: this.#name },
        source: { secretRef: { name: source } },
        target: { name: `${nameOf(index)}-token` },
      },
    };
    const login = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: source, namespace },
      stringData: { username: `user-${index}`, password: `password-${index}` },
    };
    return [login, credential];
  }

  async #run(script: string, what: string): Promise<Run> {
    const { settleMs, restMs, say } = this.#options;
    const operator = new Operator(this.#place, script, { flags: ['--leader-elect=false'] });
    const since = (): number => performance.now() - operator.child.startedAt;
    try {
      await this.#until(operator, () => operator.synced(), 120_000);
      const syncedMs = since();
      let blocked = 0;
      const live = async (): Promise<boolean> => {
        const metrics = await operator.metrics();
        blocked = Math.max(blocked, sampleOf(metrics, /^nodejs_eventloop_lag_max_seconds (\S+)$/m));
        return liveIn(metrics) >= this.#count;
      };
      const granted = async (): Promise<boolean> =>
        (await this.#place.provider.granted(this.#name)) >= this.#count;
      await this.#until(operator, granted, 1_800_000);
      await this.#until(operator, live, 1_800_000, LIVE_EVERY_MS);
      const readyMs = since();
      say(
        `scale: ${inWords(this.#count)}, ${what}: synced after ${seconds(syncedMs)}, Ready after ${seconds(readyMs)}`,
      );
      const { pid } = operator.child;
      await delay(settleMs);
      const before = { cpu: await cpuOf(pid), at: performance.now() };
      await delay(restMs);
      const busy = ((await cpuOf(pid)) - before.cpu) / (performance.now() - before.at);
      return {
        syncedMs,
        readyMs,
        busy,
        resident: (await residentOf(pid)).total,
        peak: await peakOf(pid),
        blockedMs: blocked * 1000,
        calls: await operator.apiCalls(),
      };
    } catch (error) {
      throw new Error(`${what}: ${await operator.said()}`, { cause: error });
    } finally {
      await operator.stop();
    }
  }

  async #until(
    operator: Operator,
    done: () => Promise<boolean>,
    timeoutMs: number,
    everyMs = 50,
  ): Promise<void> {
    const late = AbortSignal.timeout(timeoutMs);
    while (!(await done())) {
      if (late.aborted) throw new Error(`not within ${timeoutMs / 1000} s`);
      if (!operator.child.running) throw new Error('the operator has ended');
      await delay(everyMs);
    }
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const sampleOf = (metrics: string, sample: RegExp): number => Number(sample.exec(metrics)?.[1] ?? 0);

function rowsOf(what: string, count: number, run: Run, logins?: number): Row[] {
  const rows: Row[] = [];
  const add = (title: string, figure: number, unit: string, goal?: Goal, note?: string): void => {
    rows.push({
      bench: 'scale',
      what: `${what} of ${inWords(count)}: ${title}`,
      figure,
      unit,
      ...(goal === undefined ? {} : { goal }),
      ...(note === undefined ? {} : { note }),
    });
  };
  const restart = logins !== undefined;
  const calls = [...run.calls].filter(([verb]) => verb !== 'watch').toSorted(([, a], [, b]) => b - a);
  const bound = restart ? MEMORY[count] : undefined;
  add('exec to work begun', run.syncedMs / 1000, 's', restart && count === 100_000 ? atMost(10) : undefined);
  add('exec to all Ready', run.readyMs / 1000, 's');
  if (logins !== undefined) add('logins', logins, '', atMost(0));
  add('RSS at rest', run.resident / MiB, 'MiB', bound === undefined ? undefined : atMost(bound));
  add('RSS, most', run.peak / MiB, 'MiB');
  add(
    'API calls for each credential',
    calls.reduce((sum, [, number]) => sum + number, 0) / count,
    '',
    undefined,
    calls.map(([verb, number]) => `${verb} ${inWords(number)}`).join(', '),
  );
  add('longest turn of the event loop', run.blockedMs, 'ms');
  add('CPU at rest, of a core', run.busy * 100, '%', count === 100_000 ? atMost(0.5) : undefined);
  return rows;
}
