import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readRules } from '../../scripts/prometheus-rule.ts';
import { CREDENTIAL_FAMILIES, FAMILIES, type Family } from '../../src/observe/families.ts';
import { Metrics, wholeText } from '../../src/observe/metrics.ts';
import { only, render, skipped } from '../deploy/render.ts';
import { metricsOf, type Panel, picturePath, queriesOf, readDashboard, sections } from './dashboard.ts';

/** The dashboard in the form that Grafana imports. */

const dashboard = readDashboard();
const rows = sections(dashboard);
const panels: Panel[] = rows.flatMap(row => [...row.panels]);
const queries = queriesOf(dashboard);

describe('the dashboard', () => {
  test('has the rows that are promised, each with panels', () => {
    expect(rows.map(({ title }) => title)).toEqual([
      'Health at a glance',
      'Soonest expiries',
      'Refreshes by provider',
      'Latencies',
      'Lateness',
      'Failures by class',
      'Circuit state',
      'Queue',
      'API calls',
      'Process',
    ]);
    expect(rows.filter(row => row.panels.length === 0)).toEqual([]);
  });

  test('has each id, title and, within a panel, refId once', () => {
    expect(duplicates(dashboard.panels.map(({ id }) => id))).toEqual([]);
    expect(duplicates(panels.map(({ title }) => title))).toEqual([]);
    for (const { targets } of panels) expect(duplicates(targets.map(({ refId }) => refId))).toEqual([]);
  });

  test('has no panel over another, or beyond the edge', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(duplicates(cells)).toEqual([]);
    expect(dashboard.panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  });

  test('asks for data source, namespace and provider, and takes all by default', () => {
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual([
      'datasource',
      'namespace',
      'provider',
    ]);
  });

  test('has colours from the lowest value up', () => {
    for (const { title, fieldConfig } of panels) {
      const [first, ...others] = fieldConfig.defaults.thresholds.steps.map(({ value }) => value);
      expect(first, title).toBeNull();
      expect(others, title).toEqual(others.toSorted((a, b) => Number(a) - Number(b)));
    }
  });

  test('has a section and a picture of each row in its page', () => {
    const page = readFileSync(new URL('../../docs/dashboard.md', import.meta.url), 'utf8');
    for (const row of rows) {
      const path = picturePath(row);
      const [, section = ''] = page.split(`\n### ${row.title}\n`);
      expect(section, row.title).toContain(`![${row.title}](${path.replace('docs/', '')})`);
      expect(existsSync(new URL(`../../${path}`, import.meta.url)), path).toBe(true);
    }
  });

  test.skipIf(skipped !== undefined)('is in a ConfigMap that the sidecar takes', () => {
    const configMap = only(render('deploy/grafana'), 'ConfigMap');
    expect(configMap.metadata).toMatchObject({
      name: 'tokensync-dashboard',
      namespace: 'tokensync',
      labels: { grafana_dashboard: '1' },
    });
    const data = z.record(z.string(), z.string()).parse(configMap.data);
    expect(JSON.parse(data['tokensync.json'] ?? '')).toEqual(dashboard);
  });

  test('reads metrics that there are, and recording rules that ship', async () => {
    const known = await knownMetrics();
    const unknown = queries.flatMap(({ title, target }) => {
      const names = metricsOf(target.expr);
      if (names.length === 0) throw new Error(`${title} reads nothing: ${target.expr}`);
      return names.filter(name => !known.has(name)).map(name => `${title}: ${name}`);
    });
    expect(unknown).toEqual([]);
  });

  test('filters by the provider, and by the namespace, wherever a series has them', () => {
    const families: readonly Family[] = [...Object.values(FAMILIES), ...Object.values(CREDENTIAL_FAMILIES)];
    for (const { title, target } of queries) {
      const labels = families
        .filter(({ name }) => metricsOf(target.expr).some(read => read.startsWith(name)))
        .flatMap(family => family.labels);
      for (const label of ['provider', 'namespace'])
        if (labels.includes(label)) expect(target.expr, title).toContain(`${label}=~"$${label}"`);
    }
  });
});

test.each([
  ['sum by (le) (rate(a_bucket{x="b_total",y=~"$z"}[5m])) and on (job) c', ['a_bucket', 'c']],
  ['count(ALERTS{a="b"}) or vector(0)', ['ALERTS']],
  ['a:b:c > 0.5 * d unless e', ['a:b:c', 'd', 'e']],
  ['time() - min by (x) (a)', ['a']],
])('%s reads %j', (expr, names) => {
  expect(metricsOf(expr)).toEqual(names);
});

/** Ours, the process's own, and what the rules and Prometheus itself record. */
async function knownMetrics(): Promise<Set<string>> {
  const time = { now: () => 0, monotonic: () => 0 };
  const metrics = new Metrics({ perCredential: 'on', version: '1', time, process: true });
  const exposed = (await wholeText(metrics.expose())).matchAll(/^# TYPE (\S+) (\S+)$/gm);
  const types = [
    ...[...exposed].map(([, name = '', type = '']) => ({ name, type })),
    ...Object.values(CREDENTIAL_FAMILIES),
  ];
  const { groups } = await readRules();
  return new Set([
    ...types.flatMap(({ name, type }) =>
      type === 'histogram' ? ['bucket', 'sum', 'count'].map(part => `${name}_${part}`) : [name],
    ),
    ...groups.flatMap(({ rules }) => rules.flatMap(({ record }) => record ?? [])),
    'ALERTS',
  ]);
}

function duplicates<T>(items: readonly T[]): T[] {
  return items.filter((item, index) => items.indexOf(item) !== index);
}
