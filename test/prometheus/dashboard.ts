import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { DASHBOARD_PATH } from '../../scripts/dashboard.ts';
import type { Prometheus, Series } from './live/prometheus.ts';

/** The dashboard that ships, as Grafana's import needs it, and its queries without Grafana. */

const text = z.string().trim().min(1);
/** Whichever is chosen: an installation's own would be missing in all others. */
const Datasource = z.strictObject({ type: z.literal('prometheus'), uid: z.literal('${datasource}') });
const GridPos = z.strictObject({
  x: z.int().min(0),
  y: z.int().min(0),
  w: z.int().min(1).max(24),
  h: z.int().min(1),
});

const Target = z.looseObject({
  refId: z.string().regex(/^[A-Z]$/),
  datasource: Datasource,
  expr: text,
  legendFormat: text,
  instant: z.boolean(),
  range: z.boolean(),
});
export type Target = z.infer<typeof Target>;

const Step = z.strictObject({ color: text, value: z.number().nullable() });
const Mapping = z.strictObject({
  type: z.literal('value'),
  options: z.record(z.string(), z.strictObject({ text, index: z.int() })),
});

const Row = z.looseObject({
  id: z.int().min(1),
  type: z.literal('row'),
  title: text,
  gridPos: GridPos,
  collapsed: z.literal(false),
  panels: z.tuple([]),
});
const Panel = z.looseObject({
  id: z.int().min(1),
  type: z.enum(['stat', 'timeseries', 'table', 'state-timeline']),
  title: text,
  description: text,
  gridPos: GridPos,
  datasource: Datasource,
  targets: z.array(Target).min(1),
  fieldConfig: z.looseObject({
    defaults: z.looseObject({
      unit: text,
      decimals: z.int().optional(),
      min: z.number().optional(),
      max: z.number().optional(),
      mappings: z.array(Mapping),
      custom: z.looseObject({ scaleDistribution: z.looseObject({ type: text }).optional() }).optional(),
      thresholds: z.object({ mode: z.literal('absolute'), steps: z.array(Step).min(1) }),
    }),
  }),
  options: z.looseObject({}),
  transformations: z
    .array(
      z.strictObject({
        id: z.literal('organize'),
        options: z.looseObject({ renameByName: z.strictObject({ Value: text.optional() }) }),
      }),
    )
    .optional(),
});
export type Panel = z.infer<typeof Panel>;

const Variable = z.discriminatedUnion('type', [
  z.looseObject({
    name: z.literal('datasource'),
    type: z.literal('datasource'),
    query: z.literal('prometheus'),
  }),
  z.looseObject({
    name: z.enum(['namespace', 'provider']),
    type: z.literal('query'),
    datasource: Datasource,
    definition: z.string().regex(/^label_values\(\w+, \w+\)$/),
    includeAll: z.literal(true),
    allValue: z.literal('.*'),
  }),
]);

const Dashboard = z.looseObject({
  uid: z.literal('tokensync'),
  id: z.null(),
  title: text,
  schemaVersion: z.int().min(36),
  time: z.strictObject({ from: text, to: text }),
  templating: z.strictObject({ list: z.array(Variable) }),
  panels: z.array(z.discriminatedUnion('type', [Row, Panel])),
});
export type Dashboard = z.infer<typeof Dashboard>;

export const readDashboard = (): Dashboard =>
  Dashboard.parse(JSON.parse(readFileSync(new URL(`../../${DASHBOARD_PATH}`, import.meta.url), 'utf8')));

export interface Section {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** The rows, each with the panels below it. */
export function sections({ panels }: Dashboard): Section[] {
  const found: { title: string; panels: Panel[] }[] = [];
  for (const panel of panels) {
    if (panel.type === 'row') found.push({ title: panel.title, panels: [] });
    else found.at(-1)?.panels.push(panel);
  }
  return found;
}

/** Each query, with the title of its panel. */
export const queriesOf = (dashboard: Dashboard): { title: string; target: Target }[] =>
  sections(dashboard).flatMap(({ panels }) =>
    panels.flatMap(({ title, targets }) => targets.map(target => ({ title, target }))),
  );

/** Where the picture of a row is. */
export const picturePath = ({ title }: Section): string =>
  `docs/images/dashboard-${title.toLowerCase().replaceAll(' ', '-')}.svg`;

const VALUES: Readonly<Record<string, string>> = {
  namespace: '.*',
  provider: '.*',
  __rate_interval: '10s',
};

/** A query with what Grafana would fill in. */
export function filledIn(expr: string): string {
  return expr.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const value = VALUES[name];
    if (value === undefined) throw new Error(`$${name} is not a variable of the dashboard`);
    return value;
  });
}

/** What a query would show. @param from in s since 1970, for what is shown over time. */
export function ask(
  prometheus: Prometheus,
  { expr, instant }: Pick<Target, 'expr' | 'instant'>,
  from: number,
): Promise<Series[]> {
  const query = filledIn(expr);
  return instant ? prometheus.now(query) : prometheus.range(query, from, Date.now() / 1000);
}

const KEYWORDS = new Set(['and', 'or', 'unless', 'bool', 'offset']);

/** The names of what a PromQL expression reads. */
export function metricsOf(expr: string): string[] {
  const bare = expr
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '');
  const names = bare.matchAll(/(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])/g);
  return [...new Set([...names].map(([name]) => name))].filter(name => !KEYWORDS.has(name));
}

/** The labels that a legend shows. */
export const labelsOf = (legend: string): string[] =>
  [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
