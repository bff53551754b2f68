import { expect, test } from 'vitest';
import { FLOWS } from '../../../sandbox/fixtures.ts';
import { openPlace } from './place.ts';
import { hasPrometheus } from './prometheus.ts';

/** The shipped rules in a real Prometheus while all goes well: what would wake somebody for nothing is seen here. */

const HOUR = 60; // these rules take a second for a minute

test('a healthy hour of all flows, with renewals among it, raises no alert', {
  timeout: 300_000,
}, async context => {
  if (!hasPrometheus()) context.skip('prometheus is not installed (Debian: apt install prometheus)');
  const { watch, start, apply, make, ready, close } = await openPlace();
  context.onTestFinished(close);
  await start();
  const prometheus = await watch();
  for (const flow of FLOWS) {
    const made = make(flow, 1);
    await apply(made);
    await ready(made.name);
  }
  await prometheus.until(`sum_over_time(up[1h]) >= ${HOUR}`, found => found.length === 1);

  expect(
    await prometheus.query('count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))'),
  ).toEqual([]);
  const [ready7] = await prometheus.now('sum(tokensync_credential_ready)');
  expect(ready7?.samples[0]?.[1]).toBe(FLOWS.length);
  // the token of 120 s, at least twice
  const [renewed] = await prometheus.now(
    'sum(tokensync_refresh_total{provider="sendfact", result="success"})',
  );
  expect(renewed?.samples[0]?.[1]).toBeGreaterThanOrEqual(3);
  expect(await prometheus.query('tokensync:credential_seconds_live:ratio_rate30d == 1')).toHaveLength(1);
});
