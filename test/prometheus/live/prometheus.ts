import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { stringify } from 'yaml';
import { z } from 'zod';
import { readRules } from '../../../scripts/prometheus-rule.ts';

export const hasPrometheus = (): boolean => spawnSync('prometheus', ['--version']).error === undefined;

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  return address.port;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** How often Prometheus looks, s. */
const INTERVAL = 1;
/** A rate needs some samples. */
const LEAST_RANGE = 5 * INTERVAL;

/**
 * The shipped rules with a minute made a second, and nothing else: each `for`, each group's `interval`, and each range in brackets,
 * which is no shorter than five scrapes.
 */
async function fasterRules(): Promise<string> {
  const faster = (duration: string, least: number): string =>
    `${Math.max(least, Math.ceil((Number.parseInt(duration, 10) * (UNITS[duration.slice(-1)] ?? 1)) / 60))}s`;
  const { groups } = await readRules();
  return stringify({
    groups: groups.map(group => ({
      ...group,
      ...(typeof group.interval === 'string' && { interval: faster(group.interval, INTERVAL) }),
      rules: group.rules.map(rule => ({
        ...rule,
        ...(typeof rule.for === 'string' && { for: faster(rule.for, INTERVAL) }),
        expr: rule.expr.replaceAll(
          /\[(\d+[smhd])\]/g,
          (_, range: string) => `[${faster(range, LEAST_RANGE)}]`,
        ),
      })),
    })),
  });
}

const Labels = z.record(z.string(), z.string());
/** A time, s since 1970, and a value. */
const Sample = z
  .tuple([z.number(), z.string()])
  .transform(([at, value]): readonly [number, number] => [at, Number(value)]);
const Instant = z.object({
  data: z.object({ result: z.array(z.object({ metric: Labels, value: Sample })) }),
});
const Range = z.object({
  data: z.object({ result: z.array(z.object({ metric: Labels, values: z.array(Sample) })) }),
});

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Each a time, s since 1970, and a finite value. */
  readonly samples: readonly (readonly [number, number])[];
}

const finite = ([, value]: readonly [number, number]): boolean => Number.isFinite(value);

/** A Prometheus on loopback that looks at one target every second, with the shipped rules made faster. */
export class Prometheus {
  readonly #child: ChildProcess;
  readonly #url: string;
  readonly #folder: string;

  private constructor(child: ChildProcess, url: string, folder: string) {
    this.#child = child;
    this.#url = url;
    this.#folder = folder;
  }

  static async start(target: string): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'tokensync-prometheus-'));
    const config = {
      global: { scrape_interval: `${INTERVAL}s`, evaluation_interval: `${INTERVAL}s` },
      rule_files: ['rules*.yaml'],
      scrape_configs: [
        { job_name: 'tokensync', honor_labels: true, static_configs: [{ targets: [target] }] },
      ],
    };
    await writeFile(join(folder, 'prometheus.yaml'), stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yaml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        '--log.level=warn',
      ],
      { stdio: 'ignore' },
    );
    const started = new Prometheus(child, `http://${address}`, folder);
    try {
      // It looks at its targets for the first time after some five seconds: to rules in a hurry that is an absence.
      await started.until('up', found => found.length === 1);
      await writeFile(join(folder, 'rules.yaml'), await fasterRules());
      child.kill('SIGHUP');
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  /** @returns the labels of what the query finds; undefined while Prometheus does not answer. */
  async query(query: string): Promise<Record<string, string>[] | undefined> {
    try {
      const { data } = Instant.parse(await this.#ask('query', { query }));
      return data.result.map(({ metric }) => metric);
    } catch {
      return undefined;
    }
  }

  /** What the query finds now, as series of one sample; none that is not a finite number. */
  async now(query: string): Promise<Series[]> {
    const { data } = Instant.parse(await this.#ask('query', { query }));
    return data.result
      .map(({ metric, value }) => ({ labels: metric, samples: [value].filter(finite) }))
      .filter(({ samples }) => samples.length > 0);
  }

  /** @param from in s since 1970, as `to`. */
  async range(query: string, from: number, to: number): Promise<Series[]> {
    const asked = { query, start: `${from}`, end: `${to}`, step: `${INTERVAL}` };
    const { data } = Range.parse(await this.#ask('query_range', asked));
    return data.result
      .map(({ metric, values }) => ({ labels: metric, samples: values.filter(finite) }))
      .filter(({ samples }) => samples.length > 0);
  }

  async #ask(what: string, asked: Readonly<Record<string, string>>): Promise<unknown> {
    const { statusCode, body } = await request(`${this.#url}/api/v1/${what}?${new URLSearchParams(asked)}`);
    const answer: unknown = await body.json();
    if (statusCode !== 200) throw new Error(`Prometheus says ${statusCode}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Asks until `enough` holds of the answer. @returns that answer. */
  async until(
    query: string,
    enough: (found: readonly Record<string, string>[]) => boolean,
    timeoutMs = 120_000,
  ): Promise<readonly Record<string, string>[]> {
    const late = Date.now() + timeoutMs;
    for (;;) {
      const found = await this.query(query);
      if (found !== undefined && enough(found)) return found;
      if (Date.now() > late)
        throw new Error(`not in ${timeoutMs} ms: ${query}; it is ${JSON.stringify(found)}`);
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }

  async stop(): Promise<void> {
    const ended = this.#child.exitCode === null ? once(this.#child, 'close') : undefined;
    this.#child.kill('SIGKILL');
    await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
