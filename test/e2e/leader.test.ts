import { expect, type TestContext, test } from 'vitest';
import { z } from 'zod';
import { createAuthority } from '../../sandbox/certificates.ts';
import { readYaml } from '../../sandbox/world.ts';
import { type SandboxCluster, sandboxCluster } from './cluster.ts';
import { Program } from './program.ts';

/** Two processes and one Lease, over sockets: who leads when a signal hits the leader. Orders are asserted; times are only told. */

const authority = createAuthority();
const FLAGS = [
  '--metrics-bind-address=127.0.0.1:0',
  '--health-probe-bind-address=127.0.0.1:0',
  '--operator-namespace=tokensync',
  '--leader-elect-lease-duration=3s',
  '--leader-elect-renew-deadline=2s',
  '--leader-elect-retry-period=500ms',
];
const WORKS = 'watching; work begins';

interface Pair {
  readonly cluster: SandboxCluster;
  readonly leader: Program;
  readonly standby: Program;
}

async function pair({ onTestFinished }: TestContext): Promise<Pair> {
  const cluster = await sandboxCluster(await authority);
  const programs: Program[] = [];
  onTestFinished(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.map(({ exited }) => exited));
    await cluster.close();
  });
  await cluster.client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tokensync' } });
  for (const crd of readYaml('crds')) await cluster.client.apply(crd);
  const start = (): Program => {
    const program = new Program([`--kubeconfig=${cluster.kubeconfig}`, ...FLAGS]);
    programs.push(program);
    return program;
  };
  const leader = start();
  await leader.logged(WORKS);
  const standby = start();
  await standby.logged('standby: another replica leads');
  return { cluster, leader, standby };
}

const Spec = z.object({ holderIdentity: z.string(), leaseTransitions: z.number() });

function lease({ api }: SandboxCluster): z.infer<typeof Spec> {
  return Spec.parse(api.get('leases', 'tokensync', 'tokensync')?.spec);
}

/** Who the program says that it is. */
async function identity(program: Program): Promise<string> {
  const line: unknown = JSON.parse(await program.logged('elected: this replica leads'));
  return z.object({ identity: z.string() }).parse(line).identity;
}

async function takesOver(standby: Program, after: string): Promise<void> {
  const from = performance.now();
  await standby.logged(WORKS);
  process.stdout.write(
    `after ${after} the other replica works in ${Math.round(performance.now() - from)} ms\n`,
  );
}

test.concurrent('SIGTERM: the lease is given back, and the other replica works', {
  timeout: 90_000,
}, async context => {
  const { cluster, leader, standby } = await pair(context);
  expect(await standby.get('/readyz')).toEqual({
    status: 200,
    text: `[+]synced ok: standby, ${lease(cluster).holderIdentity} leads\n`,
  });
  expect((await standby.get('/metrics')).text).toContain('\ntokensync_leader 0\n');
  const holders: string[] = [];
  cluster.api.listen(() => {
    const { holderIdentity } = lease(cluster);
    if (holderIdentity !== holders.at(-1)) holders.push(holderIdentity);
  });
  leader.signal('SIGTERM');
  await takesOver(standby, 'SIGTERM');
  expect(await leader.exited).toEqual({ code: 0, signal: null });
  expect(holders).toEqual(['', await identity(standby)]);
  expect((await standby.get('/metrics')).text).toContain('\ntokensync_leader 1\n');
  expect(await standby.get('/readyz')).toEqual({ status: 200, text: '[+]synced ok\n' });
});

test.concurrent('SIGKILL: the other replica works once the lease has run out', {
  timeout: 90_000,
}, async context => {
  const { cluster, leader, standby } = await pair(context);
  leader.signal('SIGKILL');
  await takesOver(standby, 'SIGKILL');
  expect(lease(cluster)).toEqual({ holderIdentity: await identity(standby), leaseTransitions: 1 });
});

test.concurrent('SIGSTOP past the lease, and SIGCONT: the former leader ends with 1 and one clear line', {
  timeout: 90_000,
}, async context => {
  const { cluster, leader, standby } = await pair(context);
  leader.signal('SIGSTOP');
  await takesOver(standby, 'SIGSTOP');
  leader.signal('SIGCONT');
  expect(await leader.exited).toEqual({ code: 1, signal: null });
  expect(leader.lines.filter(line => line.includes('"level":"error"'))).toEqual([
    expect.stringContaining('deposed: another replica held the lease, so this one ends') as unknown,
  ]);
  expect(leader.stderr).toBe('');
  expect(lease(cluster).holderIdentity).toBe(await identity(standby));
});
