import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { describe, expect, type TestContext, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { isObject, type JsonObject } from '../../sandbox/apiserver/json.ts';
import { createAuthority } from '../../sandbox/certificates.ts';
import { AccessReviewer } from '../../src/kube/access-review.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { kubeconfigEndpoint } from '../../src/kube/kubeconfig.ts';
import { ServerTime } from '../../src/kube/server-time.ts';
import { systemClock } from '../../src/loop/clock.ts';
import { MemoryLog } from '../kube/fake-api.ts';
import { kubeconfigText } from './control-plane.ts';
import { type Place, place } from './place.ts';

/** Who may read /metrics, by the word of a real API server: with the roles of deploy/components/secure-metrics. */

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const authority = await createAuthority();

async function rulesOf(name: string): Promise<JsonObject> {
  const text = await readFile(
    new URL('../../deploy/components/secure-metrics/rbac.yaml', import.meta.url),
    'utf8',
  );
  const found = parseAllDocuments(text)
    .map(document => z.record(z.string(), z.json()).parse(document.toJS()))
    .find(({ kind, metadata }) => kind === 'ClusterRole' && isObject(metadata) && metadata.name === name);
  if (found === undefined) throw new Error(`no ClusterRole ${name}`);
  return found;
}

/** @returns the token of a new service account that has a role of the component, where one is named. */
async function account(
  it: Place,
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  name: string,
  role?: string,
): Promise<string> {
  const accounts = `/api/v1/namespaces/${it.namespace}/serviceaccounts`;
  await it.client.send('POST', accounts, { metadata: { name } });
  if (role !== undefined) {
    const as = `${it.namespace}-${name}`;
    await it.client.send('POST', `${RBAC}/clusterroles`, {
      ...(await rulesOf(role)),
      metadata: { name: as },
    });
    await it.client.send('POST', `${RBAC}/clusterrolebindings`, {
      metadata: { name: as },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: as },
      subjects: [{ kind: 'ServiceAccount', name, namespace: it.namespace }],
    });
    onTestFinished(async () => {
      for (const kind of ['clusterrolebindings', 'clusterroles'])
        await it.client.send('DELETE', `${RBAC}/${kind}/${as}`);
    });
  }
  const { body } = await it.client.send('POST', `${accounts}/${name}/token`, { spec: {} });
  return z.object({ status: z.object({ token: z.string() }) }).parse(body).status.token;
}

describe('/metrics', { timeout: 90_000 }, () => {
  test('is for who may get it: 200, 403, 401; and the scraper’s token is nowhere in the log', async context => {
    const it = await place(context, 'secure-metrics');
    const folder = await mkdtemp(join(tmpdir(), 'tokensync-metrics-'));
    context.onTestFinished(() => rm(folder, { recursive: true }));
    const { cert, key } = await authority.issue(['127.0.0.1']);
    await writeFile(join(folder, 'tls.crt'), cert);
    await writeFile(join(folder, 'tls.key'), key);
    const [reader, stranger] = await Promise.all([
      account(it, context, 'reader', 'tokensync-metrics-reader'),
      account(it, context, 'stranger'),
    ]);

    const program = it.start('--metrics-secure', `--metrics-cert-dir=${folder}`);
    const { metrics } = JSON.parse(await program.logged('tokensync starts')) as { metrics: string };
    const agent = new Agent({ connect: { ca: authority.ca } });
    context.onTestFinished(() => agent.close());
    const scrape = async (token?: string) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const { statusCode, body } = await request(`https://${metrics}/metrics`, {
        dispatcher: agent,
        headers,
      });
      return { status: statusCode, text: await body.text() };
    };
    // RBAC may be a moment behind
    await expect
      .poll(async () => (await scrape(reader)).status, { timeout: 30_000, interval: 500 })
      .toBe(200);
    expect((await scrape(reader)).text).toContain('tokensync_build_info');
    expect(await scrape(stranger)).toEqual({ status: 403, text: 'forbidden\n' });
    expect(await scrape()).toEqual({ status: 401, text: 'unauthorized\n' });
    expect(await scrape('nonsense')).toEqual({ status: 401, text: 'unauthorized\n' });
    for (const token of [reader, stranger]) expect(program.output).not.toContain(token);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  test('is reviewed with the two rights of the component, and not without', async context => {
    const it = await place(context, 'metrics-auth');
    const [reader, reviewer, nobody] = await Promise.all([
      account(it, context, 'reader', 'tokensync-metrics-reader'),
      account(it, context, 'reviewer', 'tokensync-metrics-auth'),
      account(it, context, 'nobody'),
    ]);
    const folder = await mkdtemp(join(tmpdir(), 'tokensync-reviewer-'));
    context.onTestFinished(() => rm(folder, { recursive: true }));
    const review = async (as: string) => {
      const path = join(folder, as.slice(-16));
      const { url: server, ca } = it.plane;
      await writeFile(path, kubeconfigText({ server, ca, token: as, namespace: it.namespace }));
      const { endpoint } = await kubeconfigEndpoint({ paths: [path], clock: systemClock });
      context.onTestFinished(() => endpoint.close());
      const serverTime = new ServerTime(systemClock);
      const client = new KubeClient({ endpoint, clock: systemClock, serverTime });
      const log = new MemoryLog();
      const asked = new AccessReviewer(client, systemClock, log);
      return { answer: await asked.review(`Bearer ${reader}`, '/metrics', 'get'), log };
    };
    await expect
      .poll(async () => (await review(reviewer)).answer, { timeout: 30_000, interval: 500 })
      .toBe('allowed');
    const { answer, log } = await review(nobody);
    expect(answer).toBe('unavailable');
    expect(log.lines.map(({ fields }) => fields.code)).toEqual([403]);
  });
});
