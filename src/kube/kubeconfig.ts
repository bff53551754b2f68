import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Clock } from '../loop/clock.ts';
import { type Credentials, type Endpoint, ReloadingEndpoint } from './endpoint.ts';
import { codeOf } from './exchange.ts';
import {
  type Choice,
  type KubeconfigCluster,
  type KubeconfigUser,
  readKubeconfig,
} from './kubeconfig-file.ts';

/**
 * The API server that a kubeconfig's context names. @kubernetes/client-node does the user's part (tokens, client
 * certificates, exec plugins, OIDC); it is 50 MB, and so loaded only here.
 * @throws Error naming the file, the context or the user, and what to do; without any value from the file.
 */
export async function kubeconfigEndpoint(options: {
  readonly paths: readonly string[];
  readonly context?: string | undefined;
  readonly clock: Clock;
}): Promise<{
  readonly endpoint: Endpoint;
  readonly context: string;
  readonly namespace: string | undefined;
}> {
  const { paths, clock } = options;
  const choice = await readKubeconfig(paths, options.context);
  const { context, namespace, cluster } = choice;
  checkCluster(cluster, context);
  let user = await authenticator(choice);
  const load = async (force: boolean): Promise<Credentials> => {
    // The library caches what a plugin gave, so a refused one needs a fresh start; but it is also what keeps a rotated
    // OIDC refresh token, which the file no longer has.
    if (force && choice.user?.spec['auth-provider']?.name !== 'oidc') {
      user = await authenticator(await readKubeconfig(paths, context));
    }
    const [{ headers, cert, key }, server] = await Promise.all([user(), serverTls(cluster)]);
    const proxy = cluster['proxy-url'];
    return {
      headers,
      tls: { ...server, ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) },
      ...(proxy === undefined ? {} : { proxy }),
    };
  };
  return { endpoint: await ReloadingEndpoint.open(cluster.server, load, clock), context, namespace };
}

function checkCluster(cluster: KubeconfigCluster, context: string): void {
  if (!/^https?:\/\//.test(cluster.server) || !URL.canParse(cluster.server)) {
    throw new Error(
      `the server of context "${context}" is no http or https URL: write it as https://host:port in the kubeconfig`,
    );
  }
  const { username, password } = new URL(cluster.server);
  // the server's URL is logged
  if (username !== '' || password !== '') {
    throw new Error(
      `the server of context "${context}" holds a user or password: put them into the kubeconfig's user`,
    );
  }
  const proxy = cluster['proxy-url'];
  if (proxy === undefined) return;
  if (!(/^https?:\/\//.test(proxy) && URL.canParse(proxy))) {
    throw new Error(
      `the proxy-url of context "${context}" is no http or https URL: other proxies are not supported`,
    );
  }
  if (!isDecodable(new URL(proxy))) {
    throw new Error(`the proxy-url of context "${context}": write % as %25 in its user and password`);
  }
}

/** Whether undici can read the user and the password; it throws where it can't. */
function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username);
    decodeURIComponent(password);
    return true;
  } catch {
    return false;
  }
}

async function serverTls(cluster: KubeconfigCluster): Promise<Credentials['tls'] & { ca?: Buffer }> {
  const file = cluster['certificate-authority'];
  const data = cluster['certificate-authority-data'];
  const servername = cluster['tls-server-name'];
  const ca =
    data !== undefined
      ? Buffer.from(data, 'base64')
      : file !== undefined
        ? await readNamed(file, 'certificate-authority')
        : undefined;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(servername === undefined ? {} : { servername }),
    ...(cluster['insecure-skip-tls-verify'] === true ? { rejectUnauthorized: false } : {}),
  };
}

interface UserCredentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

/** How to get the user's credentials, as often as they are wanted. */
async function authenticator({ user, cluster }: Choice): Promise<() => Promise<UserCredentials>> {
  if (user === undefined) return () => Promise.resolve({ headers: {} });
  for (const key of UNSUPPORTED) {
    if (isGiven(user.spec[key])) {
      throw new Error(
        `kubeconfig user "${user.name}" has ${key}, which cannot be used here: choose a user whose own permissions suffice`,
      );
    }
  }
  const { tokenFile } = user.spec;
  const library = await load({ ...user, spec: await informed(user.spec, cluster) });
  return async () => {
    const options: RequestOptions = {};
    try {
      await library.applyToHTTPSOptions(options);
    } catch (error) {
      throw new Error(notAuthenticated(user, error));
    }
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      if (typeof value === 'string') headers[name.toLowerCase()] = value.trim();
    }
    if (typeof options.auth === 'string') {
      headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    }
    // The library does not know this key; kubectl prefers it to a token in the file.
    if (tokenFile !== undefined) {
      headers.authorization = `Bearer ${(await readNamed(tokenFile, 'tokenFile')).toString('utf8').trim()}`;
    }
    const { cert, key } = options;
    // else every request would be refused, or worse, be anonymous
    if (wantsCredentials(user.spec) && headers.authorization === undefined && !(isPem(cert) && isPem(key))) {
      throw new Error(
        `kubeconfig user "${user.name}" gave no credentials: neither a token, nor a password, nor a certificate with its key`,
      );
    }
    return { headers, ...(isPem(cert) ? { cert } : {}), ...(isPem(key) ? { key } : {}) };
  };
}

/** Of impersonation the library knows the user's name alone; without its groups another would be acted as. */
const UNSUPPORTED = ['as-groups', 'as-uid', 'as-user-extra'] as const;

function isGiven(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

/** Whether there is more than whom to act as. */
function wantsCredentials(spec: KubeconfigUser): boolean {
  return Object.entries(spec).some(([key, value]) => key !== 'as' && key !== 'extensions' && isGiven(value));
}

/** Plugins are told who asks, and for which cluster, as kubectl tells them; the library does not. */
async function informed(spec: KubeconfigUser, cluster: KubeconfigCluster): Promise<KubeconfigUser> {
  const { exec } = spec;
  if (exec === undefined || exec === null) return spec;
  const about = exec.provideClusterInfo === true ? { cluster: await clusterInfo(cluster) } : {};
  const info = {
    apiVersion: exec.apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...about },
  };
  const env = [...(exec.env ?? []), { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }];
  return { ...spec, exec: { ...exec, env } };
}

/** What the plugin itself is configured with, for this cluster. */
const PLUGIN_CONFIG = 'client.authentication.k8s.io/exec';

async function clusterInfo(cluster: KubeconfigCluster): Promise<Readonly<Record<string, unknown>>> {
  const { extensions, 'certificate-authority': _file, ...info } = cluster;
  const { ca } = await serverTls(cluster);
  const config = extensions.find(({ name }) => name === PLUGIN_CONFIG)?.extension;
  return {
    ...info,
    ...(ca === undefined ? {} : { 'certificate-authority-data': ca.toString('base64') }),
    config,
  };
}

async function load(user: NonNullable<Choice['user']>): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const library = new KubeConfig();
  // It refuses a plain http server and keeps what it reads of the cluster to itself, so the cluster is ours alone.
  const cluster = { server: 'https://cluster.invalid' };
  try {
    library.loadFromString(
      JSON.stringify({
        clusters: [{ name: 'cluster', cluster }],
        users: [{ name: user.name, user: user.spec }],
        contexts: [{ name: 'context', context: { cluster: 'cluster', user: user.name } }],
        'current-context': 'context',
      }),
    );
  } catch (error) {
    throw new Error(notAuthenticated(user, error));
  }
  return library;
}

/** A plugin's standard error, which the library throws, may hold anything. */
function notAuthenticated(user: NonNullable<Choice['user']>, error: unknown): string {
  const command = user.spec.exec?.command;
  const code = codeOf(error);
  const why = code === undefined ? '' : ` (${code})`;
  if (command !== undefined && code === 'ENOENT') {
    return `the exec plugin "${command}" of kubeconfig user "${user.name}" is not there (ENOENT): install it, or put it on PATH`;
  }
  return command === undefined
    ? `the credentials of kubeconfig user "${user.name}" cannot be read${why}: check that "kubectl version" works with this kubeconfig`
    : `the exec plugin "${command}" of kubeconfig user "${user.name}" failed${why}: run it by hand to see why`;
}

async function readNamed(path: string, field: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`cannot read ${path}, the kubeconfig's ${field} (${codeOf(error) ?? 'unknown'})`);
  }
}

function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value);
}
