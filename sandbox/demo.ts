import { parseArgs } from 'node:util';
import { formatDuration, parseDuration } from '../src/api/duration.ts';
import { type Cluster, startCluster } from './demo/cluster.ts';
import type { Manifest } from './demo/client.ts';
import { manifestsIn, openAccounts, trusting } from './demo/examples.ts';
import { Demo, NAMESPACE, OPERATOR_NAMESPACE } from './demo/show.ts';

const HELP = `npm run demo [-- --for DURATION]

Runs the operator against a cluster and five providers that live on this machine alone: no cluster, no account and
no network are needed. Shows each credential, and what happens as it happens.

  --for DURATION   Ends after so long, as 45s or 2m. Exit code 0 only when every good credential was Ready, the
                   token that lives for two minutes was refreshed, and the one with a wrong password stalled; needs
                   40s. Without it: until Ctrl-C.
  --help           This text.
`;

/** Everything that a user would `kubectl apply`. @returns the names of the credentials that can work. */
async function applyAll(cluster: Cluster, definitions: readonly Manifest[]): Promise<string[]> {
  const examples = manifestsIn('deploy/examples');
  const good = openAccounts(cluster.providers, examples);
  const namespaces = [NAMESPACE, OPERATOR_NAMESPACE].map(name => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  }));
  const all = [
    ...namespaces,
    ...manifestsIn('crds'),
    ...definitions.map(definition => trusting(definition, cluster.ca)),
    ...examples,
    ...manifestsIn('sandbox/demo/wrong-password.yaml'),
  ];
  for (const manifest of all) await cluster.client.apply(manifest, NAMESPACE);
  return good;
}

function readFlags(argv: string[]): { forMs: number | undefined } | string {
  try {
    const { values } = parseArgs({
      args: argv,
      options: { for: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help === true) return HELP;
    const forMs = values.for === undefined ? undefined : parseDuration(values.for);
    if (values.for === undefined || forMs !== undefined) return { forMs };
  } catch {
    // an unknown flag
  }
  process.exitCode = 2;
  return `demo: expected --for DURATION, such as --for 45s, or nothing\n\n${HELP}`;
}

async function main(): Promise<void> {
  const flags = readFlags(process.argv.slice(2));
  if (typeof flags === 'string') {
    (process.exitCode === 2 ? process.stderr : process.stdout).write(flags);
    return;
  }
  const cluster = await startCluster(NAMESPACE);
  process.stdout.write('A cluster and five providers run on this machine; all accounts are made up.\n');
  process.stdout.write(`Look at it meanwhile: kubectl --kubeconfig ${cluster.kubeconfig} get pcred\n\n`);
  const definitions = manifestsIn('deploy/providers');
  const demo = new Demo(cluster, definitions, await applyAll(cluster, definitions));
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signals++;
      if (signals === 1) return demo.end();
      demo.kill();
      process.exit(130);
    });
  }
  const problem = await demo.run(flags.forMs);
  await demo.stop();
  const problems = problem !== undefined ? [problem] : flags.forMs === undefined ? [] : demo.problems();
  if (problems.length > 0) {
    process.stdout.write(`\nNot as it should be: ${problems.join('; ')}.\n`);
    process.exitCode = 1;
  } else if (flags.forMs !== undefined) {
    process.stdout.write(
      `\nAs it should be, for ${formatDuration(flags.forMs)}: all seven flows were Ready, the two-minute token was refreshed, and the wrong password stalled.\n`,
    );
  }
}

await main();
