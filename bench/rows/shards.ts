import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { shardSelector } from '../../src/lead/shard.ts';
import { mustBeDone } from '../lib/measure.ts';
import { Operator, program } from '../lib/operator.ts';
import { type Place, startPlace } from '../lib/place.ts';
import { defineProvider, populate } from '../lib/population.ts';
import { readOf, residentOf } from '../lib/proc.ts';
import { atMost, measured, RATIO, type Row } from '../lib/row.ts';
import type { Bench } from './bench.ts';
import { Memory } from './resting.ts';

/** What one of four replicas receives and holds, beside one that has everything. */

const FULL = { count: 2000, restMs: 15_000 };
const SMOKE = { count: 40, restMs: 500 };
const SHARDS = 4;
const LANE = 'shards';
/** Of a replica that has nothing to serve. */
const EMPTY = 'empty';
const DAY_S = 86_400;
const MiB = 2 ** 20;
/** Hashes share out no more evenly than chance does. */
const LARGEST_SHARE = 0.35;
const GATE = '--feature-gates=ShardedListAndWatch=true';
/** What a start may take, and the first tokens. */
const WORKING_MS = 300_000;
const LOOK_EVERY_MS = 200;

export const shards: Bench = {
  name: 'shards',
  about: 'one replica that has all credentials, and four that share them: memory, bytes from the API server',
  real: true,
  waits: true,
  async run({ smoke, say }) {
    const size = smoke ? SMOKE : FULL;
    const script = await program(smoke);
    const place = await startPlace('real', DAY_S);
    try {
      await defineProvider(place, LANE, 'login', 256);
      await place.client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: EMPTY } });
      await populate(place, { namespace: LANE, provider: LANE, count: size.count });
      await firstTokens(place, script, size.count);
      say(`shards: ${size.count} tokens are live`);
      const rows: Row[] = [];
      // With the gate it is a server started anew, and the same work.
      for (const gate of smoke ? [false] : [false, true]) {
        if (gate) await place.restartApi?.([GATE]);
        rows.push(...rowsOf(gate, await new Measurement(place, script, size).run()));
      }
      mustBeDone('logins', size.count, await place.provider.granted(LANE));
      return rows;
    } finally {
      await place.close();
    }
  },
};

async function firstTokens(place: Place, script: string, count: number): Promise<void> {
  const operator = new Operator(place, script, { flags: ['--leader-elect=false'] });
  try {
    await until(async () => {
      if ((await place.provider.granted(LANE)) < count) return 'its logins';
      const has = await live(operator);
      return has === count ? undefined : `${has} of ${count}`;
    });
  } catch (error) {
    throw new Error(await operator.said(), { cause: error });
  } finally {
    await operator.stop();
  }
}

interface Replica {
  /** Bytes. */
  readonly received: number;
  readonly resident: number;
  /** Of V8's heap, and outside of it. */
  readonly used: number;
}

interface Measured {
  readonly empty: Replica;
  readonly one: Replica;
  readonly four: readonly Replica[];
  /** Bytes of a list of credentials: of all, and of each shard. */
  readonly list: { readonly whole: number; readonly shares: readonly number[] };
}

class Measurement {
  readonly #place: Place;
  readonly #script: string;
  readonly #count: number;
  readonly #restMs: number;

  constructor(place: Place, script: string, { count, restMs }: { count: number; restMs: number }) {
    this.#place = place;
    this.#script = script;
    this.#count = count;
    this.#restMs = restMs;
  }

  async run(): Promise<Measured> {
    const logins = await this.#place.provider.granted(LANE);
    const [empty] = await this.#replicas(1, ['--shards=1', `--watch-namespaces=${EMPTY}`], 0);
    const [one] = await this.#replicas(1, ['--shards=1'], this.#count);
    const four = await this.#replicas(SHARDS, [`--shards=${SHARDS}`], this.#count);
    if (empty === undefined || one === undefined) throw new Error('a replica is missing');
    const found = { empty, one, four, list: await this.#list() };
    const more = (await this.#place.provider.granted(LANE)) - logins;
    if (more > 0) throw new Error(`${more} logins were sent where all tokens live`);
    return found;
  }

  /** As many at once. @param wanted how many credentials they have in all. */
  async #replicas(count: number, flags: readonly string[], wanted: number): Promise<Replica[]> {
    const operators = Array.from(
      { length: count },
      () => new Operator(this.#place, this.#script, { flags: ['--leader-elect=true', ...flags] }),
    );
    try {
      // Each has a shard, and works on it.
      await until(async () => {
        const has = await Promise.all(operators.map(served));
        const all = has.every(each => each !== undefined) && sum(has) === wanted;
        return all ? undefined : `${has.join(', ')} of ${wanted}`;
      });
      await delay(this.#restMs);
      return await Promise.all(
        operators.map(async ({ child }) => {
          const received = await readOf(child.pid);
          const resident = (await residentOf(child.pid)).total;
          const { heapUsed, external } = await child.ask(Memory, 'memory');
          return { received, resident, used: heapUsed + external };
        }),
      );
    } catch (error) {
      const said = await Promise.all(operators.map(operator => operator.said()));
      throw new Error(said.join('\n'), { cause: error });
    } finally {
      await Promise.all(operators.map(operator => operator.stop()));
    }
  }

  async #list(): Promise<Measured['list']> {
    const { url, ca, token } = this.#place;
    const agent = new Agent({ connect: { ca } });
    const bytes = async (selector?: string): Promise<number> => {
      const query = selector === undefined ? '' : `?${new URLSearchParams({ shardSelector: selector })}`;
      const { body, statusCode } = await request(
        `${url}/apis/tokensync.dev/v1alpha1/providercredentials${query}`,
        { dispatcher: agent, headers: { authorization: `Bearer ${token}` } },
      );
      const { byteLength } = await body.bytes();
      if (statusCode !== 200) throw new Error(`a list was answered with ${statusCode}`);
      return byteLength;
    };
    try {
      const shares = Array.from({ length: SHARDS }, (_, shard) => bytes(shardSelector([shard], SHARDS)));
      return { whole: await bytes(), shares: await Promise.all(shares) };
    } finally {
      await agent.destroy();
    }
  }
}

/** @param missing what is still to come; undefined when nothing. */
async function until(missing: () => Promise<string | undefined>): Promise<void> {
  const late = AbortSignal.timeout(WORKING_MS);
  for (let what = await missing(); what !== undefined; what = await missing()) {
    if (late.aborted) throw new Error(`waited ${WORKING_MS / 1000} s for ${what}`);
    await delay(LOOK_EVERY_MS);
  }
}

/** How many live tokens it answers for; undefined when it does not work yet. */
async function live(operator: Operator): Promise<number | undefined> {
  if (!operator.child.running) throw new Error('an operator has ended');
  if (!(await operator.synced())) return undefined;
  return Number(
    /^tokensync_credentials_state\{.*state="live".*\} (\d+)$/m.exec(await operator.metrics())?.[1] ?? 0,
  );
}

/** The same of one that has just one shard. */
async function served(operator: Operator): Promise<number | undefined> {
  if (!(await operator.synced())) return undefined;
  return /^tokensync_shards_owned 1$/m.test(await operator.metrics()) ? live(operator) : undefined;
}

const sum = (numbers: readonly (number | undefined)[]): number =>
  numbers.reduce<number>((all, each) => all + (each ?? 0), 0);

function rowsOf(gate: boolean, { empty, one, four, list }: Measured): Row[] {
  const row = (what: string, figure: number, unit: string, more: Partial<Row> = {}): Row => ({
    bench: 'shards',
    what: `gate ${gate ? 'on' : 'off'}: ${what}`,
    figure,
    unit,
    ...more,
  });
  /** Of what one has that has all; both above what is there with nothing to serve. */
  const share = (of: keyof Replica): Partial<Row> & Pick<Row, 'figure'> => ({
    ...measured(four.map(replica => (replica[of] - empty[of]) / (one[of] - empty[of]))),
    note: `${inMiB(one[of] - empty[of])}; each of four: ${four.map(replica => inMiB(replica[of] - empty[of])).join(', ')}`,
  });
  const largest = Math.max(...list.shares);
  const received = share('received');
  const used = share('used');
  return [
    row('list of credentials, the largest of four shares', largest / list.whole, RATIO, {
      note: `${inMiB(largest)} of ${inMiB(list.whole)}`,
      // Without the gate nobody is sent less.
      ...(gate && { goal: atMost(LARGEST_SHARE) }),
    }),
    row('received for the start, each of four beside one that has all', received.figure, RATIO, received),
    row('memory of objects, each of four beside one that has all', used.figure, RATIO, used),
    row('RSS at rest, one that has all', one.resident / MiB, 'MiB'),
    row('RSS at rest, each of four', 0, 'MiB', measured(four.map(({ resident }) => resident / MiB))),
    row('RSS at rest, with nothing to serve', empty.resident / MiB, 'MiB'),
  ];
}

const inMiB = (bytes: number): string => `${(bytes / MiB).toFixed(1)} MiB`;
