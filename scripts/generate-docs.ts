import { DASHBOARD_PATH, dashboardText } from './dashboard.ts';
import { writeOrCheck } from './generated.ts';
import { LOGS_PATH, logsPage } from './logs-page.ts';
import { METRICS_PATH, metricsPage } from './metrics-page.ts';
import { PROMETHEUS_RULE_PATH, prometheusRule } from './prometheus-rule.ts';
import { REFERENCE_PATH, reference } from './reference.ts';

/** Makes docs/reference.md, docs/logs.md and docs/metrics.md from src, the PrometheusRule from the rules, and the dashboard from its source. `--check`: writes nothing, and exits with 1 where one differs. */
const files = new Map([
  [REFERENCE_PATH, reference()],
  [LOGS_PATH, logsPage()],
  [METRICS_PATH, metricsPage()],
  [PROMETHEUS_RULE_PATH, await prometheusRule()],
  [DASHBOARD_PATH, await dashboardText()],
]);
process.exitCode = await writeOrCheck(files, process.argv.slice(2));
