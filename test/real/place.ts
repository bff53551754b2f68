import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject, type TestContext } from 'vitest';
import { z } from 'zod';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { createAuthority } from '../../sandbox/certificates.ts';
import { type Fixture, type FlowName, fixture } from '../../sandbox/fixtures.ts';
import type { Providers } from '../../sandbox/providers/index.ts';
import { CredentialStatus } from '../../src/api/credential.ts';
import type { Condition } from '../../src/api/meta.ts';
import { SETTINGS } from '../../src/settings.ts';
import { type Client, data, type Item, isReady } from '../e2e/cluster.ts';
import { startOutside } from '../e2e/outside.ts';
import { Program } from '../e2e/program.ts';
import { withSpec } from '../operator/scene.ts';
import { Canaries } from '../support/canaries.ts';
import { type ControlPlane, kubeconfigText, kubectl, type Ran } from './control-plane.ts';
import { clientOf, definition, installCrds } from './install.ts';

const authority = createAuthority();

/** One line of the API server's audit log. */
const Audited = z.object({
  verb: z.string(),
  user: z.object({ username: z.string() }),
  objectRef: z
    .object({
      resource: z.string(),
      namespace: z.string().optional(),
      name: z.string().optional(),
      subresource: z.string().optional(),
    })
    .optional(),
  requestURI: z.string(),
  responseStatus: z.object({ code: z.number() }).optional(),
});
export type Audited = z.infer<typeof Audited>;

/** A namespace of the real cluster with an operator's account, and providers of its own outside. */
export interface Place {
  readonly plane: ControlPlane;
  readonly namespace: string;
  readonly client: Client;
  readonly providers: Providers;
  /** Kubeconfig of the operator's service account, which may do everything: its calls are in the audit log. */
  readonly kubeconfig: string;
  /** The program, for this namespace alone. */
  start(...flags: string[]): Program;
  /** A source Secret and a credential of a flow; `spec` is merged into the credential's. */
  apply(flow: FlowName, index: number, spec?: JsonObject): Promise<Fixture>;
  /** What an account's source Secret says, by the credential's name. */
  secrets(name: string): Record<string, string>;
  /** Name of the definition of a provider here. */
  provider(name: string): string;
  /** As a person would type it, in this namespace. */
  kubectl(args: readonly string[], input?: string | JsonObject): Promise<Ran>;
  status(name: string): Promise<CredentialStatus>;
  condition(name: string, type: string): Promise<Condition | undefined>;
  /** Values of a Secret; undefined where there is none. */
  values(secret: string): Promise<Record<string, string> | undefined>;
  untilReady(...names: string[]): Promise<void>;
  until(name: string, holds: (status: CredentialStatus) => boolean): Promise<CredentialStatus>;
  /** The operator's calls of a namespace, by default this; of watches those that ended. */
  calls(namespace?: string): Promise<Audited[]>;
  /** Another credential comes and is served: what was to happen before it has happened. */
  fence(): Promise<void>;
}

const ANY_PORT = ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=127.0.0.1:0'];

/**
 * @param prefix of the namespace; must be unique among files.
 * @param definitions of deploy/providers to have here.
 * @param plane by default the suite's.
 */
export async function place(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  prefix: string,
  definitions: readonly string[] = ['pgf'],
  plane: ControlPlane = inject('controlPlane'),
): Promise<Place> {
  const namespace = `${prefix}-${randomBytes(4).toString('hex')}`;
  const client = clientOf(plane);
  const outside = await startOutside(await authority, namespace);
  const { providers } = outside;
  const programs: Program[] = [];
  const fixtures: Fixture[] = [];
  onTestFinished(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.map(program => program.exited));
    for (const name of definitions) {
      await client.send('DELETE', `/apis/tokensync.dev/v1alpha1/clustertokenproviders/${namespace}-${name}`);
    }
    await client.send('DELETE', `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${home}`);
    await Promise.all([outside.close(), client.close()]);
    searchForSecrets(programs, providers, fixtures);
  });
  await installCrds(client);
  // The operator serves no credential in its own.
  const home = `${namespace}-home`;
  for (const name of [namespace, home]) {
    await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const { ca } = await authority;
  await Promise.all(definitions.map(name => client.apply(definition(name, `${namespace}-${name}`, ca))));
  const token = await account(client, home);
  const kubeconfig = join(plane.folder, `${namespace}.kubeconfig`);
  await writeFile(kubeconfig, kubeconfigText({ server: plane.url, ca: plane.ca, token, namespace }), {
    mode: 0o600,
  });
  const me = `system:serviceaccount:${home}:operator`;
  const get = async (name: string): Promise<CredentialStatus> =>
    CredentialStatus.parse((await client.get('ProviderCredential', name, namespace))?.status ?? {});
  /** Nothing comes of waiting for a program that failed. */
  const whileUp = async (waiting: Promise<void>): Promise<void> => {
    const failed = programs.map(async program => {
      const { code } = await program.exited;
      if (code !== 1) return waiting;
      throw new Error(`the program has ended:\n${program.output}`);
    });
    await Promise.race([waiting, ...failed]);
  };
  const apply: Place['apply'] = async (flow, index, spec = {}) => {
    const made = fixture(flow, index, providers, { namespace });
    fixtures.push(made);
    await client.apply(made.source, namespace);
    const provider = flow.split('/')[0] ?? '';
    const own = { providerRef: { name: `${namespace}-${provider}` }, ...spec };
    await client.apply(withSpec(made.credential, own), namespace);
    return made;
  };
  const untilReady: Place['untilReady'] = (...names) =>
    whileUp(
      client.until(
        'ProviderCredential',
        items => names.every(name => items.some(item => item.metadata.name === name && isReady(item))),
        { namespace },
      ),
    );
  return {
    plane,
    namespace,
    client,
    providers,
    kubeconfig,
    start: (...flags) => {
      const program = new Program(
        [
          `--kubeconfig=${kubeconfig}`,
          `--watch-namespaces=${namespace}`,
          `--operator-namespace=${home}`,
          ...alone(),
          ...ANY_PORT,
          ...flags,
        ],
        outside.env,
      );
      programs.push(program);
      return program;
    },
    apply,
    secrets: name => ({ ...fixtures.find(each => each.name === name)?.secrets }),
    provider: name => `${namespace}-${name}`,
    kubectl: (args, input) =>
      kubectl(plane.kubeconfig, ['-n', namespace, ...args], {
        ...(input === undefined ? {} : { input: typeof input === 'string' ? input : JSON.stringify(input) }),
      }),
    status: get,
    condition: async (name, type) => (await get(name)).conditions?.find(each => each.type === type),
    values: async name => {
      const secret = await client.get('Secret', name, namespace);
      return secret === undefined ? undefined : data(secret);
    },
    untilReady,
    until: async (name, holds) => {
      let found: CredentialStatus = {};
      const look = (items: readonly Item[]): boolean => {
        const item = items.find(({ metadata }) => metadata.name === name);
        found = CredentialStatus.parse(item?.status ?? {});
        return item !== undefined && holds(found);
      };
      await whileUp(client.until('ProviderCredential', look, { namespace }));
      return found;
    },
    fence: async () => {
      const { name } = await apply('pgf/login-token', 1000 + fixtures.length);
      await untilReady(name);
    },
    calls: async (of = namespace) => {
      const lines = (await readFile(plane.auditLog, 'utf8')).split('\n').filter(line => line.includes(me));
      return lines
        .map(line => Audited.parse(JSON.parse(line)))
        .filter(({ user, objectRef }) => user.username === me && objectRef?.namespace === of);
    },
  };
}

/** One replica needs no lease. */
function alone(): string[] {
  return Object.values(SETTINGS).some(({ flag }) => String(flag) === 'leader-elect')
    ? ['--leader-elect=false']
    : [];
}

/** @returns a token of the namespace's service account `operator`. */
export async function account(client: Client, namespace: string): Promise<string> {
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  const subject = { kind: 'ServiceAccount', name: 'operator', namespace };
  await client.send('POST', accounts, { metadata: { name: 'operator' } });
  await client.send('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [subject],
  });
  const { body } = await client.send('POST', `${accounts}/operator/token`, { spec: {} });
  return z.object({ status: z.object({ token: z.string() }) }).parse(body).status.token;
}

/** Nothing secret in what any program said. */
function searchForSecrets(
  programs: readonly Program[],
  providers: Providers,
  fixtures: readonly Fixture[],
): void {
  const canaries = new Canaries();
  canaries.add('c4n4ry');
  for (const token of providers.issued()) canaries.add(token);
  for (const { secrets } of fixtures)
    for (const value of Object.values(secrets)) if (!value.startsWith('user-')) canaries.add(value);
  for (const { output } of programs) {
    const found = canaries.find(output);
    if (found.length > 0) throw new Error(`secrets in the program's output: ${found.length}`);
  }
}

/** A status as its conditions say it: `Ready True TokenLive`. */
export function said(status: CredentialStatus, type: string): string {
  const condition = status.conditions?.find(each => each.type === type);
  return condition === undefined ? 'absent' : `${condition.status} ${condition.reason}`;
}
