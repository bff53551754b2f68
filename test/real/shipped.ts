import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import type { Authority } from '../../sandbox/certificates.ts';
import { type Fixture, type FlowName, fixture } from '../../sandbox/fixtures.ts';
import { only, ROOT, render } from '../deploy/render.ts';
import { grantedTo, type Permission } from '../deploy/roles.ts';
import { type Client, isReady } from '../e2e/cluster.ts';
import { type Outside, startOutside } from '../e2e/outside.ts';
import { Program } from '../e2e/program.ts';
import { withSpec } from '../operator/scene.ts';
import { type Need, needsOf } from './audit.ts';
import { kubeconfigText, kubectl, type RunningControlPlane } from './control-plane.ts';
import { clientOf, definition } from './install.ts';
import { eventually as until } from './operated.ts';

/** The operator as `deploy/` installs it: its flags, its service account's own token, its RBAC, and nothing else. */
export interface Installed {
  readonly permissions: readonly Permission[];
  readonly client: Client;
  readonly outside: Outside;
  /** As the Deployment's pods run. */
  start(): Promise<Program>;
  /** A source Secret and a credential in {@link SERVED}. */
  apply(flow: FlowName, index: number, spec?: JsonObject): Promise<Fixture>;
  untilReady(names: readonly string[]): Promise<void>;
  /** What it has asked of the API server so far. */
  needs(): Promise<Need[]>;
  /** As an admin. @throws with what kubectl says. */
  kubectl(...args: string[]): Promise<string>;
  close(): Promise<void>;
}

/** Written in overlays/single-namespace. */
export const SERVED = 'team-a';
const ACCOUNT = 'tokensync';
const NAMESPACE = 'tokensync';

const PROVIDERS = ['admintotal', 'firmeasy', 'pgf', 'sendfact', 'ventiapp'];
const ANY_PORT = ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=127.0.0.1:0'];

const Workload = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        containers: z.tuple([
          z.object({
            args: z.array(z.string()),
            env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
          }),
        ]),
      }),
    }),
  }),
});

/** Installs with kubectl, as the docs say. @param folder of the repository. */
export async function installShipped(
  plane: RunningControlPlane,
  folder: string,
  authority: Authority,
): Promise<Installed> {
  const client = clientOf(plane);
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await kubectl(plane.kubeconfig, args, { timeoutMs: 60_000 });
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: SERVED } });
  await run('apply', '-k', join(ROOT, folder));
  await eventually('our kinds are served', async () => {
    const { code } = await kubectl(plane.kubeconfig, ['get', 'ctprov,pcred']);
    return code === 0;
  });
  const outside = await startOutside(authority, folder);
  for (const name of PROVIDERS) await client.apply(definition(name, name, authority.ca));
  const manifests = render(folder);
  const pods = Workload.parse(only(manifests, 'Deployment')).spec.template.spec.containers[0];
  const programs: Program[] = [];
  const username = `system:serviceaccount:${NAMESPACE}:${ACCOUNT}`;
  return {
    permissions: grantedTo(ACCOUNT, NAMESPACE, manifests),
    client,
    outside,
    start: async () => {
      const token = (await run('create', 'token', ACCOUNT, `--namespace=${NAMESPACE}`)).trim();
      const kubeconfig = join(plane.folder, 'shipped.kubeconfig');
      const { url: server, ca } = plane;
      await writeFile(kubeconfig, kubeconfigText({ server, ca, token, namespace: 'default' }), {
        mode: 0o600,
      });
      const downward = { POD_NAME: `tokensync-${programs.length}`, POD_NAMESPACE: NAMESPACE };
      const told = pods.env.flatMap(({ name, value }) =>
        value === undefined ? [] : [[name, value] as const],
      );
      const program = new Program([...pods.args, `--kubeconfig=${kubeconfig}`, ...ANY_PORT], {
        ...outside.env,
        ...downward,
        ...Object.fromEntries<string>(told),
      });
      programs.push(program);
      await program.logged('work begins');
      return program;
    },
    apply: async (flow, index, spec = {}) => {
      const made = fixture(flow, index, outside.providers, { namespace: SERVED });
      await client.apply(made.source, SERVED);
      await client.apply(withSpec(made.credential, spec), SERVED);
      return made;
    },
    untilReady: names =>
      client.until(
        'ProviderCredential',
        items => names.every(name => items.some(item => item.metadata.name === name && isReady(item))),
        { namespace: SERVED },
      ),
    needs: () => needsOf(plane.auditLog, username),
    kubectl: run,
    close: async () => {
      for (const program of programs) program.signal('SIGKILL');
      await Promise.all(programs.map(({ exited }) => exited));
      await Promise.all([outside.close(), client.close()]);
    },
  };
}

/** Until `look` says so; the garbage collector alone may take half a minute to learn of new kinds. */
export async function eventually(what: string, look: () => Promise<boolean>): Promise<void> {
  await until(async () => (await look()) || undefined, what, 90_000);
}
