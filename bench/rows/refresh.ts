import { program } from '../lib/operator.ts';
import { PLACES, type PlaceKind, startPlace } from '../lib/place.ts';
import type { Flow } from '../lib/population.ts';
import { atLeast, atMost, measured, RATIO, type Row, ratios } from '../lib/row.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { Contest, type Turn } from './contest.ts';

/** What a refresh costs beside a script that does nothing else, in processor time: wall time is not ours alone. */

const FLOWS = ['login', 'refresh'] as const;
/**
 * As many as are refreshed within two seconds: an operator that finds a token due for more than five may be the successor of one
 * that died of the answer, and counts its login before it sends it. V8 goes on making both quicker for some seven thousand; run side by
 * side until then, they would be made quick at something else.
 */
const FULL = {
  sandbox: { count: 500, warmUp: 14, rounds: 7 },
  real: { count: 300, warmUp: 23, rounds: 7 },
};
const SMOKE = { count: 20, warmUp: 0, rounds: 1 };
/** Lifetime of tokens: long enough that none expires while the other one has its turn. */
const LIFETIME_S = 40;

export const refresh: Bench = {
  name: 'refresh',
  about: 'what a refresh costs, beside a script that does nothing else (the floor)',
  async run({ smoke, say }) {
    const rows: Row[] = [];
    for (const kind of PLACES) rows.push(...(await heldAt(kind, { smoke, say })));
    return rows;
  },
};

/** Both contests at one API server. */
export async function heldAt(
  kind: PlaceKind,
  { smoke, say }: Pick<BenchOptions, 'smoke' | 'say'>,
): Promise<Row[]> {
  const size = smoke ? SMOKE : FULL[kind];
  const script = await program(smoke);
  const rows: Row[] = [];
  const place = await startPlace(kind, LIFETIME_S);
  const contest = async (flow: Flow): Promise<void> => {
    say(`refresh: ${titleOf(kind, flow)}, ${size.count} credentials, ${size.rounds} rounds`);
    rows.push(...compare({ kind, flow }, await Contest.hold({ place, flow, script, ...size, say })));
  };
  try {
    // At the same time they disturb each other, which is no matter where figures are none.
    if (smoke) await Promise.all(FLOWS.map(contest));
    else for (const flow of FLOWS) await contest(flow);
  } finally {
    await place.close();
  }
  return rows;
}

function titleOf(kind: PlaceKind, flow: Flow): string {
  const server = kind === 'real' ? 'kube-apiserver' : "sandbox's API server";
  return `${flow === 'login' ? 'login' : 'rotated refresh token'}, ${server}`;
}

/** Per refresh, ours beside the floor's. */
function compare(
  of: { kind: PlaceKind; flow: Flow },
  {
    ours,
    floor,
    resident,
  }: { ours: readonly Turn[]; floor: readonly Turn[]; resident: { ours: number; floor: number } },
): Row[] {
  const title = titleOf(of.kind, of.flow);
  const each = (turns: readonly Turn[], value: (turn: Turn) => number): number[] =>
    turns.map(turn => value(turn) / turn.refreshes);
  const rows: Row[] = [];
  const add = (what: string, unit: string, rest: Omit<Row, 'bench' | 'what' | 'unit'>): void => {
    rows.push({ bench: 'refresh', what: `${title}: ${what}`, unit, ...rest });
  };
  const cpu = { ours: each(ours, turn => turn.cpu), floor: each(floor, turn => turn.cpu) };
  const api = { ours: each(ours, turn => turn.apiCpu), floor: each(floor, turn => turn.apiCpu) };
  add("refreshes per CPU second, of the floor's", RATIO, {
    ...measured(ratios(cpu.floor, cpu.ours)),
    goal: atLeast(0.9),
  });
  add("API server's CPU, of the floor's", RATIO, {
    ...measured(ratios(api.ours, api.floor)),
    goal: atMost(1),
  });
  for (const [who, turns] of [
    ['ours', ours],
    ['floor', floor],
  ] as const) {
    add(`CPU, ${who}`, 'ms', measured(cpu[who]));
    add(`CPU of API server${of.kind === 'real' ? ' and etcd' : ''}, ${who}`, 'ms', measured(api[who]));
    add(`requests, ${who}`, '', measured(each(turns, turn => turn.requests)));
    add(`bytes, ${who}`, 'kB', measured(each(turns, turn => turn.bytes / 1000)));
    add(`allocated, ${who}`, 'kB', measured(each(turns, turn => turn.allocated / 1000)));
    add(`refreshes a second, ${who}`, '', measured(turns.map(turn => (turn.refreshes / turn.wall) * 1000)));
    add(`RSS after the run, ${who}`, 'MiB', { figure: resident[who] / 2 ** 20 });
  }
  return rows;
}
