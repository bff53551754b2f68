import { isObject } from '../../sandbox/apiserver/json.ts';
import type { Fixture } from '../../sandbox/fixtures.ts';
import { readYaml } from '../../sandbox/world.ts';
import { data } from '../e2e/cluster.ts';
import { eventually, type Installed, SERVED } from './shipped.ts';

/** What happens to credentials besides being renewed. @param made at least three of them, Ready. */
export async function liveThrough(it: Installed, made: readonly Fixture[]): Promise<void> {
  const [moving = '', hasty = '', leaving = ''] = made.map(({ name }) => name);
  await moveTarget(it, moving);
  await collide(it);
  await conflict(it, hasty);
  await again(it, hasty);
  await deleted(it, leaving);
  await said(it, SERVED);
  // about providers
  await said(it, 'default');
}

async function moveTarget(it: Installed, name: string): Promise<void> {
  await it.kubectl(
    'patch',
    `pcred/${name}`,
    `--namespace=${SERVED}`,
    '--type=merge',
    '-p',
    '{"spec":{"target":{"name":"moved"}}}',
  );
  await eventually('the token has moved', async () => {
    const [moved, former] = await Promise.all(
      ['moved', `${name}-token`].map(secret => it.client.get('Secret', secret, SERVED)),
    );
    return data(moved).token !== undefined && former === undefined;
  });
}

/** A Secret of someone else stands where the target should be. */
async function collide(it: Installed): Promise<void> {
  const stranger = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'strangers' },
    stringData: { a: 'b' },
  };
  await it.client.apply(stranger, SERVED);
  const { name } = await it.apply('pgf/login', 20, { target: { name: 'strangers' } });
  await it.kubectl(
    'wait',
    `pcred/${name}`,
    `--namespace=${SERVED}`,
    '--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=SecretConflict',
    '--timeout=30s',
  );
}

/** Edits come faster than the watch tells of them, until a write of status meets a newer version. */
async function conflict(it: Installed, name: string): Promise<void> {
  const path = `/apis/tokensync.dev/v1alpha1/namespaces/${SERVED}/providercredentials/${name}`;
  let count = 0;
  await eventually('a write of status conflicts', async () => {
    for (const _ of Array.from({ length: 30 })) {
      count += 1;
      const edit = {
        apiVersion: 'tokensync.dev/v1alpha1',
        kind: 'ProviderCredential',
        metadata: { name },
        spec: { schedule: { before: `${1 + (count % 20)}%` } },
      };
      await it.client.send('PATCH', `${path}?fieldManager=hasty&force=true`, edit);
    }
    return (await it.needs()).some(
      ({ verb, resource }) => verb === 'get' && resource === 'providercredentials',
    );
  });
}

/** What happened before happens again: an Event counts it, about a credential and about a provider. */
async function again(it: Installed, name: string): Promise<void> {
  const patched = (namespace: string) =>
    eventually(`an event in ${namespace} is patched`, async () =>
      (await it.needs()).some(
        need => need.verb === 'patch' && need.resource === 'events' && need.namespace === namespace,
      ),
    );
  const wait = (of: string, type: string, reason: string) =>
    it.kubectl(
      'wait',
      of,
      `--namespace=${SERVED}`,
      `--for=jsonpath={.status.conditions[?(@.type=="${type}")].reason}=${reason}`,
      '--timeout=30s',
    );
  for (const suspend of [true, false, true]) {
    const patch = JSON.stringify({ spec: { suspend } });
    await it.kubectl('patch', `pcred/${name}`, `--namespace=${SERVED}`, '--type=merge', '-p', patch);
    await wait(`pcred/${name}`, 'Ready', suspend ? 'Suspended' : 'TokenLive');
  }
  await patched(SERVED);

  const good = readYaml('deploy/providers').find(
    ({ metadata }) => isObject(metadata) && metadata.name === 'pgf',
  );
  if (!isObject(good?.spec) || !Array.isArray(good.spec.environments)) throw new Error('no pgf');
  const environments = good.spec.environments
    .filter(isObject)
    .map(each => ({ ...each, baseUrl: 'https://$(param.nobody).example' }));
  for (const works of [true, false, true]) {
    const spec = works ? good.spec : { ...good.spec, environments };
    await it.client.apply({ ...good, metadata: { name: 'to-and-fro' }, spec });
    await wait('ctprov/to-and-fro', 'Accepted', works ? 'Compiled' : 'DefinitionInvalid');
  }
  await patched('default');
  await it.kubectl('delete', 'ctprov/to-and-fro');
}

async function deleted(it: Installed, name: string): Promise<void> {
  await it.kubectl('delete', `pcred/${name}`, `--namespace=${SERVED}`);
  await eventually('its Secret is collected', async () => {
    return (await it.client.get('Secret', `${name}-token`, SERVED)) === undefined;
  });
}

async function said(it: Installed, namespace: string): Promise<void> {
  await eventually(
    `events in ${namespace}`,
    async () => (await it.client.list('Event', namespace)).items.length > 0,
  );
}
