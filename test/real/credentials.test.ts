import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthority } from '../../sandbox/certificates.ts';
import { Client } from '../e2e/cluster.ts';
import { type RunningControlPlane, startControlPlane } from './control-plane.ts';
import { clientOf } from './install.ts';
import { boundToken, eventually, furnish, NAMESPACE, operate } from './operated.ts';
import { startSilentProxy } from './silent-proxy.ts';

/** The service account's token and the CA, which the kubelet changes under a running pod. */

let plane: RunningControlPlane;
let client: Client;

beforeAll(async () => {
  plane = await startControlPlane();
  client = clientOf(plane);
  await furnish(client);
}, 90_000);
afterAll(async () => {
  await client?.close();
  await plane?.stop();
});

const port = (): number => Number(new URL(plane.url).port);

/** Resolves when the server refuses the token. */
async function invalidate(secret: string, token: string): Promise<void> {
  await client.send('DELETE', `/api/v1/namespaces/${NAMESPACE}/secrets/${secret}`);
  const asThey = new Client({ server: plane.url, ca: plane.ca, token });
  try {
    await eventually(
      async () => ((await asThey.send('GET', '/api/v1/namespaces')).status === 401 ? true : undefined),
      'a 401',
    );
  } finally {
    await asThey.close();
  }
}

// A server remembers a good token for ten seconds: all wait for that together.
describe.concurrent('the token', () => {
  test('a rotated token is in use within a minute, before the old one dies: nothing is ever refused', async context => {
    const old = await boundToken(client, 'first');
    const operator = await operate(context, client, { port: port(), ca: plane.ca, token: old });
    await operator.untilReady(await operator.apply('pgf/login', 1));
    operator.files.set('token', await boundToken(client, 'second'));
    operator.clock.jump(60_000);
    await operator.untilReady(await operator.apply('pgf/login', 2));
    await invalidate('first', old);
    await operator.untilReady(await operator.apply('pgf/login', 3));
    expect(await operator.calls('401')).toBe(0);
  });

  test('a token that died at once costs one refusal of each call under way, and no wait', async context => {
    const old = await boundToken(client, 'third');
    const operator = await operate(context, client, { port: port(), ca: plane.ca, token: old });
    await operator.untilReady(await operator.apply('pgf/login', 1));
    operator.files.set('token', await boundToken(client, 'fourth'));
    await invalidate('third', old);
    const from = operator.logs.length;
    await operator.untilReady(await operator.apply('pgf/login', 2));
    expect(await operator.calls('401')).toBe(1);
    expect(operator.logs.slice(from).filter(line => line.includes('reconcile failed'))).toEqual([]);
  });

  test('while the file still holds the dead token: few calls, a line that says so, and on by itself once it is changed', async context => {
    const old = await boundToken(client, 'fifth');
    const operator = await operate(context, client, { port: port(), ca: plane.ca, token: old });
    await invalidate('fifth', old);
    const made = await operator.apply('pgf/login', 1);
    const line = await operator.logged(['reconcile failed', '"code":401']);
    expect(line).toContain('Unauthorized');
    await operator.clock.pass(20_000, 500, 10);
    // each try is two calls: with the token that is known, and with the file's
    expect(await operator.calls('401')).toBeLessThanOrEqual(16);
    expect(operator.providers.log.count()).toBe(0);
    operator.files.set('token', await boundToken(client, 'sixth'));
    await operator.clock.pass(60_000, 500, 10);
    await operator.untilReady(made);
  });
});

// The last: the server keeps its new certificate.
test('a rotated CA is trusted within a minute of its file’s change, without a restart', async context => {
  const token = await boundToken(client, 'seventh');
  const proxy = await startSilentProxy(port());
  context.onTestFinished(() => proxy.close());
  const operator = await operate(context, client, { port: proxy.port, ca: plane.ca, token });
  proxy.silent = true;
  proxy.reset();
  await operator.apply('pgf/login', 1);
  const next = await createAuthority();
  const { cert, key } = await next.issue(['127.0.0.1', 'localhost']);
  await writeFile(join(plane.folder, 'api.key'), key);
  await writeFile(join(plane.folder, 'api.crt'), cert);
  // The server takes it up at once; but a TLS session of before would be resumed unchecked until it restarts.
  await plane.stopApi();
  await plane.startApi();
  const from = operator.logs.length;
  proxy.silent = false;
  proxy.reset();
  const pass = (ms: number) => operator.clock.pass(ms, 500, 10);
  await pass(60_000);
  const line = await operator.logged(['list or watch failed', 'CERT'], from);
  expect(JSON.parse(line)).toMatchObject({ level: 'warn', code: 0 });
  expect(operator.providers.log.count()).toBe(0);
  operator.files.set('ca.crt', next.ca);
  // A minute for the file, and the longest wait between two tries of a watch.
  await pass(90_000);
  await operator.logged(['token obtained']);
  const ready = `tokensync_credential_ready{namespace="${operator.namespace}"`;
  await eventually(
    async () => /} 1$/m.test((await operator.composition.scrape()).split(ready)[1] ?? '') || undefined,
    'the credential’s metric',
  );
});
