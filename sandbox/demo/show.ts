import { readCredential } from '../../src/kube/objects.ts';
import type { Manifest } from './client.ts';
import type { Cluster } from './cluster.ts';
import { happeningOf, logLineOf } from './happenings.ts';
import { OperatorProcess } from './operator.ts';
import { lineOf, type Row, signatureOf, tableOf } from './rows.ts';
import { Screen } from './screen.ts';
import { Verdict } from './verdict.ts';

export const NAMESPACE = 'demo';
export const OPERATOR_NAMESPACE = 'tokensync-system';
/** The one whose token lives for two minutes. */
const SHORT_LIVED = 'sendfact-token';
const MISTYPED = 'mistyped';
/** Shortened, so that the mistyped password stalls while one looks on; see `--help` of the operator. */
const REJECTION_DELAYS = '2s,5s';
const REDRAW_MS = 500;
const DRAIN_MS = 30_000;

/** The parts of one run, so that its end can put them away in order. */
export class Demo {
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
    this.#verdict = new Verdict({ ready: good, refreshed: SHORT_LIVED, stalled: MISTYPED });
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

  /** What is not as it should be, so far. */
  problems(): string[] {
    return this.#verdict.problems();
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
      ...tableOf(rows, now),
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

function defaultFlowOf(definition: Manifest): string {
  const spec = definition.spec as { defaultFlow?: string; flows: { name: string }[] };
  return spec.defaultFlow ?? spec.flows[0]?.name ?? '';
}
