import { expect, test } from 'vitest';
import { Cluster, SECRETS, secret } from './cluster.ts';

test('a refusal, as often as asked, for what it is meant for', async () => {
  const cluster = new Cluster();
  const fault = { status: 429, reason: 'TooManyRequests', retryAfter: 3 } as const;
  const injection = cluster.server.inject(
    ({ verb, resource }) => verb === 'create' && resource === 'secrets',
    fault,
    2,
  );
  expect((await cluster.send('GET', SECRETS)).code).toBe(200);
  for (const name of ['a', 'b']) {
    const { code, body, headers } = await cluster.send('POST', SECRETS, secret(name));
    expect([code, body.reason, headers['retry-after']]).toEqual([429, 'TooManyRequests', '3']);
  }
  expect((await cluster.send('POST', SECRETS, secret('a'))).code).toBe(201);
  expect(injection.hits).toBe(2);
});

test('a broken connection before and after the write', async () => {
  const cluster = new Cluster();
  const creates = ({ verb }: { verb: string }) => verb === 'create';
  cluster.server.inject(creates, 'reset');
  expect((await cluster.send('POST', SECRETS, secret('a'))).raw.fault).toBe('reset');
  expect(cluster.server.get('secrets', 'a', 'default')).toBeUndefined();
  cluster.server.inject(creates, { afterCommit: 'reset' });
  expect((await cluster.send('POST', SECRETS, secret('a'))).raw.fault).toBe('reset');
  expect(cluster.server.get('secrets', 'a', 'default')).toBeDefined();
});

test('a delay by the clock, and a fault taken back', async () => {
  const cluster = new Cluster();
  cluster.server.inject(() => true, { delayMs: 500 });
  let code = 0;
  const answered = cluster.send('POST', SECRETS, secret('a')).then(reply => {
    code = reply.code;
  });
  await cluster.clock.advance(499);
  expect(code).toBe(0);
  await cluster.clock.advance(1);
  await answered;
  expect(code).toBe(201);
  cluster.server.inject(() => true, 'hang', Number.POSITIVE_INFINITY).cancel();
  expect((await cluster.send('GET', `${SECRETS}/a`)).code).toBe(200);
});

test('requests are counted by verb, resource and status', async () => {
  const cluster = new Cluster();
  await cluster.send('POST', SECRETS, secret('a'));
  await cluster.send('POST', SECRETS, secret('a'));
  cluster.watch('/api/v1/secrets?watch=1');
  expect(Object.fromEntries(cluster.server.requests.totals)).toEqual({
    'create secrets 201': 1,
    'create secrets 409': 1,
    'watch secrets 200': 1,
  });
  expect(cluster.server.requests.count(({ verb, status }) => verb === 'create' && status === 409)).toBe(1);
  expect(cluster.server.requests.all()[0]).toMatchObject({
    namespace: 'default',
    path: SECRETS,
    dryRun: false,
  });
});

test('the helpers write as the API would', () => {
  const cluster = new Cluster();
  const widget = {
    apiVersion: 'example.dev/v1',
    kind: 'Widget',
    metadata: { name: 'w' },
    spec: { size: 'm' },
  };
  expect(cluster.server.put({ ...widget, status: { tries: 2 } }).status).toMatchObject({ tries: 2 });
  expect(cluster.server.put({ ...widget, spec: { size: 's' } }).metadata.generation).toBe(2);
  expect(() => cluster.server.put({ ...widget, spec: { size: 'q' } })).toThrow(/Unsupported value/);
  expect(cluster.server.list('widgets', 'default')).toHaveLength(1);
  cluster.server.delete('widgets', 'w', 'default');
  expect(cluster.server.list('widgets')).toEqual([]);
});
