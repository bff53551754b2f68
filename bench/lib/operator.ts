import { closeSync, existsSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { transformSync } from 'esbuild';
import { request } from 'undici';
import { z } from 'zod';
import { temporaryBundle } from '../../scripts/temporary-bundle.ts';
import { Child, pathOf } from './child.ts';
import { OPERATOR_NAMESPACE, type Place } from './place.ts';

let made: Promise<string> | undefined;

/** Makes the bundle as the image has it, once. It is gone when we are. @returns its path. */
export function bundle(): Promise<string> {
  made ??= temporaryBundle();
  return made;
}

export const SOURCE = pathOf('../src/main.ts');

/** The bundle; in a smoke test, where it is not worth its making, the source. */
export const program = (smoke: boolean): string | Promise<string> => (smoke ? SOURCE : bundle());

/** Plain JavaScript: to read TypeScript, Node takes 15 MB that would be counted as the operator's. @returns its path. */
function probeIn(folder: string): string {
  const path = join(folder, 'probe.mjs');
  // Another operator may be reading it.
  if (existsSync(path)) return path;
  const text = readFileSync(pathOf('probe.ts'), 'utf8');
  writeFileSync(path, transformSync(text, { loader: 'ts' }).code);
  return path;
}

/** What the image gives the program: its environment. */
export const IMAGE_ENV: Readonly<Record<string, string>> = Object.fromEntries(
  [...readFileSync(pathOf('../Dockerfile'), 'utf8').matchAll(/^(?:ENV| {3}) ([A-Z_]+)=(\S+)/gm)].map(
    ([, name = '', value = '']) => [name, value],
  ),
);

const LIVE = /^tokensync_credentials_state\{.*state="live".*\} (\d+)$/gm;
/** Credentials of all providers whose Secret holds a live token, by what the operator shows. */
export function liveIn(metrics: string): number {
  let sum = 0;
  for (const [, count] of metrics.matchAll(LIVE)) sum += Number(count);
  return sum;
}

const Started = z.object({ metrics: z.string() });
let started = 0;

/** The operator as a pod runs it: the image's environment, a service account, its log into a file. */
export class Operator {
  readonly child: Child;
  readonly #log: string;
  readonly #output: number;

  constructor(
    place: Place,
    script: string,
    options: {
      readonly flags?: readonly string[];
      readonly node?: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    } = {},
  ) {
    const { flags = [], node = [], env = IMAGE_ENV } = options;
    this.#log = join(place.folder, `operator-${++started}.log`);
    this.#output = openSync(this.#log, 'w', 0o600);
    const { hostname, port } = new URL(place.url);
    this.child = new Child(script, {
      output: this.#output,
      node: [...node, '--import', probeIn(place.folder)],
      args: ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=0', ...flags],
      env: {
        NODE_ENV: 'production',
        KUBERNETES_SERVICE_HOST: hostname,
        KUBERNETES_SERVICE_PORT: port,
        POD_NAMESPACE: OPERATOR_NAMESPACE,
        BENCH_SERVICE_ACCOUNT: place.serviceAccount,
        ...env,
      },
    });
  }

  /** Bytes that it has logged. */
  get logged(): number {
    return fstatSync(this.#output).size;
  }

  /** What it shows at /metrics. */
  async metrics(): Promise<string> {
    const line = await this.#logged('tokensync starts');
    const { metrics } = Started.parse(JSON.parse(line ?? '{}'));
    const { body } = await request(`http://${metrics}/metrics`);
    return body.text();
  }

  /** Requests to the API server that were answered, by its own metrics; watches are none. */
  async apiRequests(): Promise<number> {
    let sum = 0;
    for (const [verb, count] of await this.apiCalls()) if (verb !== 'watch') sum += count;
    return sum;
  }

  /** The same by verb. */
  async apiCalls(): Promise<ReadonlyMap<string, number>> {
    const calls = new Map<string, number>();
    const samples = (await this.metrics()).matchAll(
      /^tokensync_api_requests_total\{.*verb="(\w+)".*\} (\d+)$/gm,
    );
    for (const [, verb = '', value] of samples) calls.set(verb, (calls.get(verb) ?? 0) + Number(value));
    return calls;
  }

  /** Whether it knows all that it watches. */
  async synced(): Promise<boolean> {
    return (await this.#logged('watching; work begins')) !== undefined;
  }

  async #logged(text: string): Promise<string | undefined> {
    return (await readFile(this.#log, 'utf8')).split('\n').find(line => line.includes(text));
  }

  /** The end of its log, for the message of a failure. */
  async said(): Promise<string> {
    const lines = (await readFile(this.#log, 'utf8')).trim().split('\n');
    return `${lines.length} lines were logged, at last:\n${lines.slice(-5).join('\n')}`;
  }

  /** In order, as a rollout stops it. */
  async stop(): Promise<void> {
    const overdue = new AbortController();
    void delay(30_000, undefined, { signal: overdue.signal }).then(
      () => this.child.stop(),
      () => {},
    );
    await this.child.stop('SIGTERM');
    overdue.abort();
    closeSync(this.#output);
  }
}
