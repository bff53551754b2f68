import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { z } from 'zod';

/** deploy/prometheus/prometheus-rule.yaml: the rules file, as the Prometheus Operator wants it. */

const RULES_PATH = 'deploy/prometheus/rules.yaml';
export const PROMETHEUS_RULE_PATH = 'deploy/prometheus/prometheus-rule.yaml';

const Rule = z.looseObject({ alert: z.string().optional(), record: z.string().optional(), expr: z.string() });
const Rules = z.strictObject({ groups: z.array(z.looseObject({ name: z.string(), rules: z.array(Rule) })) });

export async function readRules(): Promise<z.infer<typeof Rules>> {
  return Rules.parse(parse(await readFile(new URL(`../${RULES_PATH}`, import.meta.url), 'utf8')));
}

export async function prometheusRule(): Promise<string> {
  const object = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: {
      name: 'tokensync',
      namespace: 'tokensync',
      labels: { 'app.kubernetes.io/name': 'tokensync', 'app.kubernetes.io/part-of': 'tokensync' },
    },
    spec: await readRules(),
  };
  return `# Made by scripts/generate-docs.ts from ${RULES_PATH}. Do not edit.\n${stringify(object, { lineWidth: 0 })}`;
}
