import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createAuthority } from '../../sandbox/certificates.ts';
import { FLOWS } from '../../sandbox/fixtures.ts';
import { only, ROOT, render } from '../deploy/render.ts';
import { describePermission, type Permission } from '../deploy/roles.ts';
import { allows, essential, type Need } from './audit.ts';
import { kubectl, type RunningControlPlane, startControlPlane } from './control-plane.ts';
import { eventually, type Installed, installShipped, SERVED } from './shipped.ts';
import { liveThrough } from './story.ts';

/**
 * The operator under the RBAC that `deploy/` gives it, on a real API server whose audit log is the witness: nothing that it
 * asks for is refused, and nothing that it may do goes unused.
 */

const INSTALLS = { 'all namespaces': 'deploy', 'a single namespace': 'deploy/overlays/single-namespace' };
/** An API server that doesn't stream lists, as those before 1.34: then what follows a collection lists it first. */
const LISTS = '--feature-gates=WatchList=false';

const authority = createAuthority();
const essentials = new Set<string>();
const granted = new Set<string>();
let plane: RunningControlPlane;

beforeAll(async () => {
  plane = await startControlPlane({ controllers: true, flags: [LISTS] });
}, 120_000);
afterAll(() => plane.stop());

const List = z.object({
  items: z.array(
    z.object({
      kind: z.string(),
      metadata: z.object({
        name: z.string(),
        generation: z.number().optional(),
        resourceVersion: z.string(),
      }),
    }),
  ),
});

const Template = z.object({ template: z.object({ spec: z.unknown() }) });
const Rules = z.object({
  rules: z.array(z.object({ resources: z.array(z.string()), verbs: z.array(z.string()) })),
});

const unused = (permissions: readonly Permission[], needs: readonly Need[]): string[] =>
  permissions.filter(each => !needs.some(need => allows(each, need))).map(describePermission);
const refused = (needs: readonly Need[]): Need[] => needs.filter(({ code }) => code === 401 || code === 403);

describe.each(Object.entries(INSTALLS))('installed for %s', (_name, folder) => {
  let it: Installed;
  beforeAll(async () => {
    it = await installShipped(plane, folder, await authority);
  }, 120_000);
  afterAll(() => it.close());

  test('all that it does is allowed, and all that it is allowed is needed', {
    timeout: 180_000,
  }, async () => {
    const first = await it.start();
    const made = await Promise.all(FLOWS.map((flow, index) => it.apply(flow, index)));
    await it.untilReady(made.map(({ name }) => name));
    await liveThrough(it, made);
    first.signal('SIGTERM');
    expect(await first.exited).toMatchObject({ code: 0 });
    // Another replica takes the lease over, and reads the digest key.
    const second = await it.start();
    second.signal('SIGTERM');
    expect(await second.exited).toMatchObject({ code: 0 });

    const needs = await it.needs();
    expect(refused(needs)).toEqual([]);
    expect(unused(it.permissions, needs)).toEqual([]);
    for (const each of it.permissions) granted.add(describePermission(each));
    for (const each of essential(it.permissions, needs)) essentials.add(describePermission(each));
  });

  test('applied again it changes nothing', async () => {
    const versions = async () => {
      const text = await it.kubectl('get', '-k', join(ROOT, folder), '-o', 'json');
      return List.parse(JSON.parse(text)).items.map(
        ({ kind, metadata: { name, generation, resourceVersion } }) => ({
          of: `${kind} ${name}`,
          // status may change meanwhile
          version: generation ?? resourceVersion,
        }),
      );
    };
    const before = await versions();
    await it.kubectl('apply', '-k', join(ROOT, folder));
    expect(await versions()).toEqual(before);
  });

  test('its pods, and those of the examples, fit the restricted level of Pod Security', async () => {
    const { template } = Template.parse(only(render(folder), 'Deployment').spec);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      ...template,
      metadata: { name: 'one', namespace: 'tokensync' },
    };
    const dryRun = ['create', '--dry-run=server', '-f'];
    expect(await kubectl(plane.kubeconfig, [...dryRun, '-'], { input: JSON.stringify(pod) })).toMatchObject({
      code: 0,
      stderr: '',
    });
    await it.kubectl('label', 'namespace', SERVED, 'pod-security.kubernetes.io/enforce=restricted');
    await it.kubectl(...dryRun, join(ROOT, 'deploy/examples/pods'), `--namespace=${SERVED}`);
    await it.kubectl('label', 'namespace', SERVED, 'pod-security.kubernetes.io/enforce-');
  });

  test('leaves nothing behind, in the order that the docs say', { timeout: 120_000 }, async () => {
    await it.kubectl('delete', 'pcred', '--all', '--all-namespaces');
    await eventually('the Secrets of credentials are collected', async () => {
      const { items } = await it.client.list('Secret', SERVED);
      return items.every(({ metadata }) => metadata.name.endsWith('-login') || metadata.name === 'strangers');
    });
    await it.kubectl('delete', '-k', join(ROOT, 'deploy/providers'));
    await it.kubectl('delete', '-k', join(ROOT, folder));
    await it.kubectl('delete', 'secrets', '--all', `--namespace=${SERVED}`);
    const all =
      'crd,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding,namespace';
    expect(await it.kubectl('get', all, '-o', 'name')).not.toContain('tokensync');
  });
});

test('no permission is granted that another role grants already', () => {
  expect([...granted].filter(each => !essentials.has(each))).toEqual([]);
});

test('on an API server that streams lists, nothing is refused either', { timeout: 120_000 }, async ({
  onTestFinished,
}) => {
  const streams = await startControlPlane();
  onTestFinished(() => streams.stop());
  const it = await installShipped(streams, 'deploy', await authority);
  onTestFinished(() => it.close());
  const program = await it.start();
  const { name } = await it.apply('pgf/login', 1);
  await it.untilReady([name]);
  program.signal('SIGTERM');
  expect(await program.exited).toMatchObject({ code: 0 });
  const needs = await it.needs();
  expect(needs.map(({ verb }) => verb)).not.toContain('list');
  expect(refused(needs)).toEqual([]);
});

test('with shards, the Leases need no more than the overlay grants', { timeout: 120_000 }, async ({
  onTestFinished,
}) => {
  const it = await installShipped(plane, 'deploy/overlays/sharded', await authority);
  onTestFinished(async () => {
    // They tell the number of shards, which the next installation has another of.
    await it.kubectl('delete', 'leases', '--all', '--namespace=tokensync');
    await it.close();
  });
  const first = await it.start();
  const { name } = await it.apply('pgf/login', 40);
  await it.untilReady([name]);
  first.signal('SIGTERM');
  expect(await first.exited).toMatchObject({ code: 0 });
  const second = await it.start();
  second.signal('SIGTERM');
  expect(await second.exited).toMatchObject({ code: 0 });
  const needs = await it.needs();
  expect(refused(needs)).toEqual([]);
  const leases = it.permissions.filter(({ resource }) => resource === 'leases');
  expect(leases).toHaveLength(5);
  expect(unused(leases, needs)).toEqual([]);
});

test('a permission taken away is noticed', { timeout: 120_000 }, async ({ onTestFinished }) => {
  const it = await installShipped(plane, 'deploy', await authority);
  onTestFinished(() => it.close());
  await it.kubectl('patch', 'clusterrole/tokensync', '--type=json', `--patch=${withoutCreate()}`);
  await it.start();
  const { name } = await it.apply('pgf/login', 50);
  await eventually('it is refused', async () => refused(await it.needs()).length > 0);
  const [first] = refused(await it.needs());
  expect(first).toMatchObject({
    verb: 'patch',
    resource: 'secrets',
    namespace: SERVED,
    name: `${name}-token`,
  });
  // and whoever looks at the credential is told
  await eventually('its status says so', async () => {
    const described = await it.kubectl('describe', `pcred/${name}`, `--namespace=${SERVED}`);
    return described.includes('PublishBlocked');
  });
});

/** A patch of the ClusterRole that takes create away from the rule about Secrets. */
function withoutCreate(): string {
  const { rules } = Rules.parse(only(render('deploy'), 'ClusterRole', 'tokensync'));
  const index = rules.findIndex(({ resources }) => resources.includes('secrets'));
  const verbs = rules[index]?.verbs.filter(verb => verb !== 'create');
  return JSON.stringify([{ op: 'replace', path: `/rules/${index}/verbs`, value: verbs }]);
}
