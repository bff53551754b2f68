import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { fixture } from '../../sandbox/fixtures.ts';
import type { CredentialStatus } from '../../src/api/credential.ts';
import { withSpec } from '../operator/scene.ts';
import { startControlPlane } from './control-plane.ts';
import { type Audited, type Place, place, said } from './place.ts';

/** Writes that a real API server refuses: what status says, how often they are tried, and that nothing is lost. */

const isBlocked = (status: CredentialStatus): boolean => said(status, 'Refreshed') === 'False PublishBlocked';
const message = (status: CredentialStatus): string =>
  status.conditions?.find(({ type }) => type === 'Refreshed')?.message ?? '';
const logins = (it: Place): number => it.providers.log.count({ flow: 'login' });

/** Writes of the target, but rehearsals, with what the server said. */
function writes(calls: readonly Audited[], target: string): (number | undefined)[] {
  return calls
    .filter(({ objectRef, verb }) => objectRef?.name === target && verb === 'patch')
    .filter(({ requestURI }) => !requestURI.includes('dryRun'))
    .map(({ responseStatus }) => responseStatus?.code);
}

/** A token that could not be written is in the Secret, and no login was needed for it. */
async function isPublished(it: Place, name: string, count: number): Promise<void> {
  await it.until(name, status => said(status, 'Refreshed') === 'True TokenPublished');
  expect(logins(it)).toBe(count);
  const values = await it.values(`${name}-token`);
  expect(Object.values(values ?? {}).some(value => it.providers.isLive(value.trim()))).toBe(true);
}

/** Between two fences the target is not written: it waits, and does not spin. */
async function isCalm(it: Place, target: string): Promise<void> {
  const before = writes(await it.calls(), target);
  await it.fence();
  await it.fence();
  const after = writes(await it.calls(), target);
  // One retry may fall into it; a loop would be hundreds.
  expect(after.length - before.length).toBeLessThanOrEqual(1);
  expect(after.length).toBeLessThanOrEqual(4);
}

/** Until the server's admission knows of it: a Secret with our annotation is refused, or no longer. */
async function admissionSays(it: Place, refused: boolean): Promise<void> {
  const probe: JsonObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'probe', annotations: { 'tokensync.dev/credential': 'x/y' } },
  };
  const late = AbortSignal.timeout(60_000);
  for (;;) {
    const path = `/api/v1/namespaces/${it.namespace}/secrets?dryRun=All`;
    const { status } = await it.client.send('POST', path, probe);
    if (status >= 400 === refused) return;
    if (late.aborted) throw new Error('the policy never came into force');
    await delay(100);
  }
}

async function policy(it: Place): Promise<() => Promise<void>> {
  const name = it.namespace;
  const objects: JsonObject[] = [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: [''],
              apiVersions: ['v1'],
              operations: ['CREATE', 'UPDATE'],
              resources: ['secrets'],
            },
          ],
        },
        validations: [
          {
            expression:
              "!has(object.metadata.annotations) || !('tokensync.dev/credential' in object.metadata.annotations)",
            message: 'no Secrets on Sundays',
          },
        ],
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: {
        policyName: name,
        validationActions: ['Deny'],
        matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } },
      },
    },
  ];
  for (const object of objects) {
    expect(await it.kubectl(['apply', '--server-side', '-f', '-'], object)).toMatchObject({ code: 0 });
  }
  await admissionSays(it, true);
  return async () => {
    for (const object of objects.toReversed()) await it.kubectl(['delete', '-f', '-'], object);
    await admissionSays(it, false);
  };
}

describe.concurrent('a write that is refused', { timeout: 240_000 }, () => {
  test('by a quota: nothing is sent, status has the server’s own words, and it comes by itself', async context => {
    const it = await place(context, 'refused-quota');
    const quota: JsonObject = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'few' },
      spec: { hard: { 'count/secrets': '1' } },
    };
    await it.kubectl(['apply', '-f', '-'], quota);
    expect(
      await it.kubectl([
        'wait',
        '--for=jsonpath={.status.hard.count/secrets}=1',
        'resourcequota/few',
        '--timeout=60s',
      ]),
    ).toMatchObject({ code: 0 });
    it.start();
    const { name } = await it.apply('pgf/login', 1);
    const status = await it.until(name, isBlocked);
    expect(message(status)).toContain(
      `Secret ${name}-token cannot be written (apply secrets: 403 Forbidden: secrets "${name}-token" is forbidden: exceeded quota: few, requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1)`,
    );
    expect(said(status, 'Stalled')).toBe('absent');
    expect([logins(it), status.login?.tries ?? 0]).toEqual([0, 0]);
    await it.kubectl(['delete', 'resourcequota', 'few']);
    await isPublished(it, name, 1);
  });

  test('by an admission policy: the token that was obtained is published once the policy goes, without a second login', async context => {
    const it = await place(context, 'refused-policy');
    it.start();
    const { name } = await it.apply('pgf/login', 1);
    await it.untilReady(name);
    const old = await it.values(`${name}-token`);
    const lift = await policy(it);
    await it.kubectl(['annotate', 'pcred', name, 'tokensync.dev/refresh-requested-at=now']);
    const status = await it.until(name, isBlocked);
    expect(logins(it)).toBe(2);
    expect(message(status)).toMatch(
      /^Secret pgf-login-1-token cannot be written \(apply secrets: 422 Invalid/,
    );
    expect(said(status, 'Ready'), 'the old token lives').toBe('True TokenLive');
    expect(await it.values(`${name}-token`)).toEqual(old);
    // One that is not there yet is refused before anything is sent, and then the policy's words can be shown.
    const { name: fresh } = await it.apply('pgf/login', 2);
    expect(message(await it.until(fresh, isBlocked))).toContain('no Secrets on Sundays');
    expect(logins(it)).toBe(2);
    const tried = writes(await it.calls(), `${name}-token`);
    expect(tried.filter(code => code !== 200 && code !== 201).length).toBeLessThanOrEqual(2);
    await lift();
    await isPublished(it, name, logins(it));
    await it.untilReady(fresh);
    expect(logins(it), 'one each, and the one that was asked for').toBe(3);
    expect(await it.values(`${name}-token`)).not.toEqual(old);
  });

  test('since it would be over 1 MiB: refused once, published as soon as the template is mended, without a second login', async context => {
    const it = await place(context, 'refused-size');
    it.start();
    const template = '$(token)'.repeat(1000);
    const data = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, template]));
    const target = { name: 'pgf-login-1-token' };
    const { name } = await it.apply('pgf/login', 1, { target: { ...target, data } });
    const status = await it.until(name, isBlocked);
    expect(message(status)).toMatch(/^Secret pgf-login-1-token cannot be written \(apply secrets: 4\d\d /);
    expect(logins(it)).toBe(1);
    await isCalm(it, target.name);
    await it.apply('pgf/login', 1, { target: { ...target, data: { token: '$(token)' } } });
    await isPublished(it, name, 1);
  });

  test('since someone made the Secret immutable: kept, and published once that Secret is gone, without a second login', async context => {
    const it = await place(context, 'refused-immutable');
    it.start();
    const { name } = await it.apply('pgf/login', 1);
    const target = `${name}-token`;
    await it.untilReady(name);
    await it.kubectl(['patch', 'secret', target, '-p', '{"immutable":true}']);
    await it.kubectl(['annotate', 'pcred', name, 'tokensync.dev/refresh-requested-at=now']);
    const status = await it.until(name, isBlocked);
    expect(message(status)).toMatch(/\(apply secrets: 422 Invalid at data\)/);
    expect(logins(it)).toBe(2);
    await isCalm(it, target);
    await it.kubectl(['delete', 'secret', target]);
    await isPublished(it, name, 2);
  });

  test('in a namespace that is terminating: said, and tried ever more seldom', async context => {
    // Without controllers a namespace stays as it is while it terminates.
    const plane = await startControlPlane();
    context.onTestFinished(() => plane.stop());
    const it = await place(context, 'refused-stuck', ['pgf'], plane);
    it.start();
    const beside = await it.apply('pgf/login', 1);
    await it.untilReady(beside.name);
    it.providers.pgf.behaviour.latencyMs = 4000;
    const { name } = await it.apply('pgf/login', 2);
    await context.expect.poll(() => logins(it), { timeout: 60_000, interval: 50 }).toBe(2);
    const { name: late } = await it.apply('pgf/login', 3, { suspend: true });
    await it.kubectl(['delete', 'namespace', it.namespace, '--wait=false']);
    const status = await it.until(name, isBlocked);
    expect(message(status)).toContain('(apply secrets: 403 Forbidden at metadata.namespace)');
    await it.kubectl(['patch', 'pcred', late, '--type=merge', '-p', '{"spec":{"suspend":false}}']);
    expect(message(await it.until(late, isBlocked))).toContain('because it is being terminated');
    expect(logins(it), 'nothing is sent for what cannot be written').toBe(2);
    // What was there already is served to the end.
    const old = await it.values(`${beside.name}-token`);
    await it.kubectl(['annotate', 'pcred', beside.name, 'tokensync.dev/refresh-requested-at=now']);
    await context.expect.poll(() => it.values(`${beside.name}-token`), { timeout: 60_000 }).not.toEqual(old);
    expect(writes(await it.calls(), `${name}-token`).length).toBeLessThanOrEqual(3);
  });

  test('in a namespace that terminates meanwhile: given up, and everything else goes on', async context => {
    const it = await place(context, 'refused-ending');
    const doomed = `${it.namespace}-doomed`;
    await it.client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: doomed } });
    const program = it.start(`--watch-namespaces=${it.namespace},${doomed}`);
    await program.logged('work begins');
    it.providers.pgf.behaviour.latencyMs = 4000;
    const made = fixture('pgf/login', 1, it.providers, { namespace: doomed });
    await it.client.apply(made.source, doomed);
    await it.client.apply(withSpec(made.credential, { providerRef: { name: it.provider('pgf') } }), doomed);
    await context.expect.poll(() => logins(it), { timeout: 60_000, interval: 50 }).toBe(1);
    const finalizers = (names: string): Promise<unknown> =>
      it.kubectl([
        ...['-n', doomed, 'patch', 'configmap', 'held', '--type=merge', '-p'],
        `{"metadata":{"finalizers":${names}}}`,
      ]);
    // Something of a stranger's holds the namespace back, while its content goes.
    await it.kubectl(['-n', doomed, 'create', 'configmap', 'held']);
    await finalizers('["example.org/held"]');
    await it.kubectl(['delete', 'namespace', doomed, '--wait=false']);
    await it.client.until('ProviderCredential', items => items.length === 0, { namespace: doomed });
    it.providers.pgf.behaviour.latencyMs = 0;
    await it.fence();
    const calls = await it.calls(doomed);
    expect(calls.length).toBeLessThan(40);
    await it.client.until('Secret', items => items.length === 0, { namespace: doomed });
    await it.fence();
    expect((await it.calls(doomed)).length - calls.length, 'calls of a namespace that ends').toBeLessThan(5);
    await finalizers('null');
    await it.client.until('Namespace', items => items.every(({ metadata }) => metadata.name !== doomed));
    await it.fence();
    expect(await program.get('/healthz')).toMatchObject({ status: 200 });
    expect(await program.get('/readyz')).toMatchObject({ status: 200 });
  });
});
