import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { Child, pathOf } from '../lib/child.ts';
import { orderOf } from '../lib/floor.ts';
import { liveIn, Operator, program } from '../lib/operator.ts';
import { PLACES, type Place, type PlaceKind, startPlace } from '../lib/place.ts';
import { arrived, defineProvider, populate } from '../lib/population.ts';
import { atMost, measured, RATIO, type Row, ratios } from '../lib/row.ts';
import type { Bench } from './bench.ts';

/** First tokens of many credentials, from the operator's exec on, beside a script that does nothing else. */

const FULL = { count: 1000, rounds: 3 };
const SMOKE = { count: 12, rounds: 1 };
const LIFETIME_S = 3600;
/** The operator's default. */
const CONCURRENCY = 32;
const TURN_MS = 300_000;

export const first: Bench = {
  name: 'first',
  about: 'first tokens of 1,000 credentials, beside the floor',
  waits: true,
  async run({ smoke, say }) {
    const size = smoke ? SMOKE : FULL;
    const script = await program(smoke);
    const rows: Row[] = [];
    // A smoke test has seen the real one in others.
    for (const kind of smoke ? PLACES.slice(0, 1) : PLACES)
      rows.push(...(await measuredAt(kind, script, size, say)));
    return rows;
  },
};

async function measuredAt(
  kind: PlaceKind,
  script: string,
  { count, rounds }: { count: number; rounds: number },
  say: (text: string) => void,
): Promise<Row[]> {
  const place = await startPlace(kind, LIFETIME_S);
  const took: Record<'ours' | 'floor' | 'bare', number[]> = { ours: [], floor: [], bare: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      const lane = (who: string): string => `${who}-${round}`;
      for (const who of Object.keys(took)) {
        await defineProvider(place, lane(who), 'login', CONCURRENCY);
        await populate(place, { namespace: lane(who), provider: lane(who), count });
      }
      took.ours.push(await operatorsTurn(place, script, lane('ours'), count));
      const floorsTurn = (who: string, beforeFirst: boolean): Promise<number> =>
        scriptsTurn(place, { like: lane('ours'), lane: lane(who), count, first: beforeFirst });
      took.floor.push(await floorsTurn('floor', true));
      took.bare.push(await floorsTurn('bare', false));
      const [ours, floor, bare] = Object.values(took).map(
        each => `${((each.at(-1) ?? 0) / 1000).toFixed(1)} s`,
      );
      say(
        `first: ${kind}, round ${round + 1}: ours ${ours}, floor ${floor}, without what a first login needs ${bare}`,
      );
    }
  } finally {
    await place.close();
  }
  return rowsOf(kind, count, took);
}

/** @returns ms, from exec until all are Ready. */
async function operatorsTurn(place: Place, script: string, lane: string, count: number): Promise<number> {
  const operator = new Operator(place, script, {
    flags: [`--watch-namespaces=${lane}`, '--leader-elect=false'],
  });
  const late = AbortSignal.timeout(TURN_MS);
  try {
    const until = async (done: () => Promise<boolean>): Promise<void> => {
      while (!(await done())) {
        if (late.aborted) throw new Error(`not within ${TURN_MS / 1000} s`);
        if (!operator.child.running) throw new Error('the operator has ended');
        await delay(20);
      }
    };
    await until(async () => (await place.provider.granted(lane)) >= count);
    await until(async () => liveIn(await operator.metrics()) >= count);
    return performance.now() - operator.child.startedAt;
  } catch (error) {
    throw new Error(`${lane}: ${String(error)}\n${await operator.said()}`, { cause: error });
  } finally {
    await operator.stop();
  }
}

/** @returns ms, from exec until the last answer. */
async function scriptsTurn(
  place: Place,
  { like, lane, count, first }: { like: string; lane: string; count: number; first: boolean },
): Promise<number> {
  const order = await orderOf(place, { like, lane, flow: 'login', count, concurrency: CONCURRENCY, first });
  const floor = new Child(pathOf('floor.ts'));
  try {
    await floor.ask(z.null(), 'prepare', order);
    const { done } = await floor.ask(z.object({ done: z.number() }), 'run');
    const wall = performance.now() - floor.startedAt;
    const { told } = await arrived(place, lane);
    if (done !== count || told !== count) throw new Error(`${lane}: ${Math.min(done, told)} of ${count}`);
    return wall;
  } finally {
    await floor.stop();
  }
}

function rowsOf(
  kind: PlaceKind,
  count: number,
  { ours, floor, bare }: Readonly<Record<'ours' | 'floor' | 'bare', readonly number[]>>,
): Row[] {
  const server = kind === 'real' ? 'kube-apiserver' : "sandbox's API server";
  const title = `first tokens of ${count.toLocaleString('en-US')}, ${server}`;
  const add = (what: string, unit: string, rest: Omit<Row, 'bench' | 'what' | 'unit'>): Row => ({
    bench: 'first',
    what: `${title}: ${what}`,
    unit,
    ...rest,
  });
  const seconds = (ms: readonly number[]) => measured(ms.map(each => each / 1000));
  return [
    add("time, of the floor's", RATIO, {
      ...measured(ratios(ours, floor)),
      ...(kind === 'real' && { goal: atMost(1.2) }),
    }),
    add(
      'time, of a floor that neither reads the login, rehearses the write nor counts',
      RATIO,
      measured(ratios(ours, bare)),
    ),
    add('exec to all Ready', 's', seconds(ours)),
    add('floor', 's', seconds(floor)),
    add('floor without reading, rehearsal and count', 's', seconds(bare)),
  ];
}
