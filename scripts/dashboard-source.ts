import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';

/** deploy/grafana/dashboard.yaml, read and held to its form. */

export const DASHBOARD_SOURCE_PATH = 'deploy/grafana/dashboard.yaml';

const text = z.string().trim().min(1);

const Panel = z.strictObject({
  title: text,
  /** What it shows, and what to do about it. */
  description: text,
  show: z.enum(['stat', 'lines', 'table', 'states']),
  /** As Grafana names it. */
  unit: z.enum(['short', 's', 'bytes', 'percentunit', 'reqps']),
  decimals: z.int().min(0).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  scale: z.literal('log').optional(),
  width: z.int().min(3).max(24),
  height: z.int().min(3).optional(),
  /** From the lowest value up; the first has none. */
  steps: z.partialRecord(z.enum(['green', 'orange', 'red']), z.number().nullable()).optional(),
  words: z.record(z.string(), text).optional(),
  /** Title of a table's column of values; it is left out without. */
  value: text.optional(),
  queries: z.array(z.strictObject({ expr: text, legend: text })).min(1),
});
export type PanelSource = z.infer<typeof Panel>;

const Source = z.strictObject({
  rows: z.array(z.strictObject({ title: text, panels: z.array(Panel).min(1) })),
});
export type DashboardSource = z.infer<typeof Source>;

export async function readDashboardSource(): Promise<DashboardSource> {
  return Source.parse(parse(await readFile(new URL(`../${DASHBOARD_SOURCE_PATH}`, import.meta.url), 'utf8')));
}
