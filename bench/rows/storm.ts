import { setTimeout as delay } from 'node:timers/promises';
import type { Fleet } from '../lib/fleet.ts';
import type { Operator } from '../lib/operator.ts';
import { forgetPeak, peakOf } from '../lib/proc.ts';
import { firstAskedSince, heldAt, mostWithin, outOfOrder } from '../lib/recovery.ts';
import { atMost, type Row, rounded } from '../lib/row.ts';
import { expired, histories } from '../lib/steadiness.ts';
import { atWork, firstTokens } from './at-work.ts';
import type { Bench, BenchOptions } from './bench.ts';

/** All tokens due at once, after an outage: how soon all is well, at what cost, and whether order and limits hold. */

interface Size {
  readonly count: number;
  /** Made during the outage. */
  readonly newcomers: number;
  readonly origins: number;
  /** Of tokens, s. */
  readonly lifetime: number;
  readonly perMinute: number;
  readonly settleMs: number;
  readonly outageMs: number;
}

/** Tokens of 120 s are renewed every 25 s: an outage of 60 s finds all of them due, as one of ten minutes those of 20 minutes. */
const FULL: Size = {
  count: 3000,
  newcomers: 50,
  origins: 5,
  lifetime: 120,
  perMinute: 3000,
  settleMs: 60_000,
  outageMs: 60_000,
};
const SMOKE: Size = {
  count: 20,
  newcomers: 4,
  origins: 2,
  lifetime: 10,
  perMinute: 600,
  // So that nothing is under way when it begins: what was sent and not answered waits half a minute.
  settleMs: 1000,
  outageMs: 8000,
};
const CONCURRENCY = 16;
const RECOVERY_MS = 180_000;
const LOOK_MS = 500;

interface Outage {
  readonly title: string;
  readonly begin: (fleet: Fleet, operator: Operator) => Promise<void>;
  readonly end: (fleet: Fleet, operator: Operator) => Promise<void>;
}

const every = (fleet: Fleet): number[] => Array.from({ length: fleet.options.origins }, (_, index) => index);

const OUTAGES: readonly Outage[] = [
  {
    title: 'the API server was away',
    begin: fleet => fleet.apiAway(true),
    end: fleet => fleet.apiAway(false),
  },
  {
    title: 'the provider was away',
    begin: fleet => fleet.away(every(fleet), 'refuse'),
    end: fleet => fleet.away(every(fleet), 'answer'),
  },
  {
    title: 'the process stood still',
    begin: async (_fleet, operator) => operator.child.signal('SIGSTOP'),
    end: async (_fleet, operator) => operator.child.signal('SIGCONT'),
  },
];

export const storm: Bench = {
  name: 'storm',
  waits: true,
  about: 'all tokens due at once, after the API server, the provider or the process itself was away',
  async run({ smoke, say }) {
    const size = smoke ? SMOKE : FULL;
    const held = (outages: readonly Outage[]): Promise<Row[]> => weathered(outages, size, { smoke, say });
    // Each by itself, at the same time.
    if (smoke) return (await Promise.all(OUTAGES.map(outage => held([outage])))).flat();
    return held(OUTAGES);
  },
};

/** One outage after the other, of the same fleet. */
async function weathered(
  outages: readonly Outage[],
  size: Size,
  { smoke, say }: Pick<BenchOptions, 'smoke' | 'say'>,
): Promise<Row[]> {
  const { count, newcomers } = size;
  const limits = { concurrency: CONCURRENCY, requestsPerMinute: size.perMinute, timeout: '10s' };
  return atWork({ ...size, name: 'storm', limits }, smoke, async (fleet, operator) => {
    await firstTokens(fleet, count, operator);
    const rows: Row[] = [];
    for (const [index, outage] of outages.entries()) {
      await delay(size.settleMs);
      say(`storm: ${outage.title}`);
      rows.push(...(await after(outage, fleet, operator, count + index * newcomers, size)));
    }
    return rows;
  });
}

/** @param had how many credentials there are. */
async function after(
  { title, begin, end }: Outage,
  fleet: Fleet,
  operator: Operator,
  had: number,
  { newcomers, outageMs, perMinute, origins }: Size,
): Promise<Row[]> {
  const { pid } = operator.child;
  await fleet.seen();
  await forgetPeak(pid);
  await begin(fleet, operator);
  await delay(outageMs / 2);
  await fleet.put(had, newcomers);
  await delay(outageMs / 2);
  const back = Date.now();
  await end(fleet, operator);
  const { seen, wellAt } = await recovered(fleet, operator, had + newcomers, back);
  const peak = await peakOf(pid);

  const first = firstAskedSince(seen.asked, back);
  const ends = heldAt(seen, back);
  const renewals = first.filter(([index]) => ends.has(index));
  const fresh = first.filter(([index]) => index >= had);
  const last = fresh.at(-1);
  const noticed = first[0]?.[2] ?? Number.NaN;
  const asked = seen.asked.filter(([, , at]) => at >= back - outageMs);
  // What limits allow: all that was due, by all origins together.
  const least =
    Math.max(...every(fleet).map(origin => first.filter(row => row[1] === origin).length)) / (perMinute / 60);
  const stale = expired(
    histories(seen, index => index < had),
    [back, wellAt],
  );
  const add = (what: string, unit: string, rest: Omit<Row, 'bench' | 'what' | 'unit'>): Row => ({
    bench: 'storm',
    what: `${title}: ${what}`,
    unit,
    ...rest,
  });
  return [
    add('most requests of an origin in a minute, of its limit', 'ratio', {
      figure: mostWithin(asked, 60_000) / perMinute,
      goal: atMost(1),
      note: `${perMinute.toLocaleString('en-US')} a minute; ${mostWithin(asked, 1000)} in the busiest second`,
    }),
    add('most requests of an origin at once, of its limit', 'ratio', {
      figure: Math.max(...fleet.peaks) / CONCURRENCY,
      goal: atMost(1),
    }),
    add('pairs of renewals where the later end came first', '', {
      figure: outOfOrder(renewals, ends),
      goal: atMost(0.05),
      note: `a share, of ${renewals.length.toLocaleString('en-US')} renewals`,
    }),
    add('renewals before the last first token, of all', '', {
      figure:
        last === undefined
          ? Number.NaN
          : renewals.filter(([, , at]) => at < last[2]).length / renewals.length,
      note: `${fresh.length} new ones, ${renewals.length.toLocaleString('en-US')} renewals`,
    }),
    add('until every Secret held a new token', 's', {
      figure: (wellAt - back) / 1000,
      note: `of it ${rounded((noticed - back) / 1000)} s until the first request; with ${origins} origins their limits allow all in ${rounded(least)} s`,
    }),
    add('Secrets that held an expired token meanwhile', '', { figure: stale.length }),
    add('peak RSS', 'MiB', { figure: peak / 2 ** 20 }),
  ];
}

/** Waits until each credential's Secret was written anew. @throws when that does not come. */
async function recovered(
  fleet: Fleet,
  operator: Operator,
  count: number,
  back: number,
): Promise<{ seen: Awaited<ReturnType<Fleet['seen']>>; wellAt: number }> {
  const late = AbortSignal.timeout(RECOVERY_MS);
  for (;;) {
    await delay(LOOK_MS);
    const seen = await fleet.seen();
    const renewed = new Map<number, number>();
    for (const [index, at] of seen.written) if (at >= back && !renewed.has(index)) renewed.set(index, at);
    if (renewed.size >= count) return { seen, wellAt: Math.max(...renewed.values()) };
    if (late.aborted || !operator.child.running)
      throw new Error(`${renewed.size} of ${count} Secrets got a new token after the outage`);
  }
}
