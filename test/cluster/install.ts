import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { isObject } from '../../sandbox/apiserver/json.ts';
import { fixture } from '../../sandbox/fixtures.ts';
import { readYaml } from '../../sandbox/world.ts';
import { apply, kubectl, kubectlJson } from './kubectl.ts';
import { NAMESPACE, settled } from './operator.ts';
import type { Surroundings } from './surroundings.ts';

/** How everything gets into the cluster, and out again. */

const HERE = import.meta.dirname;
const OVERLAY = join(HERE, 'overlay');
const SETTINGS = join(OVERLAY, 'cluster.env');
const TEAM = 'team';
export const IN_TEAM = ['-n', TEAM] as const;
/** Its Secret is what readers.yaml mounts. */
const CREDENTIAL = 'sendfact-token';

const Config = z.object({
  clusters: z.tuple([z.object({ cluster: z.object({ server: z.url() }) })]),
});
const Credential = z.object({ status: z.object({ token: z.object({ renewAt: z.iso.datetime() }) }) });

/** A credential waits before its operator comes, so that the first token tells how long a start takes. */
export async function prepare({ providers }: Surroundings, ca: string): Promise<void> {
  await kubectl(['apply', '-k', 'crds']);
  await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
  const definition = readYaml('deploy/providers').find(
    ({ metadata }) => isObject(metadata) && metadata.name === 'sendfact',
  );
  if (!isObject(definition?.spec)) throw new Error('sendfact is no definition');
  await apply([
    { ...definition, spec: { ...definition.spec, network: { caBundle: ca } } },
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: TEAM, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
  ]);
  const { source, credential } = fixture('sendfact/token', 1, providers, { namespace: TEAM });
  if (!isObject(credential.spec)) throw new Error('a credential has a spec');
  await apply([
    source,
    {
      ...credential,
      metadata: { name: CREDENTIAL, namespace: TEAM },
      spec: { ...credential.spec, target: { name: CREDENTIAL } },
    },
  ]);
}

/** @param gateway the node's address, as a pod sees it. */
export async function install({ proxyPort }: Surroundings, gateway: string): Promise<void> {
  const { clusters } = await kubectlJson(Config, ['config', 'view', '--minify']);
  const settings = {
    KUBERNETES_SERVICE_HOST: gateway,
    KUBERNETES_SERVICE_PORT: new URL(clusters[0].cluster.server).port,
    HTTPS_PROXY: `http://${gateway}:${proxyPort}`,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(SETTINGS, lines.join(''));
  await kubectl(['apply', '-k', OVERLAY]);
  await settled();
  const ready = ['wait', `pcred/${CREDENTIAL}`, ...IN_TEAM, '--for=condition=Ready', '--timeout=60s'];
  await kubectl(ready, { timeoutMs: 70_000 });
}

export async function startReaders({ askPort }: Surroundings, gateway: string): Promise<void> {
  const script = await readFile(join(HERE, 'reader.ts'), 'utf8');
  const text = await readFile(join(HERE, 'readers.yaml'), 'utf8');
  const readers = parseAllDocuments(text.replaceAll('HOST', `http://${gateway}:${askPort}`));
  await apply(
    [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'reader' }, data: { 'reader.ts': script } },
      ...readers.map(document => z.looseObject({}).parse(document.toJS())),
    ],
    ...IN_TEAM,
  );
  await kubectl(['wait', 'pod', '--all', ...IN_TEAM, '--for=condition=Ready', '--timeout=60s'], {
    timeoutMs: 70_000,
  });
}

/** When the operator means to renew the token, milliseconds since 1970. */
export async function renewAt(): Promise<number> {
  const { status } = await kubectlJson(Credential, ['get', 'pcred', CREDENTIAL, ...IN_TEAM]);
  return Date.parse(status.token.renewAt);
}

export async function uninstall(): Promise<void> {
  const gone = ['--ignore-not-found', '--timeout=60s', '--request-timeout=60s'];
  await Promise.allSettled([
    kubectl(['delete', 'namespace', TEAM, NAMESPACE, ...gone], { timeoutMs: 70_000 }),
    kubectl(['delete', '-k', OVERLAY, ...gone], { timeoutMs: 70_000 }),
  ]);
  await rm(SETTINGS, { force: true });
}
