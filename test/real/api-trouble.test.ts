import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { createAuthority } from '../../sandbox/certificates.ts';
import type { Fixture } from '../../sandbox/fixtures.ts';
import { serve } from '../../sandbox/serve.ts';
import { type Client, isReady } from '../e2e/cluster.ts';
import { type RunningControlPlane, startControlPlane } from './control-plane.ts';
import { isWatch, startForwarder } from './forwarder.ts';
import { clientOf } from './install.ts';
import { eventually, furnish, NAMESPACE, type Operated, operate } from './operated.ts';
import { type SilentProxy, startSilentProxy } from './silent-proxy.ts';

/** What the operator does while its API server is in trouble, and after: docs/failure-times.md says the bounds. */

/** Of the watches: the silence that they bear, the longest wait between two tries, a moment. */
const UNHEARD_MS = 130_000;
const LONGEST_WAIT_MS = 30_000;
/** What a request may take. */
const REQUEST_MS = 30_000;

let plane: RunningControlPlane;
let client: Client;
let token: string;

beforeAll(async () => {
  plane = await startControlPlane();
  client = clientOf(plane);
  token = await furnish(client);
}, 90_000);
afterAll(async () => {
  await client?.close();
  await plane?.stop();
});

interface Behind {
  readonly operator: Operated;
  readonly proxy: SilentProxy;
}

/** An operator behind a proxy, with one credential that has its token. */
async function behindProxy(context: TestContext, flags: readonly string[] = []): Promise<Behind> {
  const proxy = await startSilentProxy(Number(new URL(plane.url).port));
  context.onTestFinished(() => proxy.close());
  const operator = await operate(context, client, { port: proxy.port, ca: plane.ca, token, flags });
  await operator.untilReady(await operator.apply('pgf/login', 0));
  return { operator, proxy };
}

/** Whether a credential that is applied now gets its token with no time passing but what its call takes. */
async function works(operator: Operated, index: number): Promise<void> {
  await operator.untilReady(await operator.apply('pgf/login', index));
  await eventually(() => operator.composition.ready() === undefined || undefined, 'ready');
  expect(operator.composition.healthy()).toBeUndefined();
}

/** Lets time pass until the credential is Ready. */
async function back({ clock, namespace }: Operated, { name }: Fixture): Promise<void> {
  await eventually(async () => {
    await clock.pass(5000, 500, 10);
    const item = await client.get('ProviderCredential', name, namespace);
    return (item !== undefined && isReady(item)) || undefined;
  }, `${name} Ready`);
}

/** Of one that serves one namespace. */
const WATCHES = 3;

describe('connections that die without a word', () => {
  test('under watches: noticed when two bookmarks did not come, and nothing is missed', async context => {
    const { operator, proxy } = await behindProxy(context);
    proxy.freeze();
    const made = await operator.apply('pgf/login', 1);
    operator.clock.jump(UNHEARD_MS - 20_000);
    await new Promise(resolve => setTimeout(resolve, 300));
    expect(operator.providers.log.count(), 'not noticed yet').toBe(1);
    const from = operator.logs.length;
    operator.clock.jump(20_000);
    expect(await operator.logged(['WatchSilent', '"resource":"providercredentials/'], from)).toContain(
      '"relist":true',
    );
    // Requests may meet the dead connections as well.
    await operator.clock.pass(REQUEST_MS + LONGEST_WAIT_MS, 500, 5);
    await operator.untilReady(made);
    await works(operator, 2);
  });

  test('under a request: given up after 30 s, and made again on another connection', async context => {
    const { operator, proxy } = await behindProxy(context);
    // The answers of what is on its way are lost; the watches live on.
    const stopped = new AbortController();
    operator.providers.log.onEntry = () => {
      operator.providers.log.onEntry = undefined;
      proxy.freeze();
      stopped.abort();
    };
    const made = await operator.apply('pgf/login', 1);
    await eventually(() => (stopped.signal.aborted ? true : undefined), 'the login');
    await new Promise(resolve => setTimeout(resolve, 200));
    await operator.clock.pass(2 * REQUEST_MS, 500, 10);
    await operator.untilReady(made);
    expect(operator.providers.log.count()).toBe(2);
    expect(operator.providers.isLive(await operator.token(made))).toBe(true);
  });

  test('also new ones, for long: readyz says so, healthz does not, tries are few, and it goes on by itself', async context => {
    const { operator, proxy } = await behindProxy(context);
    proxy.silent = true;
    proxy.freeze();
    const made = await operator.apply('pgf/login', 1);
    await operator.clock.pass(UNHEARD_MS + 50_000, 1000, 3);
    expect(operator.composition.ready(), 'not yet').toBeUndefined();
    const { accepted } = proxy;
    await operator.clock.pass(300_000, 1000, 3);
    expect(operator.composition.ready()).toMatch(/^nothing is heard of [a-z]/);
    expect(operator.composition.healthy()).toBeUndefined();
    expect(proxy.accepted - accepted).toBeLessThan((300 / 15) * WATCHES);
    proxy.silent = false;
    proxy.reset();
    await operator.clock.pass(REQUEST_MS + LONGEST_WAIT_MS, 500, 10);
    await operator.untilReady(made);
    await works(operator, 2);
  });

  test('answers that are slow are no trouble', async context => {
    const { operator, proxy } = await behindProxy(context);
    proxy.delayMs = 300;
    const from = operator.logs.length;
    await works(operator, 1);
    expect(operator.logs.slice(from).filter(line => line.includes('"level":"warn"'))).toEqual([]);
  });
});

test('connections that are reset: back within a second', async context => {
  const { operator, proxy } = await behindProxy(context);
  const from = operator.logs.length;
  proxy.reset();
  await operator.logged(['list or watch failed', 'providercredentials'], from);
  operator.clock.jump(1000);
  await works(operator, 1);
});

test('watches that end at once each time: tried ever less often, and a list each time that nothing was heard for long', async context => {
  const authority = await createAuthority();
  const forwarder = await startForwarder(plane, authority);
  context.onTestFinished(() => forwarder.close());
  const operator = await operate(context, client, { port: forwarder.port, ca: authority.ca, token });
  await operator.untilReady(await operator.apply('pgf/login', 0));
  let watches = 0;
  let lists = 0;
  forwarder.before = asked => {
    if (isWatch(asked)) watches += 1;
    if (asked.url.searchParams.has('sendInitialEvents')) lists += 1;
    return undefined;
  };
  forwarder.endsWatch = request => !request.url.searchParams.has('sendInitialEvents');
  forwarder.endOpen();
  await operator.clock.pass(1_200_000, 500, 3);
  // 0.5 s doubling to 30 s, less up to half by jitter
  expect(watches).toBeLessThan((WATCHES * 1200) / 15 + WATCHES * 8);
  expect(lists, 'it never goes deaf').toBeGreaterThanOrEqual(WATCHES * 5);
  const made = await operator.apply('pgf/login', 1);
  await operator.clock.pass(UNHEARD_MS + LONGEST_WAIT_MS, 500, 3);
  await operator.untilReady(made);
  forwarder.endsWatch = () => false;
  await operator.clock.pass(LONGEST_WAIT_MS, 500, 3);
  await works(operator, 2);
});

test('an API server that refuses our calls for its load (429): few tries, and on by itself', async context => {
  const { operator } = await behindProxy(context);
  const level = await fill(context);
  const made = await operator.apply('pgf/login', 1);
  expect(await operator.logged(['reconcile failed', '"code":429'])).toContain('TooManyRequests');
  await operator.clock.pass(60_000, 500, 5);
  const refused = await operator.calls('429');
  expect(refused).toBeGreaterThanOrEqual(3);
  expect(refused).toBeLessThanOrEqual(12);
  expect(operator.providers.log.count(), 'no login whose token could not be written').toBe(1);
  await level.empty();
  await operator.clock.pass(90_000, 500, 5);
  await operator.untilReady(made);
  await works(operator, 2);
});

/**
 * A priority level for the operator's account alone, with no seat: it still serves one request at a time, so one is sent
 * that an admission webhook does not answer. Afterwards all others are refused.
 */
async function fill(context: TestContext): Promise<{ empty(): Promise<void> }> {
  const name = 'full';
  const flow = '/apis/flowcontrol.apiserver.k8s.io/v1';
  const webhooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const authority = await createAuthority();
  const asked = Promise.withResolvers<void>();
  const webhook = await serve(
    () => {
      asked.resolve();
      return { status: 0, fault: 'hang' };
    },
    { tls: await authority.issue(['127.0.0.1']) },
  );
  const they = clientOf({ ...plane, token });
  const empty = async (): Promise<void> => {
    await they.close();
    await webhook.close();
    for (const path of [`${webhooks}/${name}`, `${flow}/flowschemas/${name}`])
      await client.send('DELETE', path);
  };
  context.onTestFinished(empty);
  await create(webhooks, {
    metadata: { name },
    webhooks: [
      {
        name: 'full.example.com',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        timeoutSeconds: 30,
        clientConfig: { url: webhook.url, caBundle: Buffer.from(authority.ca).toString('base64') },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
      },
    ],
  });
  const nothing = { nominalConcurrencyShares: 0, lendablePercent: 0, borrowingLimitPercent: 0 };
  await create(`${flow}/prioritylevelconfigurations`, {
    metadata: { name },
    spec: { type: 'Limited', limited: { ...nothing, limitResponse: { type: 'Reject' } } },
  });
  await create(`${flow}/flowschemas`, {
    metadata: { name },
    spec: {
      priorityLevelConfiguration: { name },
      matchingPrecedence: 2,
      rules: [
        {
          subjects: [{ kind: 'ServiceAccount', serviceAccount: { namespace: NAMESPACE, name: 'operator' } }],
          resourceRules: [
            { apiGroups: ['*'], resources: ['*'], verbs: ['*'], namespaces: ['*'], clusterScope: true },
          ],
        },
      ],
    },
  });
  // Both take a moment to be in force.
  await eventually(async () => {
    they
      .send('POST', '/api/v1/namespaces/default/configmaps?dryRun=All', { metadata: { name } })
      .catch(() => {});
    const { status } = await they.send('GET', '/api/v1/namespaces');
    return status === 429 || undefined;
  }, 'a 429 for the operator');
  await asked.promise;
  return { empty };
}

async function create(path: string, object: JsonObject): Promise<void> {
  const { status, body } = await client.send('POST', path, object);
  if (status !== 201) throw new Error(JSON.stringify(body));
}

test('etcd that hangs: requests are given up after 30 s, the answer is kept, and no second login is made', async context => {
  const { operator } = await behindProxy(context);
  const asked = Promise.withResolvers<void>();
  operator.providers.log.onEntry = () => asked.resolve();
  operator.providers.admintotal.behaviour.latencyMs = 500;
  const made = await operator.apply('admintotal/jwt', 1);
  await asked.promise;
  await plane.signal('etcd', 'SIGSTOP');
  try {
    // The provider's answer takes real time.
    await operator.logged(['token obtained', 'admintotal']);
    await operator.clock.pass(120_000, 500, 10);
    await operator.logged(['Timeout']);
    expect(operator.composition.healthy()).toBeUndefined();
  } finally {
    await plane.signal('etcd', 'SIGCONT');
  }
  await back(operator, made);
  expect(operator.providers.log.count({ provider: 'admintotal', step: 'login' })).toBe(1);
  expect(operator.providers.isLive(await operator.token(made))).toBe(true);
});

test('a restart on the same port: watches go on where they were', async context => {
  const { operator } = await behindProxy(context);
  const from = operator.logs.length;
  await plane.stopApi();
  await operator.logged(['list or watch failed', 'providercredentials'], from);
  expect(operator.composition.healthy()).toBeUndefined();
  await plane.startApi();
  await operator.clock.pass(LONGEST_WAIT_MS, 500, 10);
  await works(operator, 1);
  expect(operator.logs.length - from).toBeLessThan(100);
});

test('versions that were compacted meanwhile (410): a new list, which tells also what was deleted', async context => {
  const { operator, proxy } = await behindProxy(context, ['--log-level=debug']);
  const gone = await operator.apply('pgf/login', 1);
  await operator.untilReady(gone);
  proxy.silent = true;
  proxy.reset();
  await client.send(
    'DELETE',
    `/apis/tokensync.dev/v1alpha1/namespaces/${operator.namespace}/providercredentials/${gone.name}`,
  );
  for (let written = 0; written < 5; written += 1) {
    await create('/api/v1/namespaces/default/configmaps', { metadata: { generateName: 'later-' } });
  }
  await compact();
  await plane.stopApi();
  await plane.startApi();
  const from = operator.logs.length;
  proxy.silent = false;
  proxy.reset();
  await operator.clock.pass(LONGEST_WAIT_MS, 500, 10);
  expect(await operator.logged(['"code":410', 'providercredentials'], from)).toContain('"relist":true');
  await eventually(
    async () => ((await operator.composition.scrape()).includes(`name="${gone.name}"`) ? undefined : true),
    'the deletion',
  );
  await works(operator, 2);
});

async function compact(): Promise<void> {
  const ask = async (path: string, body: unknown): Promise<string> => {
    const answer = await request(plane.etcd + path, { method: 'POST', body: JSON.stringify(body) });
    return answer.body.text();
  };
  const revision = /"revision":"(\d+)"/.exec(await ask('/v3/kv/range', { key: 'AA==' }))?.[1];
  const answer = await ask('/v3/kv/compaction', { revision, physical: true });
  expect(answer).toContain('header');
}

// The last: it takes everything away.
test('a restart with nothing in store, and versions set back: it waits for its CRDs, and goes on by itself', async context => {
  const { operator } = await behindProxy(context, ['--log-level=debug']);
  const from = operator.logs.length;
  await plane.startEmpty();
  await operator.logged(['list or watch failed', 'providercredentials'], from);
  const fresh = clientOf(plane);
  context.onTestFinished(() => fresh.close());
  operator.files.set('token', await furnish(fresh));
  await fresh.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: operator.namespace } });
  await operator.clock.pass(UNHEARD_MS + LONGEST_WAIT_MS, 1000, 10);
  await works(operator, 1);
});
