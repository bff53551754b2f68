import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { renewalPolicy } from '../../src/decide/renewal.ts';
import { SETTINGS } from '../../src/settings.ts';
import type { Fleet, Spent } from '../lib/fleet.ts';
import { mustBeDone } from '../lib/measure.ts';
import type { Operator } from '../lib/operator.ts';
import { residentOf } from '../lib/proc.ts';
import { atMost, type Row, rounded } from '../lib/row.ts';
import { busiest, expired, firsts, histories, lateness, quantile, type Span } from '../lib/steadiness.ts';
import { atWork, firstTokens } from './at-work.ts';
import type { Bench, BenchOptions } from './bench.ts';

/** A load that goes on: whether any Secret ever holds an expired token, how late renewals are, and what is new meanwhile. */

interface Size {
  readonly count: number;
  readonly origins: number;
  /** Of tokens, s. */
  readonly lifetime: number;
  /** Renewals a second, counted as a lifetime's own schedule asks for them. */
  readonly rate: number;
  /** Until renewals lie where they stay: their first ones come early. ms. */
  readonly settleMs: number;
  readonly measureMs: number;
  readonly variantMs: number;
  readonly slowMs: number;
  readonly newEveryMs: number;
  readonly together: { readonly count: number; readonly lifetime: number };
}

/** 120 s are renewed after 25 s: a mounted Secret needs the other 95 s (`--propagation-margin`). */
const FULL: Size = {
  count: 12_500,
  origins: 12,
  lifetime: 120,
  rate: 500,
  settleMs: 75_000,
  measureMs: 300_000,
  variantMs: 60_000,
  slowMs: 5000,
  newEveryMs: 1000,
  together: { count: 1000, lifetime: 60 },
};
/** 10 s are renewed after 7 s, the least distance of two grants on record. */
const SMOKE: Size = {
  count: 24,
  origins: 3,
  lifetime: 10,
  rate: 24 / 7,
  settleMs: 0,
  measureMs: 8000,
  variantMs: 8000,
  slowMs: 400,
  newEveryMs: 3000,
  together: { count: 12, lifetime: 10 },
};
/** The most that a definition may allow: with slow answers a hundred are under way at each origin. */
const LIMITS = { concurrency: 256, timeout: '10s' };
/** For what is under way at the end of a measurement. */
const LAST_MS = { smoke: 3000, full: 15_000 };
const LATE_MS = 2000;
const NEW_MS = 500;
/** So much of what is asked for must be done, or there is no figure. */
const ENOUGH = 0.98;
/** How much of what a machine can do is asked of it with `--less`. */
const BEARABLE = 0.75;

const POLICY = renewalPolicy(undefined, SETTINGS.propagationMarginMs.schema.parse('95s'));

interface Variant {
  readonly title: string;
  readonly measureMs: number;
  /** What goes wrong when the measurement begins. @returns the origins that are dead from then on. */
  readonly trouble?: (fleet: Fleet, size: Size) => Promise<readonly number[]>;
}

export const steady: Bench = {
  name: 'steady',
  waits: true,
  about:
    '500 refreshes a second for minutes; with slow answers, with dead origins; 1,000 that began together',
  async run({ smoke, less, say }) {
    const size = smoke ? SMOKE : FULL;
    const variants: Variant[] = [
      { title: 'quick answers', measureMs: size.measureMs },
      {
        title: `half of the answers take ${size.slowMs / 1000} s`,
        measureMs: size.variantMs,
        trouble: async fleet => {
          await fleet.slow(2, size.slowMs);
          return [];
        },
      },
      { title: 'a third of the origins dead', measureMs: size.variantMs, trouble: kill },
    ];
    const runs = [
      ...variants.map(variant => () => held(variant, size, { smoke, less, say })),
      () => together(size, { smoke, say }),
    ];
    // At the same time they disturb each other, which is no matter where figures are none.
    if (smoke) return (await Promise.all(runs.map(run => run()))).flat();
    const rows: Row[] = [];
    for (const run of runs) rows.push(...(await run()));
    return rows;
  },
};

/** Of the dead a half refuses connections; the other takes requests, and never answers. */
async function kill(fleet: Fleet, { origins }: Size): Promise<readonly number[]> {
  const dead = Array.from({ length: Math.floor(origins / 3) }, (_, index) => 3 * index);
  const half = Math.ceil(dead.length / 2);
  await fleet.away(dead.slice(0, half), 'refuse');
  await fleet.away(dead.slice(half), 'hang');
  return dead;
}

/** One variant, from first tokens to figures. */
export async function held(variant: Variant, size: Size, { smoke, less, say }: BenchOptions): Promise<Row[]> {
  return atWork({ name: 'steady', ...size, limits: LIMITS }, smoke, async (fleet, operator) => {
    say(`steady: ${variant.title}; first tokens of ${size.count.toLocaleString('en-US')} credentials`);
    const count = await settled(fleet, operator, size, { smoke, less, say });
    const dead = new Set(await variant.trouble?.(fleet, size));
    say(`  measured for ${variant.measureMs / 1000} s`);
    const [before, from] = [await fleet.spent(operator), Date.now()];
    const added = await addOneByOne(fleet, size.count, dead, variant.measureMs, size.newEveryMs);
    const [after, to] = [await fleet.spent(operator), Date.now()];
    const resident = await residentOf(operator.child.pid);
    await delay((smoke ? LAST_MS.smoke : LAST_MS.full) + size.slowMs);

    const seen = await fleet.seen();
    const all = histories(
      seen,
      index => (index < count || index >= size.count) && !dead.has(fleet.originOf(index)),
    );
    const span: Span = [from, to];
    const late = lateness(all, POLICY, span);
    const fresh = firsts(all, span);
    const seconds = (to - from) / 1000;
    const refreshes = seen.written.filter(([, at, , , grants]) => at >= from && at < to && grants > 1).length;
    const due = late.ms.length + late.never;
    const living = (count / size.count) * (1 - dead.size / size.origins);
    // Lateness puts each next one off, so that the plan alone would ask less of who is slow.
    const asked = Math.max(due, smoke ? 0 : size.rate * living * seconds);
    mustBeDone('refreshes', late.ms.length, ENOUGH * asked);
    mustBeDone('renewals that were due', late.ms.length, due);
    mustBeDone('first tokens of new credentials', fresh.ms.length, added);
    const stale = expired(all, span);
    return figures(variant.title, {
      stale: { count: stale.length, worst: Math.max(0, ...stale) },
      late: late.ms,
      fresh: fresh.ms,
      rate: refreshes / seconds,
      count,
      rss: resident.total,
      cores: cores(before, after, to - from),
    });
  });
}

/** @returns how many credentials stay: with `--less`, as many as the machine bears. */
async function settled(
  fleet: Fleet,
  operator: Operator,
  { count, rate, settleMs }: Size,
  { smoke, less, say }: BenchOptions,
): Promise<number> {
  await firstTokens(fleet, count, operator);
  if (smoke) return count;
  await delay((settleMs * 3) / 4);
  const [before, began] = [await fleet.spent(operator), { at: Date.now(), granted: await fleet.granted() }];
  await delay(settleMs / 4);
  const after = await fleet.spent(operator);
  const ms = Date.now() - began.at;
  const done = ((await fleet.granted()) - began.granted) / (ms / 1000);
  const used = cores(before, after, ms);
  say(`  ${rounded(done)} refreshes a second, with ${inWords(used)}`);
  if (done >= ENOUGH * rate) return count;
  const scale = rate / done;
  const needs = `${rate} refreshes a second need ${rounded(used.operator * scale)} of a core for the operator, which works on one, and ${rounded((used.api + used.provider) * scale)} for API server and provider; what is left of its ${availableParallelism()} cores did ${rounded(done)}`;
  if (!less) throw new Error(`this machine is too small: ${needs}; --less goes on with what it bears`);
  const left = Math.floor((count / scale) * BEARABLE);
  say(`  too small: ${needs}; goes on with ${left} credentials`);
  await fleet.remove(left);
  await delay(settleMs / 2);
  return left;
}

/** @returns how many were added. */
async function addOneByOne(
  fleet: Fleet,
  from: number,
  dead: ReadonlySet<number>,
  ms: number,
  everyMs: number,
): Promise<number> {
  const end = performance.now() + ms;
  let index = from;
  let added = 0;
  for (let next = performance.now() + everyMs / 2; next < end - 1000; next += everyMs) {
    await delay(Math.max(0, next - performance.now()));
    while (dead.has(fleet.originOf(index))) index += 1;
    await fleet.add(index);
    index += 1;
    added += 1;
  }
  await delay(Math.max(0, end - performance.now()));
  return added;
}

function cores(before: Spent, after: Spent, ms: number): Spent {
  return {
    operator: (after.operator - before.operator) / ms,
    api: (after.api - before.api) / ms,
    provider: (after.provider - before.provider) / ms,
  };
}

const inWords = ({ operator, api, provider }: Spent): string =>
  `${operator.toFixed(2)} cores for the operator, ${api.toFixed(2)} for the API server, ${provider.toFixed(2)} for the provider`;

function figures(
  title: string,
  of: {
    readonly stale: { readonly count: number; readonly worst: number };
    readonly late: readonly number[];
    readonly fresh: readonly number[];
    readonly rate: number;
    readonly count: number;
    readonly rss: number;
    readonly cores: Spent;
  },
): Row[] {
  const add = (what: string, unit: string, rest: Omit<Row, 'bench' | 'what' | 'unit'>): Row => ({
    bench: 'steady',
    what: `${title}: ${what}`,
    unit,
    ...rest,
  });
  const percentiles = (sorted: readonly number[]): string =>
    `median ${Math.round(quantile(sorted, 0.5))} ms, longest ${Math.round(quantile(sorted, 1))} ms, of ${sorted.length.toLocaleString('en-US')}`;
  return [
    add('Secrets that ever held an expired token', '', {
      figure: of.stale.count,
      goal: atMost(0),
      ...(of.stale.count > 0 && { note: `the longest for ${rounded(of.stale.worst / 1000)} s` }),
    }),
    add('lateness, p99.9', 'ms', {
      figure: quantile(of.late, 0.999),
      goal: atMost(LATE_MS),
      note: percentiles(of.late),
    }),
    add('a new credential’s token, p99', 'ms', {
      figure: quantile(of.fresh, 0.99),
      goal: atMost(NEW_MS),
      note: percentiles(of.fresh),
    }),
    add('refreshes a second', '', {
      figure: of.rate,
      note: `${of.count.toLocaleString('en-US')} credentials; ${inWords(of.cores)}`,
    }),
    add('RSS at the end', 'MiB', { figure: of.rss / 2 ** 20 }),
  ];
}

/** Many that began in the same second: three lifetimes later they lie apart. */
async function together(size: Size, { smoke, say }: Pick<BenchOptions, 'smoke' | 'say'>): Promise<Row[]> {
  const { count, lifetime } = size.together;
  return atWork(
    { ...size, name: 'together', count, lifetime, limits: LIMITS },
    smoke,
    async (fleet, operator) => {
      say(`steady: ${count.toLocaleString('en-US')} credentials of ${lifetime} s that begin together`);
      await firstTokens(fleet, count, operator);
      const began = Date.now();
      await delay((smoke ? 1 : 4) * lifetime * 1000);
      const seen = await fleet.seen();
      const first = quantile(
        seen.asked.map(([, , at]) => at).sort((a, b) => a - b),
        count / seen.asked.length,
      );
      const span: Span = smoke ? [began, Date.now()] : [began + 3 * lifetime * 1000, Date.now()];
      const times = seen.asked.map(([, , at]) => at).filter(at => at >= span[0] && at < span[1]);
      mustBeDone('refreshes in a lifetime', times.length, count);
      const { most, mean } = busiest(times, span);
      const begins = Math.min(...seen.made.map(([, at]) => at));
      return [
        {
          bench: 'steady',
          what: `${count.toLocaleString('en-US')} of ${lifetime} s that began together: busiest second, of the mean`,
          figure: most / mean,
          unit: 'ratio',
          goal: atMost(2.5),
          note: `after three lifetimes: ${most} refreshes, where the mean is ${rounded(mean)}; first tokens took ${rounded((first - begins) / 1000)} s`,
        },
      ];
    },
  );
}
