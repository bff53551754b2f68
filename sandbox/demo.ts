import { parseArgs } from 'node:util';
import { formatDuration, parseDuration } from '../src/api/duration.ts';
import { readCredential } from '../src/kube/objects.ts';
import { type Cluster, startCluster } from './demo/cluster.ts';
import type { Manifest } from './demo/client.ts';
import { manifestsIn, openAccounts, trusting } from './demo/examples.ts';
import { happeningOf, logLineOf } from './demo/happenings.ts';
import { OperatorProcess } from './demo/operator.ts';
import { lineOf, type Row, signatureOf } from './demo/rows.ts';
import { Screen } from './demo/screen.ts';
import { Verdict } from './demo/verdict.ts';

const HELP = `npm run demo [-- --for DURATION]

Runs the operator against a cluster and five providers that live on this machine alone: no cluster, no account and
no network are needed. Shows each credential, and what happens as it happens.

  --for DURATION   Ends after so long, as 45s or 2m. Exit code 0 only when every good credential was Ready and the
                   token that lives for two minutes was refreshed; needs 40s. Without it: until Ctrl-C.
  --help           This text.
`;

const NAMESPACE = 'demo';
const OPERATOR_NAMESPACE = 'tokensync-system';
/** The one whose token lives for two minutes. */
const SHORT_LIVED = 'sendfact-token';
/** Shortened, so that the mistyped password stalls while one looks on; see `--help` of the operator. */
const REJECTION_DELAYS = '2s,5s';
const REDRAW_MS = 500;
const DRAIN_MS = 30_000;

/** The parts of one run, so that its end can put them away in order. */
class Demo {
  readonly #cluster: Cluster;
  readonly #screen = new Screen(process.stdout);
  readonly #rows = new Map<string, Row>();
  readonly #defaultFlows: ReadonlyMap<string, string>;
  readonly #verdict: Verdict;
  readonly #abort = new AbortController();
  readonly #told = new Set<string>();
  readonly #operator: OperatorProcess;
  readonly #ended = Promise.withResolvers<string | undefined>();
  #metrics = '';
  #stopping = false;

  constructor(cluster: Cluster, definitions: readonly Manifest[], good: readonly string[]) {
    this.#cluster = cluster;
    this.#defaultFlows = new Map(
      definitions.map(definition => [definition.metadata.name, defaultFlowOf(definition)]),
    );
    this.#verdict = new Verdict(good, SHORT_LIVED);
    const flags = {
      '--kubeconfig': cluster.kubeconfig,
      '--operator-namespace': OPERATOR_NAMESPACE,
      '--metrics-bind-address': '127.0.0.1:0',
      '--health-probe-bind-address': '127.0.0.1:0',
      '--rejection-delays': REJECTION_DELAYS,
    };
    this.#say(
      `HTTPS_PROXY=${cluster.proxyUrl} tokensync ${Object.entries(flags)
        .map(flag => flag.join(' '))
        .join(' ')}`,
    );
    this.#operator = new OperatorProcess({
      flags: Object.entries(flags).flat(),
      env: {
        PATH: process.env.PATH ?? '',
        HTTPS_PROXY: cluster.proxyUrl,
        NO_PROXY: '127.0.0.1',
      },
      onLog: fields => this.#onLog(fields),
      onExit: code => {
        if (!this.#stopping) this.#ended.resolve(`the operator ended with exit code ${code}`);
      },
    });
  }

  /** Looks on until `end` is called, or something breaks. @returns what went wrong. */
  async run(forMs: number | undefined): Promise<string | undefined> {
    const { client } = this.#cluster;
    const broken = (error: unknown): void => this.#ended.resolve(String(error));
    const { signal } = this.#abort;
    const credentials = `/apis/tokensync.dev/v1alpha1/namespaces/${NAMESPACE}/providercredentials`;
    client.follow(credentials, object => this.#onCredential(object), signal).catch(broken);
    client.follow('/apis/events.k8s.io/v1/events', object => this.#onEvent(object), signal).catch(broken);
    const redraw = setInterval(() => this.#draw(), REDRAW_MS);
    const over = forMs === undefined ? undefined : setTimeout(() => this.end(), forMs);
    const problem = await this.#ended.promise;
    clearInterval(redraw);
    clearTimeout(over);
    return problem;
  }

  end(): void {
    this.#ended.resolve(undefined);
  }

  /** What has not been seen that should have been. */
  missing(): string[] {
    return this.#verdict.missing();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#operator.stop(DRAIN_MS);
    this.#abort.abort();
    await this.#cluster.close();
  }

  kill(): void {
    this.#operator.kill();
    this.#cluster.cleanUp();
  }

  #onLog(fields: Readonly<Record<string, unknown>>): void {
    if (typeof fields.metrics === 'string') this.#metrics = `http://${fields.metrics}/metrics`;
    this.#say(logLineOf(fields));
  }

  #onEvent(event: unknown): void {
    const happening = happeningOf(event);
    if (happening === undefined || this.#told.has(happening.id)) return;
    this.#told.add(happening.id);
    this.#say(happening.line);
  }

  #onCredential(object: unknown): void {
    const credential = readCredential(object);
    if (credential?.spec === undefined) return;
    const { metadata, spec, status } = credential;
    const provider = spec.providerRef.name;
    const flow = spec.flow ?? this.#defaultFlows.get(provider) ?? '';
    const row: Row = { name: metadata.name, provider, flow, status };
    const before = this.#rows.get(row.name);
    this.#rows.set(row.name, row);
    this.#verdict.see(row);
    if (this.#screen.live) this.#draw();
    else if (before === undefined || signatureOf(before) !== signatureOf(row))
      this.#say(lineOf(row, Date.now()));
  }

  #draw(): void {
    const now = Date.now();
    const rows = [...this.#rows.values()].toSorted((a, b) => a.name.localeCompare(b.name));
    this.#screen.show([
      '',
      ...rows.map(row => lineOf(row, now)),
      '',
      `kubectl --kubeconfig ${this.#cluster.kubeconfig} get pcred`,
      ...(this.#metrics === '' ? [] : [`curl -s ${this.#metrics}`]),
      'Ctrl-C ends it.',
    ]);
  }

  #say(line: string): void {
    this.#screen.say(`${new Date().toISOString().slice(11, 19)} ${line}`);
  }
}

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

function defaultFlowOf(definition: Manifest): string {
  const spec = definition.spec as { defaultFlow?: string; flows: { name: string }[] };
  return spec.defaultFlow ?? spec.flows[0]?.name ?? '';
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
  const problems = problem !== undefined ? [problem] : flags.forMs === undefined ? [] : demo.missing();
  if (problems.length > 0) {
    process.stdout.write(`\nNot as it should be: ${problems.join('; ')}.\n`);
    process.exitCode = 1;
  } else if (flags.forMs !== undefined) {
    process.stdout.write(
      `\nAs it should be, for ${formatDuration(flags.forMs)}: all seven flows were Ready, and the two-minute token was refreshed.\n`,
    );
  }
}

await main();
