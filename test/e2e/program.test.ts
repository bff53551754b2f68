import { existsSync } from 'node:fs';
import { describe, expect, type TestContext, test } from 'vitest';
import { isObject } from '../../sandbox/apiserver/json.ts';
import { type Authority, createAuthority } from '../../sandbox/certificates.ts';
import { type Fixture, FLOWS, type FlowName, fixture } from '../../sandbox/fixtures.ts';
import type { Providers } from '../../sandbox/providers/index.ts';
import { readYaml } from '../../sandbox/world.ts';
import { realCluster } from '../real/cluster.ts';
import { Canaries } from '../support/canaries.ts';
import { onRealServer, sandboxOnly } from '../support/sandbox-only.ts';
import { type Cluster, data, isReady, type SandboxCluster, sandboxCluster } from './cluster.ts';
import { startOutside } from './outside.ts';
import { Program } from './program.ts';

/** The program itself, over real sockets: what a user starts, and how it ends. */

const ANY_PORT = ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=127.0.0.1:0'];
const authority = createAuthority();

interface Place<C extends Cluster = Cluster> {
  readonly cluster: C;
  readonly providers: Providers;
  readonly start: (...flags: string[]) => Program;
  readonly apply: (flow: FlowName, index: number) => Promise<Fixture>;
}

/** A cluster with our CRDs and definitions, and the providers behind a proxy. */
async function place(context: TestContext): Promise<Place> {
  const made = await authority;
  const cluster = onRealServer ? await realCluster() : await sandboxCluster(made);
  await install(cluster, made);
  return placeIn(context, cluster);
}

/** A sandbox, which can be hurt. Without `listen`, its port is closed and nothing is there. */
async function sandboxPlace(
  context: TestContext,
  options: { readonly listen: boolean },
): Promise<Place<SandboxCluster>> {
  const made = await authority;
  const cluster = await sandboxCluster(made, options);
  if (options.listen) await install(cluster, made);
  return placeIn(context, cluster);
}

async function placeIn<C extends Cluster>({ onTestFinished }: TestContext, cluster: C): Promise<Place<C>> {
  const outside = await startOutside(await authority);
  const { providers } = outside;
  const programs: Program[] = [];
  onTestFinished(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.map(program => program.exited));
    await Promise.all([cluster.close(), outside.close()]);
  });
  return {
    cluster,
    providers,
    start: (...flags) => {
      const program = new Program([`--kubeconfig=${cluster.kubeconfig}`, ...ANY_PORT, ...flags], outside.env);
      programs.push(program);
      return program;
    },
    apply: async (flow, index) => {
      const made = fixture(flow, index, providers);
      await cluster.client.apply(made.source);
      await cluster.client.apply(made.credential);
      return made;
    },
  };
}

async function install({ client }: Cluster, { ca }: Authority): Promise<void> {
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tokensync' } });
  for (const crd of readYaml('crds')) await client.apply(crd);
  for (const definition of readYaml('deploy/providers')) {
    if (!isObject(definition.spec)) throw new Error('a definition has a spec');
    await client.apply({ ...definition, spec: { ...definition.spec, network: { caBundle: ca } } });
  }
}

/** More requests than these have arrived. */
function wasAsked({ log }: Providers, before: number): Promise<void> {
  return new Promise(resolve => {
    const look = (): void => void (log.count() > before ? resolve() : setImmediate(look));
    look();
  });
}

/** Nothing secret in what the program said and wrote, but for Secrets' data. */
async function expectNoLeaks(
  { cluster, providers }: Place,
  fixtures: readonly Fixture[],
  ...said: string[]
): Promise<void> {
  const canaries = new Canaries();
  canaries.add('c4n4ry');
  for (const token of providers.issued()) canaries.add(token);
  for (const { secrets } of fixtures)
    for (const value of Object.values(secrets)) if (!value.startsWith('user-')) canaries.add(value);
  const [credentials, events] = await Promise.all(
    ['ProviderCredential', 'Event'].map(kind => cluster.client.list(kind)),
  );
  const written = [credentials?.items.map(({ status }) => status), events?.items].map(each =>
    JSON.stringify(each),
  );
  for (const text of [...said, ...written]) expect(canaries.find(text)).toEqual([]);
}

const FAULT =
  'a fault is injected at a call; on a real server the failures of its own tests come from without';
const CLOSED =
  'the port of the API server is closed at first; starts and ends of a real one have tests of their own';

/** A real cluster has room for one at a time. */
const describeEach = onRealServer ? describe : describe.concurrent;

// Quick on a machine of its own, and patient on one that is busy.
describeEach('the program', { timeout: 90_000 }, () => {
  test('makes all seven flows Ready, tells how it is, and ends when asked to', async context => {
    const there = await place(context);
    const { cluster, start, apply } = there;
    const program = start();
    const fixtures = await Promise.all(FLOWS.map(apply));
    await cluster.client.until('ProviderCredential', items => items.length === 7 && items.every(isReady));
    for (const { name } of fixtures) {
      const { token = '', header_value = '' } = data(await cluster.client.get('Secret', `${name}-token`));
      expect(there.providers.isLive(token), name).toBe(true);
      expect(header_value).toContain(token);
    }
    expect(await program.get('/healthz')).toMatchObject({ status: 200 });
    expect(await program.get('/readyz')).toMatchObject({ status: 200 });
    const metrics = await program.get('/metrics');
    expect(metrics.status).toBe(200);
    expect(metrics.text).toMatch(
      /tokensync_refresh_total\{provider="pgf",flow="login",.*result="success"\} 1/,
    );
    expect(metrics.text).toMatch(/process_resident_memory_bytes \d/);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stderr).toBe('');
    await expectNoLeaks(there, fixtures, program.output, metrics.text);
  });

  test('writes what a provider answers after SIGTERM, starts nothing new, and ends with 0', async context => {
    const there = await place(context);
    const { cluster, providers, start, apply } = there;
    const program = start();
    await program.logged('work begins');
    providers.pgf.behaviour.latencyMs = 700;
    const asked = providers.log.count();
    const { name } = await apply('pgf/login', 1);
    await wasAsked(providers, asked);
    program.signal('SIGTERM');
    await program.logged('draining');
    await apply('ventiapp/password', 2);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(providers.isLive(data(await cluster.client.get('Secret', `${name}-token`)).token ?? '')).toBe(
      true,
    );
    expect(isReady((await cluster.client.get('ProviderCredential', name)) ?? { metadata: { name } })).toBe(
      true,
    );
    expect(providers.log.count({ provider: 'ventiapp' }), 'nothing new').toBe(0);
  });

  test('ends in its time though a provider never answers, and counts the login that was sent', async context => {
    const { cluster, providers, start, apply } = await place(context);
    const program = start('--shutdown-timeout=1s');
    await program.logged('work begins');
    providers.pgf.behaviour.down = 'hang';
    const { name } = await apply('pgf/login', 1);
    await cluster.client.until('ProviderCredential', ([item]) =>
      JSON.stringify(item?.status ?? {}).includes('"tries":1'),
    );
    // Not before: what was never sent is no try, and would not be counted.
    await wasAsked(providers, 0);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    const status = JSON.stringify((await cluster.client.get('ProviderCredential', name))?.status);
    expect(status).toMatch(/"reason":"(OutcomeUnknown|Unreachable)"/);
    expect(status).toContain('"unanswered":1');
  });

  test('ends at once at a second signal', async context => {
    const { providers, start, apply, cluster } = await place(context);
    const program = start();
    await program.logged('work begins');
    providers.pgf.behaviour.down = 'hang';
    await apply('pgf/login', 1);
    await cluster.client.until('ProviderCredential', ([item]) =>
      JSON.stringify(item?.status ?? {}).includes('"tries":1'),
    );
    program.signal('SIGTERM');
    await program.logged('draining');
    program.signal('SIGTERM');
    expect(await program.exited).not.toEqual({ code: 0, signal: null });
  });

  sandboxOnly(CLOSED)(
    'waits for an API server that is not there, says so, is not ready, and goes on when it comes',
    async context => {
      const { cluster, start } = await sandboxPlace(context, { listen: false });
      const program = start();
      const line = await program.logged('waiting for the API server');
      expect(JSON.parse(line)).toMatchObject({ level: 'warn', reason: 'ECONNREFUSED' });
      const notReady = await program.get('/readyz');
      expect(notReady.status).toBe(503);
      expect(notReady.text).toContain('not synced');
      expect(await program.get('/healthz')).toMatchObject({ status: 200 });
      await cluster.listen();
      await install(cluster, await authority);
      await program.logged('work begins');
      expect(await program.get('/readyz')).toMatchObject({ status: 200 });
    },
  );

  sandboxOnly(CLOSED)('ends while it still waits for an API server', async context => {
    const { start } = await sandboxPlace(context, { listen: false });
    const program = start();
    await program.logged('waiting for the API server');
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stderr).toBe('');
  });

  sandboxOnly(FAULT)('ends while the first lists are under way', async context => {
    const { cluster, start } = await sandboxPlace(context, { listen: true });
    const asked = new Promise<void>(resolve => {
      cluster.api.inject(({ verb, resource }) => {
        if ((verb !== 'list' && verb !== 'watch') || resource === 'leases') return false;
        resolve();
        return true;
      }, 'hang');
    });
    const program = start();
    await asked;
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stderr).toBe('');
  });

  sandboxOnly(FAULT)('ends with 1 and says why when it may not read its own Secret', async context => {
    const { cluster, start } = await sandboxPlace(context, { listen: true });
    cluster.api.inject(({ resource, name }) => resource === 'secrets' && name !== '', {
      status: 403,
      reason: 'Forbidden',
    });
    const program = start();
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr).toMatch(
      /^tokensync: cannot read or create Secret tokensync\/tokensync-digest-key .*403 Forbidden/,
    );
    expect(program.stderr.trim().split('\n')).toHaveLength(1);
  });

  test('ends with 2 and tells all mistakes at once', async () => {
    const program = new Program(['--no-such', '--log-level=loud', '--propagation-margin=soon', 'stray'], {
      TOKENSYNC_MAX_CONCURRENT_RECONCILES: '0',
    });
    expect(await program.exited).toEqual({ code: 2, signal: null });
    expect(program.lines).toEqual([]);
    const told = program.stderr.trim().split('\n');
    for (const mistake of [
      '--no-such',
      'stray',
      '--log-level',
      '--propagation-margin',
      'TOKENSYNC_MAX_CONCURRENT_RECONCILES',
    ]) {
      expect(told.filter(line => line.startsWith('tokensync: ') && line.includes(mistake))).toHaveLength(1);
    }
    expect(told.at(-1)).toContain('--help');
  });

  test('answers --help on standard output', async () => {
    const program = new Program(['--help']);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.lines.join('\n')).toContain('Usage: tokensync');
    expect(program.stderr).toBe('');
  });

  test('ends with 1 and names the kubeconfig that is missing', async () => {
    const program = new Program(['--kubeconfig=/nonexistent/kubeconfig', ...ANY_PORT]);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr).toContain('/nonexistent/kubeconfig');
    expect(program.stderr.trim().split('\n')).toHaveLength(1);
  });

  const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
  test.skipIf(existsSync(SERVICE_ACCOUNT))(
    'in a pod without a service account, ends with 1 and names the file',
    async () => {
      const program = new Program(ANY_PORT, {
        KUBERNETES_SERVICE_HOST: '127.0.0.1',
        KUBERNETES_SERVICE_PORT: '1',
      });
      expect(await program.exited).toEqual({ code: 1, signal: null });
      expect(program.stderr).toContain(SERVICE_ACCOUNT);
      expect(program.stderr).toContain('automountServiceAccountToken');
    },
  );
});
