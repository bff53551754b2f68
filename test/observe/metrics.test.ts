import { describe, expect, test } from 'vitest';
import type { CredentialState } from '../../src/observe/credential-columns.ts';
import { CREDENTIAL_FAMILIES, FAMILIES } from '../../src/observe/families.ts';
import { AUTO_MOST, Metrics, type PerCredential, wholeText } from '../../src/observe/metrics.ts';

function bench(perCredential: PerCredential = 'on') {
  const time = { ms: 1_000_000 };
  const metrics = new Metrics({
    perCredential,
    version: '1.2.3',
    time: { now: () => START + time.ms, monotonic: () => time.ms },
  });
  metrics.owned(1);
  const render = (accept?: string): Promise<string> => wholeText(metrics.expose(accept));
  /** Series of a metric, without the `tokensync_` before them. */
  const series = async (name: string): Promise<string[]> =>
    (await render())
      .split('\n')
      .filter(line => new RegExp(`^tokensync_${name}[{ ]`).test(line))
      .map(line => line.slice('tokensync_'.length));
  const pass = (seconds: number): void => {
    time.ms += seconds * 1000;
  };
  return { metrics, series, render, pass, now: () => START + time.ms };
}

/** The wall clock when the monotonic one was at zero. */
const START = Date.UTC(2026, 0, 1);
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
      'refresh_duration_seconds_count{provider="acme",grant="refresh"} 0',
    ]);
    expect(await series('refresh_lateness_seconds_sum')).toEqual([
      'refresh_lateness_seconds_sum{provider="acme"} 2',
    ]);
  });

  test('go with their provider, or with the flow that it no longer has', async () => {
    const { metrics, series, render } = bench();
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
      metrics.setProvider(provider, { accepted: true, saturated: false });
      metrics.origin(provider, 'https://a.test', { circuitOpen: true, rejectsAll: false, paused: true });
      metrics.origin(provider, 'https://b.test', { circuitOpen: false, rejectsAll: false, paused: false });
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
    const text = await render();
    expect(text).not.toContain('"acme"');
    expect(text.match(/provider="acme-2"/g)?.length).toBeGreaterThan(20);
    // and may come back
    metrics.acceptProvider('acme', FLOWS);
    metrics.removeProvider('acme');
    expect(await render()).not.toContain('"acme"');
  });
});

const LIVE: CredentialState = { ready: true, reason: 'TokenLive', rejections: 0 };
const DEAD: CredentialState = { ready: false, reason: 'TokenExpired', rejections: 0 };

describe('series of each credential', () => {
  const labels = 'namespace="shop",name="acme",provider="p"';
  const own = Object.values(CREDENTIAL_FAMILIES).map(({ name }) => name);
  const shown = async (render: () => Promise<string>): Promise<string[]> =>
    (await render()).split('\n').filter(line => own.some(name => line.startsWith(`${name}{`)));

  test('in seconds, with what is unknown left out', async () => {
    const { metrics, render } = bench();
    metrics.setCredential('shop/acme', 'p', {
      ...LIVE,
      suspended: true,
      stopped: 'RejectionLimit',
      rejections: 2,
      expiresAt: 1_500,
      renewAt: 1_000,
      lastSuccess: 500,
    });
    expect(await shown(render)).toEqual([
      `tokensync_credential_ready{${labels}} 1`,
      `tokensync_credential_stopped{${labels},reason="RejectionLimit"} 1`,
      `tokensync_credential_suspended{${labels}} 1`,
      `tokensync_credential_expiry_timestamp_seconds{${labels}} 1.5`,
      `tokensync_credential_renew_timestamp_seconds{${labels}} 1`,
      `tokensync_credential_last_success_timestamp_seconds{${labels}} 0.5`,
      `tokensync_credential_rejections{${labels}} 2`,
    ]);
    metrics.setCredential('shop/acme', 'p', { ready: false, reason: 'SourceMissing', rejections: 0 });
    expect(await shown(render)).toEqual([
      `tokensync_credential_ready{${labels}} 0`,
      `tokensync_credential_not_ready{${labels},reason="SourceMissing"} 1`,
      `tokensync_credential_rejections{${labels}} 0`,
    ]);
  });

  test('of another provider than before leave nothing under the first; removed, nothing at all', async () => {
    const { metrics, render } = bench();
    const state = { ...LIVE, expiresAt: 1, renewAt: 1, lastSuccess: 1 };
    metrics.setCredential('shop/acme', 'p', state);
    metrics.setCredential('shop/acme', 'q', state);
    expect((await shown(render)).every(line => line.includes('provider="q"'))).toBe(true);
    metrics.setCredential('shop/other', 'q', state);
    metrics.removeCredential('shop/acme');
    metrics.removeCredential('shop/nobody');
    expect(await shown(render)).toHaveLength(5);
    metrics.removeCredential('shop/other');
    expect(await shown(render)).toEqual([]);
    // none of what was counted over them, nor their seconds
    expect(await render()).not.toMatch(/provider="[pq]"/);
  });

  test('are for the replica that leads', async () => {
    const { metrics, render } = bench();
    metrics.setCredential('shop/acme', 'p', LIVE);
    metrics.owned(0);
    expect(await shown(render)).toEqual([]);
    // a lease that was late, and that nobody else took
    metrics.owned(1);
    expect(await shown(render)).toHaveLength(2);
  });

  test('are not there where they are switched off, and what is counted over them is', async () => {
    const { metrics, render, series } = bench('off');
    metrics.setCredential('shop/acme', 'p', LIVE);
    expect(await shown(render)).toEqual([]);
    expect(await series('credentials')).toEqual([
      'credentials{provider="p",ready="true",reason="TokenLive"} 1',
    ]);
  });

  test('are there up to a number of credentials, and come again only well below it', async () => {
    const { metrics, render } = bench('auto');
    for (let i = 0; i < AUTO_MOST; i++) metrics.setCredential(`shop/c-${i}`, 'p', LIVE);
    expect(await shown(render)).toHaveLength(2 * AUTO_MOST);
    metrics.setCredential('shop/one-more', 'p', LIVE);
    expect(await shown(render)).toEqual([]);
    for (let i = 0; i < 500; i++) metrics.removeCredential(`shop/c-${i}`);
    expect(await shown(render)).toEqual([]);
    metrics.removeCredential('shop/c-500');
    expect(await shown(render)).not.toEqual([]);
  });
});

describe('counted over all credentials', () => {
  test('by reason, state, and what they wait for', async () => {
    const { metrics, series, now } = bench();
    const at = (seconds: number): number => now() + seconds * 1000;
    const states: CredentialState[] = [
      { ...LIVE, expiresAt: at(300), renewAt: at(200) },
      // half of the time to renew it has gone
      { ...LIVE, expiresAt: at(90), renewAt: at(-100) },
      { ...LIVE, expiresAt: at(90), renewAt: at(-100), failing: 'Unreachable' },
      // the same, and it has alerts of its own
      { ...LIVE, expiresAt: at(90), renewAt: at(-100), failing: 'Rejected', rejections: 1 },
      {
        ...LIVE,
        expiresAt: at(90),
        renewAt: at(-100),
        failing: 'Rejected',
        rejections: 3,
        stopped: 'RejectionLimit',
      },
      // not late by much
      { ...LIVE, expiresAt: at(90), renewAt: at(-59) },
      { ...DEAD, begun: true, expiresAt: at(-1), renewAt: at(-61) },
      { ready: false, reason: 'SourceMissing', rejections: 0 },
      { ...DEAD, begun: true, suspended: true, reason: 'Suspended', expiresAt: at(-1), rejections: 1 },
    ];
    metrics.setProvider('idle', { accepted: false, saturated: true });
    for (const [index, state] of states.entries()) metrics.setCredential(`shop/c-${index}`, 'p', state);
    expect(await series('credentials_state')).toEqual([
      ...['live', 'dead', 'new', 'suspended'].map(
        state => `credentials_state{provider="idle",state="${state}"} 0`,
      ),
      'credentials_state{provider="p",state="live"} 6',
      'credentials_state{provider="p",state="dead"} 1',
      'credentials_state{provider="p",state="new"} 1',
      'credentials_state{provider="p",state="suspended"} 1',
    ]);
    expect(await series('credentials')).toEqual([
      'credentials{provider="p",ready="true",reason="TokenLive"} 6',
      'credentials{provider="p",ready="false",reason="TokenExpired"} 1',
      'credentials{provider="p",ready="false",reason="SourceMissing"} 1',
      'credentials{provider="p",ready="false",reason="Suspended"} 1',
    ]);
    expect(await series('credentials_stopped')).toEqual([
      'credentials_stopped{provider="p",reason="RejectionLimit"} 1',
    ]);
    expect(await series('credentials_failing')).toEqual([
      'credentials_failing{provider="p",reason="Unreachable"} 1',
      'credentials_failing{provider="p",reason="Rejected"} 2',
    ]);
    expect(await series('credentials_refused')).toContain('credentials_refused{provider="p"} 1');
    expect(await series('credentials_past_renewal')).toEqual([
      'credentials_past_renewal{provider="idle",failing="true"} 0',
      'credentials_past_renewal{provider="idle",failing="false"} 0',
      'credentials_past_renewal{provider="p",failing="true"} 3',
      'credentials_past_renewal{provider="p",failing="false"} 2',
    ]);
    expect(await series('credentials_expiring')).toContain('credentials_expiring{provider="p"} 2');
    expect(await series('credentials_expired')).toContain('credentials_expired{provider="p"} 1');
    expect(await series('provider_soonest_expiry_timestamp_seconds')).toEqual([
      `provider_soonest_expiry_timestamp_seconds{provider="p"} ${at(90) / 1000}`,
    ]);
    expect(await series('provider_accepted')).toEqual(['provider_accepted{provider="idle"} 0']);
    expect(await series('provider_saturated')).toEqual(['provider_saturated{provider="idle"} 1']);
  });

  test('a standby shows none, not even as zeros', async () => {
    const { metrics, series } = bench();
    metrics.owned(0);
    metrics.setProvider('p', { accepted: true, saturated: false });
    expect(await series('credentials_expired')).toEqual([]);
    expect(await series('provider_accepted')).toEqual(['provider_accepted{provider="p"} 1']);
  });
});

describe('seconds with and without a live token', () => {
  const seconds = async (series: (name: string) => Promise<string[]>): Promise<string[]> =>
    (await series('credential_seconds_total')).map(line => line.replace(/^.*provider=/, ''));

  test('stand at zero from the start, and add up over credentials', async () => {
    const { metrics, series, pass, now } = bench();
    metrics.setProvider('p', { accepted: true, saturated: false });
    expect(await seconds(series)).toEqual(['"p",state="live"} 0', '"p",state="dead"} 0']);
    for (const name of ['a', 'b'])
      metrics.setCredential(`shop/${name}`, 'p', { ...LIVE, expiresAt: now() + 30_000 });
    pass(10);
    expect(await seconds(series)).toEqual(['"p",state="live"} 20', '"p",state="dead"} 0']);
    // it dies at 30 s, whether or not anyone looks
    pass(30);
    expect(await seconds(series)).toEqual(['"p",state="live"} 60', '"p",state="dead"} 20']);
    expect(await series('credentials_state')).toContain('credentials_state{provider="p",state="dead"} 2');
    metrics.setCredential('shop/a', 'p', LIVE);
    pass(5);
    metrics.removeCredential('shop/a');
    pass(5);
    metrics.setCredential('shop/b', 'p', DEAD);
    expect(await seconds(series)).toEqual(['"p",state="live"} 65', '"p",state="dead"} 30']);
  });

  test('not of who never had a token, nor of who is suspended; of who had one, also under another spec', async () => {
    const { metrics, series, pass } = bench();
    metrics.setCredential('shop/new', 'p', { ...DEAD, reason: 'Rejected' });
    metrics.setCredential('shop/suspended', 'p', { ...DEAD, begun: true, suspended: true });
    pass(10);
    expect(await seconds(series)).toEqual(['"p",state="live"} 0', '"p",state="dead"} 0']);
    metrics.setCredential('shop/suspended', 'p', DEAD);
    metrics.setCredential('shop/new', 'p', LIVE);
    pass(1);
    metrics.setCredential('shop/new', 'p', DEAD);
    pass(2);
    expect(await seconds(series)).toEqual(['"p",state="live"} 1', '"p",state="dead"} 5']);
  });

  test('end with the lease, and go on with it', async () => {
    const { metrics, series, pass } = bench();
    metrics.setProvider('p', { accepted: true, saturated: false });
    metrics.setCredential('shop/a', 'p', LIVE);
    pass(1);
    metrics.owned(0);
    pass(5);
    expect(await seconds(series)).toEqual(['"p",state="live"} 1', '"p",state="dead"} 0']);
    metrics.owned(1);
    pass(2);
    expect(await seconds(series)).toEqual(['"p",state="live"} 3', '"p",state="dead"} 0']);
  });
});

test('queue, watches, leadership, calls', async () => {
  const { metrics, series } = bench();
  expect(await series('leader')).toEqual(['leader 1']);
  metrics.owned(0);
  expect(await series('leader')).toEqual(['leader 0']);
  expect(await series('queue_depth')).toEqual(['queue_depth 0']);
  metrics.owned(1);
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
    'api_requests_total{verb="get",code="error"} 0',
    'api_requests_total{verb="get",code="200"} 1',
    'api_requests_total{verb="watch",code="error"} 1',
  ]);
});

test('the table is what is shown: names, types, help', async () => {
  const { render } = bench();
  const text = await render();
  const all = Object.values({ ...FAMILIES, ...CREDENTIAL_FAMILIES });
  const shown = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
  expect(shown.sort()).toEqual(all.map(({ name, type }) => `${name} ${type}`).sort());
  for (const { name, type, help } of all) {
    expect(text).toContain(`# HELP ${name} ${help}\n`);
    expect(name.endsWith('_total')).toBe(type === 'counter');
  }
  expect(text).toContain(`tokensync_build_info{version="1.2.3",node="${process.version}"} 1`);
});

test('the process is shown where asked for, and two registries never meet', async () => {
  const time = { now: () => 0, monotonic: () => 0 };
  const one = new Metrics({ perCredential: 'on', version: '1', time, process: true });
  const two = new Metrics({ perCredential: 'on', version: '1', time });
  one.queueDepth(7);
  expect(await wholeText(one.expose())).toMatch(/process_resident_memory_bytes [1-9]/);
  expect(await wholeText(two.expose())).not.toMatch(/process_|queue_depth 7/);
});
