import { readFile } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { codeOf } from './exchange.ts';

/** Kubeconfig files as kubectl reads them: several may be merged, and the first to name a thing wins. */

const text = z
  .string()
  .nullish()
  .transform(value => (value === null || value === '' ? undefined : value));
const listOf = <T extends z.ZodType>(entry: T) =>
  z
    .array(entry)
    .nullish()
    .transform(list => list ?? []);

const Cluster = z.object({
  server: z.string(),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': z.boolean().nullish(),
  'tls-server-name': text,
  'proxy-url': text,
  extensions: listOf(z.object({ name: z.string(), extension: z.unknown() })),
});
/** What we do not read ourselves is handed on to the library that knows every way to authenticate. */
const User = z.looseObject({
  tokenFile: text,
  'client-certificate': text,
  'client-key': text,
  exec: z
    .looseObject({
      apiVersion: text,
      command: z.string(),
      env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
      provideClusterInfo: z.boolean().nullish(),
    })
    .nullish(),
  'auth-provider': z.looseObject({ name: z.string() }).nullish(),
});
const Context = z.object({ cluster: z.string(), user: text, namespace: text });
const File = z.object({
  'current-context': text,
  clusters: listOf(z.object({ name: z.string(), cluster: Cluster })),
  users: listOf(
    z.object({ name: z.string(), user: User.nullish().transform(user => user ?? User.parse({})) }),
  ),
  contexts: listOf(z.object({ name: z.string(), context: Context })),
});

export type KubeconfigCluster = z.infer<typeof Cluster>;
export type KubeconfigUser = z.infer<typeof User>;

/** One context, with what it names. */
export interface Choice {
  readonly context: string;
  readonly namespace: string | undefined;
  readonly cluster: KubeconfigCluster;
  readonly user: { readonly name: string; readonly spec: KubeconfigUser } | undefined;
}

/** @returns the files to look in: those of the flag, of `KUBECONFIG`, or `~/.kube/config`. */
export function kubeconfigPaths(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): readonly string[] {
  if (flag !== undefined && flag !== '') return [flag];
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter(path => path !== '');
  return listed.length > 0 ? listed : [join(home, '.kube', 'config')];
}

/**
 * @param paths several may be missing as long as one is there.
 * @throws Error naming the file, the field or the context, and what to do. It quotes nothing of a file's contents but names.
 */
export async function readKubeconfig(paths: readonly string[], context: string | undefined): Promise<Choice> {
  const where = paths.join(', ');
  const files = (await Promise.all(paths.map(readOne))).filter(file => file !== undefined);
  if (files.length === 0) {
    throw new Error(
      `kubeconfig ${where} does not exist: set --kubeconfig or KUBECONFIG to a file that kubectl can use`,
    );
  }
  const name = context ?? files.map(file => file['current-context']).find(current => current !== undefined);
  if (name === undefined) {
    throw new Error(
      `kubeconfig ${where} has no current-context: choose one with "kubectl config use-context"`,
    );
  }
  const chosen = find(
    files.flatMap(file => file.contexts),
    name,
  )?.context;
  if (chosen === undefined) {
    throw new Error(
      `context "${name}" is not in kubeconfig ${where}: "kubectl config get-contexts" lists those that are`,
    );
  }
  const cluster = find(
    files.flatMap(file => file.clusters),
    chosen.cluster,
  )?.cluster;
  if (cluster === undefined) {
    throw new Error(`cluster "${chosen.cluster}" of context "${name}" is not in kubeconfig ${where}`);
  }
  if (chosen.user === undefined)
    return { context: name, namespace: chosen.namespace, cluster, user: undefined };
  const user = find(
    files.flatMap(file => file.users),
    chosen.user,
  );
  if (user === undefined) {
    throw new Error(`user "${chosen.user}" of context "${name}" is not in kubeconfig ${where}`);
  }
  return { context: name, namespace: chosen.namespace, cluster, user: { name: user.name, spec: user.user } };
}

function find<T extends { readonly name: string }>(entries: readonly T[], name: string): T | undefined {
  return entries.find(entry => entry.name === name);
}

async function readOne(path: string): Promise<z.infer<typeof File> | undefined> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    const code = codeOf(error) ?? 'unknown';
    if (code === 'ENOENT') return undefined;
    throw new Error(`cannot read kubeconfig ${path} (${code})`);
  }
  const { parse } = await import('yaml');
  let document: unknown;
  try {
    document = parse(content, { logLevel: 'error' });
  } catch {
    throw new Error(`kubeconfig ${path} is not valid YAML`);
  }
  const parsed = File.safeParse(document);
  if (!parsed.success) {
    const fields = parsed.error.issues.map(issue => issue.path.join('.') || 'the whole');
    throw new Error(`kubeconfig ${path} is wrong or incomplete at ${[...new Set(fields)].join(', ')}`);
  }
  return absolute(parsed.data, dirname(resolve(path)));
}

/** Paths in a kubeconfig are relative to its own folder; a command only when it is a path. */
function absolute(file: z.infer<typeof File>, folder: string): z.infer<typeof File> {
  const full = (path: string | undefined) =>
    path === undefined || isAbsolute(path) ? path : join(folder, path);
  return {
    ...file,
    clusters: file.clusters.map(({ name, cluster }) => ({
      name,
      cluster: { ...cluster, 'certificate-authority': full(cluster['certificate-authority']) },
    })),
    users: file.users.map(({ name, user }) => ({
      name,
      user: {
        ...user,
        tokenFile: full(user.tokenFile),
        'client-certificate': full(user['client-certificate']),
        'client-key': full(user['client-key']),
        ...(user.exec?.command.includes('/') === true
          ? { exec: { ...user.exec, command: full(user.exec.command) ?? '' } }
          : {}),
      },
    })),
  };
}
