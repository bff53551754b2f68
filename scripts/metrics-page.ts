import { REASONS } from '../src/api/reasons.ts';
import { CREDENTIAL_FAMILIES, FAMILIES, type Family } from '../src/observe/families.ts';
import { AUTO_MOST } from '../src/observe/metrics.ts';
import { code, table } from './markdown.ts';

/** docs/metrics.md: every metric, from what registers them. */

export const METRICS_PATH = 'docs/metrics.md';

const metrics = (families: Readonly<Record<string, Family>>): string =>
  table(
    ['Metric', 'Type', 'Labels', 'Meaning'],
    Object.values(families).map(({ name, type, labels, help }) => [
      code(name),
      type,
      labels.map(code).join(', '),
      help,
    ]),
  );

export const metricsPage = (): string => `<!-- Made by scripts/generate-docs.ts from src. Do not edit. -->
# Metrics

\`/metrics\` at \`--metrics-bind-address\`, in the text format of Prometheus or, for a scraper that asks for it, as OpenMetrics.
Alerts and recording rules are in \`deploy/prometheus\`, what to do when one fires in [runbook.md](runbook.md).

Scrape every replica, and with \`honorLabels: true\` (\`honor_labels\`), so that \`namespace\` stays the credential's. Only the replica
that leads tells of credentials.

${metrics(FAMILIES)}

Labels take known values alone:

| Label | Values |
| --- | --- |
| \`provider\` | names of ClusterTokenProviders, and what credentials name as their provider |
| \`flow\`, \`origin\` | those of the provider that are in use |
| \`grant\` | \`login\`, \`refresh\` |
| \`result\` | \`success\`, or the class of the failure: \`rejected\`, \`throttled\`, \`unavailable\`, \`unusable\`, \`invalid\` |
| \`reason\` | the ${Object.keys(REASONS).length} [reasons](reference.md#reasons) of conditions |

Counters of each accepted provider stand at 0 from the start, so that \`increase()\` sees a first failure. Series go with what they tell of,
at the next scrape.

## For each credential

${metrics(CREDENTIAL_FAMILIES)}

\`--metrics-per-credential\` is \`on\`, \`off\`, or \`auto\` (the default): shown while there are no more than ${AUTO_MOST.toLocaleString('en')} credentials, and
again below ${(AUTO_MOST * 0.9).toLocaleString('en')} once there were more. Each credential has five to seven series. Without them alerts fire all the same, from what
is counted by provider; they then say how many credentials and not which. \`kubectl get pcred -A\` tells which.

## The service level

\`tokensync_credential_seconds_total\` adds up the time of all credentials, with and without a live token. A token dies at its expiry whether
or not anyone looks. A credential counts from its first token on; while \`spec.suspend\` is true it does not. So the share of
\`state="live"\` is what users of the Secrets see of the service, and an author's typo in a new credential does not spoil it.
Only the replica that leads counts. While none runs nobody does: \`TokensyncAbsent\` tells of that.

## Of the process

Beside these, \`/metrics\` has the default metrics of prom-client: \`process_*\` (CPU, memory, file descriptors, start time) and \`nodejs_*\`
(event loop lag, heap, garbage collection, active handles).
`;
