import { isObject, type JsonObject } from '../../../sandbox/apiserver/json.ts';
import { createAuthority } from '../../../sandbox/certificates.ts';
import { type Fixture, type FlowName, fixture } from '../../../sandbox/fixtures.ts';
import type { Providers } from '../../../sandbox/providers/index.ts';
import { readYaml } from '../../../sandbox/world.ts';
import { isReady, sandboxCluster } from '../../e2e/cluster.ts';
import { startOutside } from '../../e2e/outside.ts';
import { Program } from '../../e2e/program.ts';
import { freePort, Prometheus } from './prometheus.ts';

/** Where a real Prometheus looks at the real program: a cluster, the providers, and whatever is started in it. */
export interface Place {
  readonly providers: Providers;
  /** Starts the program, and waits for its work to begin. */
  readonly start: () => Promise<Program>;
  /** Starts a Prometheus that looks at the program. */
  readonly watch: () => Promise<Prometheus>;
  readonly make: (flow: FlowName, index: number) => Fixture;
  readonly apply: (what: Pick<Fixture, 'source' | 'credential'>) => Promise<void>;
  /** Waits for a credential to be ready. */
  readonly ready: (name: string) => Promise<void>;
  /** Asks for one try, which lifts a backoff. */
  readonly ask: (fixture: Fixture) => Promise<void>;
  /** Ends all of it. */
  readonly close: () => Promise<void>;
}

export async function openPlace(): Promise<Place> {
  const authority = await createAuthority();
  const cluster = await sandboxCluster(authority);
  const { client } = cluster;
  const outside = await startOutside(authority);
  const target = `127.0.0.1:${await freePort()}`;
  const watching: Prometheus[] = [];
  const programs: Program[] = [];
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tokensync' } });
  for (const crd of readYaml('crds')) await client.apply(crd);
  for (const definition of readYaml('deploy/providers')) {
    if (!isObject(definition.spec)) throw new Error('a definition has a spec');
    await client.apply({ ...definition, spec: { ...definition.spec, network: { caBundle: authority.ca } } });
  }
  return {
    providers: outside.providers,
    start: async () => {
      const flags = [
        `--kubeconfig=${cluster.kubeconfig}`,
        `--metrics-bind-address=${target}`,
        '--health-probe-bind-address=127.0.0.1:0',
        '--rejection-delays=100ms',
        // A Lease of a replica that was killed runs out in its own time, which these rules' minutes are too short for.
        '--leader-elect=false',
      ];
      const program = new Program(flags, outside.env);
      programs.push(program);
      await program.logged('work begins');
      return program;
    },
    watch: async () => {
      const prometheus = await Prometheus.start(target);
      watching.push(prometheus);
      return prometheus;
    },
    make: (flow, index) => fixture(flow, index, outside.providers),
    apply: async ({ source, credential }) => {
      await client.apply(source);
      await client.apply(credential);
    },
    ready: name =>
      client.until('ProviderCredential', items =>
        items.some(item => item.metadata.name === name && isReady(item)),
      ),
    ask: ({ credential }) => client.apply(asked(credential)),
    close: async () => {
      for (const program of programs) program.signal('SIGKILL');
      await Promise.all([...programs.map(program => program.exited), ...watching.map(each => each.stop())]);
      await Promise.all([cluster.close(), outside.close()]);
    },
  };
}

function asked(credential: JsonObject): JsonObject {
  const metadata = isObject(credential.metadata) ? credential.metadata : {};
  return {
    ...credential,
    metadata: { ...metadata, annotations: { 'tokensync.dev/refresh-requested-at': 'now' } },
  };
}
