import { isIPv6 } from 'node:net';
import type { Clock } from '../loop/clock.ts';
import { type Endpoint, ReloadingEndpoint } from './endpoint.ts';
import { codeOf } from './exchange.ts';

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Where the kubelet mounts the service account; passed in, so that tests can own it. */
export type ReadText = (path: string) => Promise<string>;
type Environment = Readonly<Record<string, string | undefined>>;

function isInCluster(env: Environment): boolean {
  return (env.KUBERNETES_SERVICE_HOST ?? '') !== '' && (env.KUBERNETES_SERVICE_PORT ?? '') !== '';
}

/**
 * The API server of the cluster that this pod runs in. The token and the CA are files that the kubelet rotates.
 * @throws Error naming the variable or the file, and what to do.
 */
export async function inClusterEndpoint(options: {
  readonly env: Environment;
  readonly read: ReadText;
  readonly clock: Clock;
}): Promise<Endpoint> {
  const { env, read, clock } = options;
  if (!isInCluster(env)) {
    throw new Error(
      'not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set. Use --kubeconfig outside of one',
    );
  }
  const host = env.KUBERNETES_SERVICE_HOST ?? '';
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT}`;
  if (!URL.canParse(server)) {
    throw new Error('KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not make an address');
  }
  const load = async () => {
    const [token, ca] = await Promise.all([readFrom(read, 'token'), readFrom(read, 'ca.crt')]);
    return { headers: { authorization: `Bearer ${token}` }, tls: { ca } };
  };
  return ReloadingEndpoint.open(server, load, clock);
}

/** The pod's own namespace; undefined outside of a pod. */
export async function serviceAccountNamespace(read: ReadText): Promise<string | undefined> {
  try {
    const namespace = (await read(`${FOLDER}/namespace`)).trim();
    return namespace === '' ? undefined : namespace;
  } catch {
    return undefined;
  }
}

async function readFrom(read: ReadText, name: string): Promise<string> {
  const path = `${FOLDER}/${name}`;
  let text: string;
  try {
    text = (await read(path)).trim();
  } catch (error) {
    throw new Error(
      `cannot read ${path} (${codeOf(error) ?? 'unknown'}): the pod needs its service account (automountServiceAccountToken)`,
    );
  }
  if (text === '') throw new Error(`${path} is empty: the pod needs its service account's token and CA`);
  return text;
}
