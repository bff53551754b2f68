import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { formatFor, labelText, toOpenMetrics } from '../../src/observe/exposition.ts';
import { Metrics, wholeText } from '../../src/observe/metrics.ts';

const PROMETHEUS =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

test.each([
  [undefined, 'text'],
  ['*/*', 'text'],
  ['text/plain', 'text'],
  [PROMETHEUS, 'openmetrics'],
  ['application/openmetrics-text', 'openmetrics'],
  ['application/openmetrics-text; version="1.0.0"; charset=utf-8', 'openmetrics'],
  ['application/openmetrics-text;version=0.0.1', 'text'],
  ['application/openmetrics-text;q=0', 'text'],
  ['application/openmetrics-text;q=0.4, text/plain;q=0.5', 'text'],
  ['application/openmetrics-textual', 'text'],
  ['application/vnd.google.protobuf, text/plain;version=0.0.4;q=0.5', 'text'],
])('Accept: %s', (accept, format) => expect(formatFor(accept)).toBe(format));

test('labels, whatever is in them', () => {
  expect(labelText({ a: 'x', b: 'a"b\\c\nd' })).toBe(String.raw`a="x",b="a\"b\\c\nd"`);
});

test('a counter in OpenMetrics has _total on its samples alone', () => {
  expect(toOpenMetrics('# HELP a_total of "b"\n# TYPE a_total counter\na_total{x="_total"} 1\n')).toBe(
    '# HELP a of \\"b\\"\n# TYPE a counter\na_total{x="_total"} 1\n',
  );
  expect(toOpenMetrics('# HELP a_b of c\n# TYPE a_b gauge\na_b 1\n')).toBe(
    '# HELP a_b of c\n# TYPE a_b gauge\na_b 1\n',
  );
});

/** Names as long as Kubernetes allows, and what an origin or a flow could bring at worst. */
function hostile(): Metrics {
  const time = { now: () => 1, monotonic: () => 1 };
  const metrics = new Metrics({ perCredential: 'on', version: '1.2.3', time, process: true });
  metrics.owned(1);
  const long = `${'a'.repeat(250)}.bc`;
  const odd = 'https://ünïcødé.example\\"\n# HELP x y\n{}';
  for (const provider of [long, odd]) {
    metrics.setProvider(provider, { accepted: true, saturated: true });
    metrics.acceptProvider(provider, [{ name: odd, refreshable: true }]);
    metrics.origin(provider, odd, { circuitOpen: true, rejectsAll: true, paused: true });
    metrics.refreshed({
      provider,
      flow: odd,
      grant: 'Login',
      result: 'Success',
      seconds: 1,
      latenessSeconds: 1,
    });
    metrics.setCredential(`ns/${long}`, provider, {
      ready: false,
      reason: 'SourceMissing',
      rejections: 0,
      expiresAt: 1e13,
    });
  }
  metrics.setCredential(`ns/${odd}`, '', { ready: false, reason: 'SpecInvalid', rejections: 0 });
  metrics.watch('secrets', { ageSeconds: Number.NaN, restarts: 0 });
  metrics.apiRequest('get', 200);
  return metrics;
}

describe('an exposition', () => {
  test('is the same in both formats, over and over', async () => {
    const metrics = hostile();
    const samples = (text: string): string[] =>
      text
        .split('\n')
        .filter(line => !line.startsWith('#') && line.startsWith('tokensync_'))
        .sort();
    const text = await wholeText(metrics.expose());
    const open = await wholeText(metrics.expose(PROMETHEUS));
    expect(samples(open)).toEqual(samples(text));
    expect(samples(text).length).toBeGreaterThan(100);
    expect(samples(await wholeText(metrics.expose()))).toEqual(samples(text));
    expect(open.endsWith('\n# EOF\n')).toBe(true);
    expect(open).not.toContain('\n\n');
    expect(open).not.toMatch(/^# TYPE \S+_total /m);
    expect(metrics.expose(PROMETHEUS).contentType).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
    expect(metrics.expose().contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  test('every line of ours is one', async () => {
    const line = /^(# (HELP|TYPE) \S+ .+|# EOF|[a-z_0-9]+(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)*\})? \S+)$/;
    for (const accept of [undefined, PROMETHEUS]) {
      const text = await wholeText(hostile().expose(accept));
      for (const each of text.trimEnd().split('\n')) expect(each).toMatch(line);
    }
  });

  test('promtool finds no fault in it', async context => {
    const input = await wholeText(hostile().expose());
    const { status, error, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input,
      encoding: 'utf8',
    });
    if (error !== undefined)
      return context.skip('promtool is not installed (Debian: apt install prometheus)');
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});
