import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, type TestContext, test } from 'vitest';
import { parse } from 'yaml';
import { METRICS_PATH, metricsPage } from '../../scripts/metrics-page.ts';
import { PROMETHEUS_RULE_PATH, prometheusRule, readRules } from '../../scripts/prometheus-rule.ts';
import { CREDENTIAL_FAMILIES, FAMILIES } from '../../src/observe/families.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const CASES = join(import.meta.dirname, 'rules');
/** Their time is what a machine that is busy needs; they take seconds. */
const PATIENCE_MS = 300_000;

/** @returns undefined, having skipped the test, where promtool is not installed. */
function promtool(context: TestContext, ...args: string[]): SpawnSyncReturns<string> | undefined {
  // It ends in seconds: a sixth of them would go into collecting garbage.
  const env = { ...process.env, GOGC: '400' };
  const run = spawnSync('promtool', args, { cwd: ROOT, env, encoding: 'utf8', timeout: PATIENCE_MS });
  if (run.error !== undefined && 'code' in run.error && run.error.code === 'ENOENT')
    return context.skip('promtool is not installed (Debian: apt install prometheus)');
  return run;
}

const { groups } = await readRules();
const rules = groups.flatMap(group => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);

describe('the rules', () => {
  test('are what Prometheus takes', { timeout: PATIENCE_MS }, context => {
    const checked = promtool(
      context,
      'check',
      'rules',
      '--lint=all',
      '--lint-fatal',
      'deploy/prometheus/rules.yaml',
    );
    expect(checked).toMatchObject({ status: 0, stderr: '' });
  });

  const files = readdirSync(CASES);
  test.for(files)('fire and are silent as %s says', { timeout: PATIENCE_MS }, (file, context) => {
    expect(promtool(context, 'test', 'rules', join(CASES, file))).toMatchObject({ status: 0, stderr: '' });
  });

  test('have a case of firing for each alert, and one of silence', () => {
    const expected = files.map(file => readFileSync(join(CASES, file), 'utf8')).join('\n');
    for (const { alert } of alerts) expect(expected, alert).toContain(`alertname="${alert}"`);
    // at a time when nothing fires, nothing is listed
    expect(expected.match(/eval_time: \S+\n(?! +exp_)/g)?.length).toBeGreaterThan(alerts.length);
  });

  test.for(files)('are evaluated in an order that %s gives, and not in one of chance', file => {
    const { group_eval_order: order } = parse(readFileSync(join(CASES, file), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(order).toEqual(groups.map(({ name }) => name));
  });

  test('ask for nothing that is not shown', () => {
    const shown = Object.values({ ...FAMILIES, ...CREDENTIAL_FAMILIES });
    const asked = rules.flatMap(({ expr }) => [...expr.matchAll(/(?<![\w:])tokensync_\w+/g)]);
    expect(asked.length).toBeGreaterThan(30);
    for (const [name] of asked) expect(shown.map(family => family.name)).toContain(name);
    for (const { expr } of rules) {
      for (const [, name, selector = ''] of expr.matchAll(/(?<![\w:])(tokensync_\w+)\{([^}]*)\}/g)) {
        const labels: readonly string[] = shown.find(family => family.name === name)?.labels ?? [];
        for (const [, label = ''] of selector.matchAll(/(\w+)=/g)) expect(labels, expr).toContain(label);
      }
    }
  });
});

describe('each alert', () => {
  const sections = new Map(
    read('docs/runbook.md')
      .split(/^## /m)
      .slice(1)
      .map(section => [section.split('\n')[0]?.toLowerCase() ?? '', section]),
  );

  test.each(alerts)('$alert says how bad it is, what is so, and where to read on', rule => {
    const { alert = '', labels, annotations } = rule;
    expect(alert).toMatch(/^Tokensync[A-Z]/);
    expect(labels).toMatchObject({ severity: expect.stringMatching(/^(critical|warning)$/) as string });
    const { summary, description, runbook_url } = annotations as Record<string, string>;
    expect(summary?.length).toBeGreaterThan(10);
    expect(description?.length).toBeGreaterThan(80);
    expect(runbook_url).toMatch(/^https:\/\/\S+\/docs\/runbook\.md#[a-z]+$/);
    expect(runbook_url?.split('#')[1]).toBe(alert.toLowerCase());
    const section = sections.get(alert.toLowerCase());
    for (const part of ['**Means.**', '**Look.**', '**Do.**', "**Don't.**"])
      expect(section, alert).toContain(part);
  });

  test('is all that the runbook tells of', () => {
    const names = alerts.map(({ alert = '' }) => alert.toLowerCase());
    expect([...sections.keys()].filter(name => name.startsWith('tokensync')).sort()).toEqual(names.sort());
  });
});

test('the PrometheusRule says the same', async () => {
  expect(read(PROMETHEUS_RULE_PATH), 'run: npm run generate').toBe(await prometheusRule());
  expect((parse(read(PROMETHEUS_RULE_PATH)) as { spec: unknown }).spec).toEqual(
    parse(read('deploy/prometheus/rules.yaml')),
  );
});

test('the PodMonitor finds the pods of the Deployment, and leaves namespaces to the credentials', () => {
  const monitor = parse(read('deploy/prometheus/pod-monitor.yaml')) as {
    metadata: { namespace: string };
    spec: {
      selector: { matchLabels: Record<string, string> };
      podMetricsEndpoints: { port: string; honorLabels: boolean }[];
    };
  };
  const deployment = parse(read('deploy/base/deployment.yaml')) as {
    metadata: { namespace: string };
    spec: {
      template: {
        metadata: { labels: Record<string, string> };
        spec: { containers: { ports: { name: string }[] }[] };
      };
    };
  };
  expect(monitor.metadata.namespace).toBe(deployment.metadata.namespace);
  const { metadata, spec } = deployment.spec.template;
  expect(metadata.labels).toMatchObject(monitor.spec.selector.matchLabels);
  const ports = spec.containers.flatMap(container => container.ports.map(({ name }) => name));
  for (const { port, honorLabels } of monitor.spec.podMetricsEndpoints) {
    expect(ports).toContain(port);
    expect(honorLabels).toBe(true);
  }
});

describe('the page of metrics', () => {
  const page = metricsPage();

  test('is what the sources say', () => {
    expect(read(METRICS_PATH), 'run: npm run generate').toBe(page);
  });

  test.each(Object.values({ ...FAMILIES, ...CREDENTIAL_FAMILIES }))('lists $name', ({ name, labels }) => {
    const line = page.split('\n').find(row => row.startsWith(`| \`${name}\` |`));
    expect(line).toBeDefined();
    for (const label of labels) expect(line).toContain(`\`${label}\``);
  });
});
