import { z } from 'zod';

/** One line of a benchmark: a figure, what it should be, and what helps to read it. */

export const Row = z.object({
  /** Of the benchmark: `refresh`. */
  bench: z.string(),
  what: z.string(),
  figure: z.number(),
  /** `ms`, `MiB`, `ratio`, or what is counted. */
  unit: z.string(),
  goal: z.object({ bound: z.enum(['at least', 'at most']), value: z.number() }).optional(),
  /** Of the same measurement in each round, where there were several. */
  spread: z.object({ least: z.number(), most: z.number() }).optional(),
  note: z.string().optional(),
});
export type Row = z.infer<typeof Row>;
export type Goal = NonNullable<Row['goal']>;
export type Verdict = 'met' | 'missed' | '';

export const RATIO = 'ratio';

export const atMost = (value: number): Goal => ({ bound: 'at most', value });
export const atLeast = (value: number): Goal => ({ bound: 'at least', value });

export function verdict({ figure, goal }: Pick<Row, 'figure' | 'goal'>): Verdict {
  if (goal === undefined) return '';
  return (goal.bound === 'at most' ? figure <= goal.value : figure >= goal.value) ? 'met' : 'missed';
}

/** @throws RangeError for no samples: there is no figure for work that was not done. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError('no samples');
  return (upper + lower) / 2;
}

/** The median of several rounds, and how far they lie apart. */
export function measured(samples: readonly number[]): Pick<Row, 'figure' | 'spread'> {
  const figure = median(samples);
  return samples.length === 1
    ? { figure }
    : { figure, spread: { least: Math.min(...samples), most: Math.max(...samples) } };
}

/** Rounds of two that took turns: the ratio of each pair, so that what slowed both down counts for neither. */
export function ratios(ours: readonly number[], others: readonly number[]): number[] {
  if (ours.length !== others.length) throw new RangeError('a round without its counterpart');
  return ours.map((value, index) => value / (others[index] ?? Number.NaN));
}

/** Ratios first, then what has a goal; otherwise as measured. */
export function inOrder(rows: readonly Row[]): Row[] {
  const rank = ({ unit, goal }: Row): number => (unit === RATIO ? 0 : goal === undefined ? 2 : 1);
  return rows.toSorted((a, b) => rank(a) - rank(b));
}

/** Three digits that count; thousands by a comma. */
export function rounded(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.min(4, digits) });
}
