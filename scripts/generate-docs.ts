import { writeOrCheck } from './generated.ts';
import { METRICS_PATH, metricsPage } from './metrics-page.ts';
import { PROMETHEUS_RULE_PATH, prometheusRule } from './prometheus-rule.ts';
import { REFERENCE_PATH, reference } from './reference.ts';

/** Makes docs/reference.md and docs/metrics.md from src, and the PrometheusRule from the rules. `--check`: writes nothing, and exits with 1 where one differs. */
const files = new Map([
  [REFERENCE_PATH, reference()],
  [METRICS_PATH, metricsPage()],
  [PROMETHEUS_RULE_PATH, await prometheusRule()],
]);
process.exitCode = await writeOrCheck(files, process.argv.slice(2));
