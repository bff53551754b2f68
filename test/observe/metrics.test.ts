import { describe, expect, test } from 'vitest';
import { FAMILIES } from '../../src/observe/families.ts';
import { Metrics } from '../../src/observe/metrics.ts';

function bench(perCredential = true) {
  const metrics = new Metrics({ perCredential });
  /** Series of a metric, without the `tokensync_` before them. */
  const series = async (name: string): Promise<string[]> =>
    (await metrics.render())
      .split('\n')
      .filter(line => line.startsWith(`tokensync_${name}`))
      .map(line => line.slice('tokensync_'.length));
  return { metrics, series };
}

const FLOWS = [{ name: 'jwt', refreshable: true }];

describe('attempts', () => {
  test('stand at zero from the start, for each way they can end', async () => {
    const { metrics, series } = bench();
    metrics.acceptProvider('acme', [...FLOWS, { name: 'key', refreshable: false }]);
    const all = await series('refresh_total');
    expect(all).toHaveLength(6 * 3);
    expect(all.every(line => line.endsWith(' 0'))).toBe(true);
    expect(all).toContain('refresh_total{provider="acme",flow="jwt",grant="refresh",result="unavailable"} 0');
    expect(all.join()).not.toContain('flow="key",grant="refresh"');
  });

  test('are counted by how they ended, timed, and their lateness measured', async () => {
    const { metrics, series } = bench();
    metrics.acceptProvider('acme', FLOWS);
    const attempt = { provider: 'acme', flow: 'jwt', grant: 'Login' } as const;
    metrics.refreshed({ ...attempt, result: 'Rejected', seconds: 0.3 });
    metrics.refreshed({ ...attempt, result: 'Success', seconds: 0.2, latenessSeconds: 2 });
    metrics.refreshed({ ...attempt, result: 'Success', latenessSeconds: -1 });
    const total = await series('refresh_total');
    expect(total).toContain('refresh_total{provider="acme",flow="jwt",grant="login",result="rejected"} 1');
    expect(total).toContain('refresh_total{provider="acme",flow="jwt",grant="login",result="success"} 2');
    expect(await series('refresh_duration_seconds_count')).toEqual([
      'refresh_duration_seconds_count{provider="acme",grant="login"} 2',
    ]);
    expect(await series('refresh_lateness_seconds_sum')).toEqual([
      'refresh_lateness_seconds_sum{provider="acme"} 2',
    ]);
  });

  test('go with their provider, or with the flow that it no longer has', async () => {
    const { metrics, series } = bench();
    for (const provider of ['acme', 'acme-2']) {
      metrics.acceptProvider(provider, [...FLOWS, { name: 'key', refreshable: false }]);
      metrics.refreshed({
        provider,
        flow: 'jwt',
        grant: 'Login',
        result: 'Success',
        seconds: 1,
        latenessSeconds: 1,
      });
      metrics.circuit(provider, 'https://a.test', true);
      metrics.circuit(provider, 'https://b.test', false);
    }
    metrics.acceptProvider('acme', [{ name: 'jwt', refreshable: false }]);
    const total = (await series('refresh_total')).filter(line => line.includes('"acme"'));
    expect(total).toHaveLength(6);
    expect(total).toContain('refresh_total{provider="acme",flow="jwt",grant="login",result="success"} 1');
    metrics.removeOrigin('acme', 'https://b.test');
    expect((await series('provider_circuit_open')).filter(line => line.includes('"acme"'))).toEqual([
      'provider_circuit_open{provider="acme",origin="https://a.test"} 1',
    ]);
    metrics.removeProvider('acme');
    metrics.removeProvider('acme');
    const text = await metrics.render();
    expect(text).not.toContain('"acme"');
    expect(text.match(/provider="acme-2"/g)?.length).toBeGreaterThan(20);
    // and may come back
    metrics.acceptProvider('acme', FLOWS);
    metrics.removeProvider('acme');
    expect(await metrics.render()).not.toContain('"acme"');
  });
});

describe('credentials', () => {
  const labels = 'namespace="shop",name="acme",provider="p"';

  test('in seconds, with what is unknown left out', async () => {
    const { metrics, series } = bench();
    metrics.setCredential('shop', 'acme', 'p', {
      ready: true,
      rejections: 2,
      expiresAt: 1_500,
      renewAt: 1_000,
      lastSuccess: 500,
    });
    expect(await series('credential_')).toEqual([
      `credential_expiry_timestamp_seconds{${labels}} 1.5`,
      `credential_renew_timestamp_seconds{${labels}} 1`,
      `credential_ready{${labels}} 1`,
      `credential_last_success_timestamp_seconds{${labels}} 0.5`,
      `credential_rejections{${labels}} 2`,
    ]);
    metrics.setCredential('shop', 'acme', 'p', { ready: false, rejections: 0 });
    expect(await series('credential_')).toEqual([
      `credential_ready{${labels}} 0`,
      `credential_rejections{${labels}} 0`,
    ]);
  });

  test('of another provider than before leave nothing under the first; removed, nothing at all', async () => {
    const { metrics, series } = bench();
    const state = { ready: true, rejections: 0, expiresAt: 1, renewAt: 1, lastSuccess: 1 };
    metrics.setCredential('shop', 'acme', 'p', state);
    metrics.setCredential('shop', 'acme', 'q', state);
    expect((await series('credential_')).every(line => line.includes('provider="q"'))).toBe(true);
    metrics.setCredential('shop', 'other', 'q', state);
    metrics.removeCredential('shop', 'acme');
    metrics.removeCredential('shop', 'nobody');
    expect(await series('credential_')).toHaveLength(5);
    metrics.removeCredential('shop', 'other');
    expect(await series('credential_')).toEqual([]);
  });

  test('have no series where they are switched off', async () => {
    const { metrics, series } = bench(false);
    metrics.setCredential('shop', 'acme', 'p', { ready: true, rejections: 0, expiresAt: 1 });
    metrics.removeCredential('shop', 'acme');
    expect(await series('credential_')).toEqual([]);
  });
});

test('queue, watches, leadership, calls', async () => {
  const { metrics, series } = bench();
  expect(await series('leader')).toEqual(['leader 0']);
  expect(await series('queue_depth')).toEqual(['queue_depth 0']);
  metrics.leader(true);
  metrics.queueDepth(3);
  metrics.queueWait(0.2);
  metrics.watch('secrets', { ageSeconds: 1, restarts: 0 });
  expect(await series('watch_restarts_total')).toEqual(['watch_restarts_total{resource="secrets"} 0']);
  metrics.watch('secrets', { ageSeconds: 2.5, restarts: 1 });
  metrics.watch('secrets', { ageSeconds: 2.5, restarts: 1 });
  metrics.apiRequest('get', 200);
  metrics.apiRequest('watch', 'error');
  expect(await series('leader')).toEqual(['leader 1']);
  expect(await series('queue_depth')).toEqual(['queue_depth 3']);
  expect(await series('queue_wait_seconds_count')).toEqual(['queue_wait_seconds_count 1']);
  expect(await series('watch_restarts_total')).toEqual(['watch_restarts_total{resource="secrets"} 1']);
  expect(await series('watch_last_event_age_seconds')).toEqual([
    'watch_last_event_age_seconds{resource="secrets"} 2.5',
  ]);
  expect(await series('api_requests_total')).toEqual([
    'api_requests_total{verb="get",code="200"} 1',
    'api_requests_total{verb="watch",code="error"} 1',
  ]);
});

test('the table is what is registered: names, types, help', async () => {
  const { metrics } = bench();
  const text = await metrics.render();
  const registered = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
  expect(registered.sort()).toEqual(
    Object.values(FAMILIES)
      .map(({ name, type }) => `${name} ${type}`)
      .sort(),
  );
  for (const { name, type, help } of Object.values(FAMILIES)) {
    expect(text).toContain(`# HELP ${name} ${help}\n`);
    expect(name.endsWith('_total')).toBe(type === 'counter');
  }
});

test('the process is shown where asked for, and two registries never meet', async () => {
  const one = new Metrics({ perCredential: true, process: true });
  const two = new Metrics({ perCredential: true });
  one.queueDepth(7);
  expect(await one.render()).toMatch(/process_resident_memory_bytes [1-9]/);
  expect(await two.render()).not.toMatch(/process_|queue_depth 7/);
});
