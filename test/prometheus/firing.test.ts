import { expect, type TestContext, test } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { isObject } from '../../sandbox/apiserver/json.ts';
import { createAuthority } from '../../sandbox/certificates.ts';
import { type Fixture, type FlowName, fixture, secret } from '../../sandbox/fixtures.ts';
import { readYaml } from '../../sandbox/world.ts';
import { isReady, sandboxCluster } from '../e2e/cluster.ts';
import { startOutside } from '../e2e/outside.ts';
import { Program } from '../e2e/program.ts';
import { freePort, hasPrometheus, Prometheus } from './prometheus.ts';

/** The shipped rules in a real Prometheus, which looks at the real program: each trouble raises its own alert and no other, and it goes. */

const PATIENCE_MS = 600_000;
const FIRING = 'ALERTS{alertstate="firing"}';

async function place({ onTestFinished }: TestContext) {
  const authority = await createAuthority();
  const cluster = await sandboxCluster(authority);
  const { client } = cluster;
  const outside = await startOutside(authority);
  const target = `127.0.0.1:${await freePort()}`;
  const watching: Prometheus[] = [];
  const programs: Program[] = [];
  onTestFinished(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all([...programs.map(program => program.exited), ...watching.map(each => each.stop())]);
    await Promise.all([cluster.close(), outside.close()]);
  });
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tokensync' } });
  for (const crd of readYaml('crds')) await client.apply(crd);
  for (const definition of readYaml('deploy/providers')) {
    if (!isObject(definition.spec)) throw new Error('a definition has a spec');
    await client.apply({ ...definition, spec: { ...definition.spec, network: { caBundle: authority.ca } } });
  }
  const start = async (): Promise<Program> => {
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
  };
  const apply = async ({ source, credential }: Pick<Fixture, 'source' | 'credential'>): Promise<void> => {
    await client.apply(source);
    await client.apply(credential);
  };
  return {
    watch: async () => {
      const prometheus = await Prometheus.start(target);
      watching.push(prometheus);
      return prometheus;
    },
    providers: outside.providers,
    start,
    apply,
    make: (flow: FlowName, index: number) => fixture(flow, index, outside.providers),
    ready: (name: string) =>
      client.until('ProviderCredential', items =>
        items.some(item => item.metadata.name === name && isReady(item)),
      ),
    /** Asks for one try, which lifts a backoff. */
    ask: ({ credential }: Fixture) => client.apply(asked(credential)),
  };
}

function asked(credential: JsonObject): JsonObject {
  const metadata = isObject(credential.metadata) ? credential.metadata : {};
  return {
    ...credential,
    metadata: { ...metadata, annotations: { 'tokensync.dev/refresh-requested-at': 'now' } },
  };
}

test('each alert fires for its own trouble alone, and clears', { timeout: PATIENCE_MS }, async context => {
  if (!hasPrometheus()) context.skip('prometheus is not installed (Debian: apt install prometheus)');
  const { watch, providers, start, apply, make, ready, ask } = await place(context);
  let program = await start();
  const prometheus = await watch();
  const firing = async (alert: string): Promise<Record<string, string>> => {
    const [found = {}] = await prometheus.until(FIRING, alerts =>
      alerts.some(each => each.alertname === alert),
    );
    return found;
  };
  const cleared = () => prometheus.until(FIRING, alerts => alerts.length === 0);
  /** Whatever has fired since this began. */
  const everFired = async (): Promise<string[]> => {
    const found = await prometheus.until(`count by (alertname) (max_over_time(${FIRING}[1h]))`, () => true);
    return found.map(({ alertname = '' }) => alertname).sort();
  };

  // all is well: twenty seconds, which to these rules are twenty minutes
  for (const flow of ['pgf/login', 'pgf/login-token', 'firmeasy/login'] as const) {
    const made = make(flow, 1);
    await apply(made);
    await ready(made.name);
  }
  await prometheus.until('sum_over_time(up[1h]) >= 20', found => found.length === 1);
  await prometheus.until('sum(tokensync_credential_ready) == 3', found => found.length === 1);
  await prometheus.until('tokensync:credential_seconds_live:ratio_rate30d == 1', found => found.length === 1);
  expect(await everFired()).toEqual([]);

  // a wrong password
  const wrong = make('pgf/login', 2);
  providers.pgf.accounts.get(wrong.account).password = 'another-c4n4ry';
  await apply(wrong);
  expect(await firing('TokensyncLoginStopped')).toMatchObject({
    namespace: 'default',
    name: wrong.name,
    provider: 'pgf',
    reason: 'RejectionLimit',
  });
  const right = { username: 'user-2', password: 'another-c4n4ry' };
  await apply({ ...wrong, source: secret('default', `${wrong.name}-login`, right) });
  await cleared();
  expect(await everFired()).toEqual(['TokensyncLoginStopped']);

  // an outage
  providers.ventiapp.behaviour.down = 503;
  const cutOff = make('ventiapp/password', 1);
  await apply(cutOff);
  expect(await firing('TokensyncProviderUnreachable')).toMatchObject({ provider: 'ventiapp' });
  providers.ventiapp.behaviour.down = undefined;
  await ask(cutOff);
  await cleared();
  expect(await everFired()).toEqual(['TokensyncLoginStopped', 'TokensyncProviderUnreachable']);

  // a throttle
  providers.admintotal.behaviour.throttle = { requests: 0, windowMs: 5000 };
  await apply(make('admintotal/jwt', 1));
  expect(await firing('TokensyncProviderThrottling')).toMatchObject({ provider: 'admintotal' });
  providers.admintotal.behaviour.throttle = undefined;
  await cleared();

  // a dead operator
  program.signal('SIGKILL');
  await program.exited;
  await firing('TokensyncAbsent');
  program = await start();
  await cleared();
  await prometheus.until('sum(tokensync_credential_ready) == 6', found => found.length === 1);
  expect(await everFired()).toEqual([
    'TokensyncAbsent',
    'TokensyncLoginStopped',
    'TokensyncProviderThrottling',
    'TokensyncProviderUnreachable',
  ]);
});
