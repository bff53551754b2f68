import { type RenewalPolicy, renewal } from '../../src/decide/renewal.ts';
import type { Asked, Journal, Written } from './journal.ts';

/** What journals tell of a fleet: whether a Secret ever held an expired token, and how late renewals were. Pure; times in ms. */

export interface Seen extends Journal {
  readonly asked: readonly Asked[];
}

/** From, to; the end is not in it. */
export type Span = readonly [number, number];

/** Of each credential by itself, in the order of time. */
interface History {
  uid: string;
  madeAt: number;
  readonly written: Written[];
  readonly asked: Asked[];
}

/** @param matters the credentials to look at, by their numbers. */
export function histories(seen: Seen, matters: (index: number) => boolean): ReadonlyMap<number, History> {
  const all = new Map<number, History>();
  for (const [index, madeAt, uid] of seen.made)
    if (matters(index)) all.set(index, { uid, madeAt, written: [], asked: [] });
  for (const row of seen.written) all.get(row[0])?.written.push(row);
  for (const row of seen.asked) all.get(row[0])?.asked.push(row);
  return all;
}

/** @returns how long each Secret held an expired token in that span, of those that did. */
export function expired(all: ReadonlyMap<number, History>, [from, to]: Span): number[] {
  const found: number[] = [];
  for (const { written, madeAt } of all.values()) {
    let ms = 0;
    for (const [at, row] of written.entries()) {
      const until = Math.min(to, written[at + 1]?.[1] ?? to);
      ms += Math.max(0, until - Math.max(from, row[3]));
    }
    if (written.length === 0 && madeAt < from) ms = to - from;
    if (ms > 0) found.push(ms);
  }
  return found;
}

export interface Lateness {
  /** Of each renewal whose time was in the span, as long as it was asked for before its end; least first. */
  readonly ms: readonly number[];
  /** How many of those were never asked for. */
  readonly never: number;
}

/** When each renewal was asked for, beside the time that was planned for it: what its Secret tells of the token says that. */
export function lateness(
  all: ReadonlyMap<number, History>,
  policy: RenewalPolicy,
  [from, to]: Span,
): Lateness {
  const ms: number[] = [];
  let never = 0;
  for (const { uid, written, asked } of all.values()) {
    for (const [, at, issuedAt, expiresAt, grants] of written) {
      const { at: planned } = renewal({ ...UNTOLD, issuedAt, expiresAt, grants }, policy, uid);
      if (planned === undefined || planned < from || planned >= to) continue;
      const next = asked.find(row => row[2] >= at);
      if (next === undefined) never += 1;
      else ms.push(Math.max(0, next[2] - planned));
    }
  }
  return { ms: ms.sort((a, b) => a - b), never };
}
const UNTOLD = { account: '', inputs: '', source: '', grant: 'Login', sessionSequence: 0 } as const;

/** From a credential's making to its token, less what the provider took; of those made in the span, least first. */
export function firsts(
  all: ReadonlyMap<number, History>,
  [from, to]: Span,
): { readonly ms: readonly number[]; readonly never: number } {
  const ms: number[] = [];
  let never = 0;
  for (const { madeAt, written, asked } of all.values()) {
    if (madeAt < from || madeAt >= to) continue;
    const [first] = written;
    if (first === undefined) never += 1;
    else ms.push(first[1] - madeAt - (asked[0]?.[3] ?? 0));
  }
  return { ms: ms.sort((a, b) => a - b), never };
}

/** @param sorted least first. @throws RangeError for none: there is no figure for work that was not done. */
export function quantile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? sorted[0];
  if (value === undefined) throw new RangeError('no samples');
  return value;
}

/** The most of any second beside the mean of all, whole seconds counted from the start of the span. */
export function busiest(times: readonly number[], [from, to]: Span): { most: number; mean: number } {
  const each = Array.from({ length: Math.floor((to - from) / 1000) }, () => 0);
  for (const at of times) {
    const second = Math.floor((at - from) / 1000);
    const count = each[second];
    if (count !== undefined) each[second] = count + 1;
  }
  const sum = each.reduce((total, count) => total + count, 0);
  if (sum === 0) throw new RangeError('nothing was asked');
  return { most: Math.max(...each), mean: sum / each.length };
}
