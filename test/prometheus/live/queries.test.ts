import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DASHBOARD_SOURCE_PATH } from '../../../scripts/dashboard-source.ts';
import { ask, labelsOf, queriesOf, readDashboard, type Target } from '../dashboard.ts';
import { openPlace } from './place.ts';
import { hasPrometheus, type Prometheus } from './prometheus.ts';
import { allWell, troubles } from './troubles.ts';

/** The dashboard's queries in a real Prometheus, which looks at the real program. */

const PATIENCE_MS = 240_000;
/** For one query to find something. */
const QUERY_MS = 60_000;

const dashboard = readDashboard();

test('each query of the dashboard finds something', { timeout: PATIENCE_MS }, async context => {
  if (!hasPrometheus()) context.skip('prometheus is not installed (Debian: apt install prometheus)');
  const place = await openPlace();
  context.onTestFinished(place.close);
  await place.start();
  const prometheus = await place.watch();
  const from = Math.floor(Date.now() / 1000);
  await allWell(place);
  await troubles(place, prometheus);

  const late = Date.now() + QUERY_MS;
  const empty: string[] = [];
  for (const { title, target } of queriesOf(dashboard)) {
    const found = await somethingFor(prometheus, target, from, late);
    if (found.length === 0) empty.push(`${title}: ${target.expr}`);
    for (const label of labelsOf(target.legendFormat)) {
      const without = found.filter(({ labels }) => (labels[label] ?? '') === '');
      expect(without, `${title} has no label ${label} for its legend`).toEqual([]);
    }
  }
  expect(empty, `of ${DASHBOARD_SOURCE_PATH}`).toEqual([]);

  for (const variable of dashboard.templating.list) {
    if (variable.type !== 'query') continue;
    const [, metric = '', label = ''] = /\((\w+), (\w+)\)/.exec(variable.definition) ?? [];
    const values = await prometheus.now(`count by (${label}) (${metric})`);
    expect(
      values.filter(({ labels }) => (labels[label] ?? '') !== ''),
      variable.name,
    ).not.toEqual([]);
  }
});

/** Asks until something is found, or it is too late. A query that falls back on 0 has to find what it falls back from. */
async function somethingFor(prometheus: Prometheus, target: Target, from: number, late: number) {
  const expr = target.expr.replace(/ or vector\(0\)$/, '');
  for (;;) {
    const found = await ask(prometheus, { ...target, expr }, from);
    if (found.length > 0 || Date.now() > late) return found;
    await sleep(200);
  }
}
