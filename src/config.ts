import { homedir } from 'node:os';
import { parseArgs } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { kubeconfigPaths } from './kube/kubeconfig-file.ts';
import type { BindAddress } from './observe/bind-address.ts';
import { type ProxySettings, proxySettings } from './provider/proxy.ts';
import { SETTINGS, type Setting, type Values } from './settings.ts';

/** Flags and environment, read once. */

export type Env = Readonly<Record<string, string | undefined>>;

export interface Config extends Omit<Values, 'kubeconfig' | 'operatorNamespace'> {
  readonly cluster:
    | { readonly kind: 'in-cluster' }
    | { readonly kind: 'kubeconfig'; readonly paths: readonly string[] };
  /** Absent when neither flag nor environment says it. */
  readonly operatorNamespace?: string;
  readonly metricsBindAddress: BindAddress | 'off';
  readonly healthProbeBindAddress: BindAddress | 'off';
  /** For requests to providers; may hold a password. */
  readonly proxy: ProxySettings;
  readonly version: string;
}

export type Parsed =
  | { readonly kind: 'run'; readonly config: Config }
  | {
      readonly kind: 'print';
      readonly text: string;
      /** 0 for what was asked for, 2 for mistakes. */
      readonly code: 0 | 2;
    };

/**
 * @param argv without node and the script.
 * @returns what to run with; or what to print, and the exit code: help, version, or all mistakes at once.
 */
export function parseConfig(argv: readonly string[], env: Env): Parsed {
  const problems: string[] = [];
  const flags = readFlags(argv, problems);
  if (flags.has('help')) return { kind: 'print', text: helpText(), code: 0 };
  if (flags.has('version')) return { kind: 'print', text: `tokensync ${manifest.version}\n`, code: 0 };
  const values = readValues(flags, env, problems);
  const proxy = proxySettings(env);
  problems.push(...proxy.problems);
  if (problems.length > 0 || values === undefined) {
    const text = `${problems.map(problem => `tokensync: ${problem}\n`).join('')}See tokensync --help.\n`;
    return { kind: 'print', text, code: 2 };
  }
  const { kubeconfig, operatorNamespace, ...rest } = values;
  const config: Config = {
    ...rest,
    cluster: Object.freeze(
      kubeconfig === '' && env.KUBERNETES_SERVICE_HOST
        ? { kind: 'in-cluster' as const }
        : {
            kind: 'kubeconfig' as const,
            paths: kubeconfigPaths(flags.get('kubeconfig'), env, env.HOME || homedir()),
          },
    ),
    ...(operatorNamespace !== '' && { operatorNamespace }),
    proxy: Object.freeze(proxy.settings),
    version: manifest.version,
  };
  return { kind: 'run', config: Object.freeze(config) };
}

const ALL: readonly Setting[] = Object.values(SETTINGS);

/** @returns the last text given for each flag. Mistakes are gathered, where `parseArgs` on its own would stop at the first. */
function readFlags(argv: readonly string[], problems: string[]): ReadonlyMap<string, string> {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean' },
  };
  for (const { flag, placeholder } of ALL)
    options[flag] = { type: placeholder === undefined ? 'boolean' : 'string' };
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const flags = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === 'positional') problems.push(`unexpected argument ${JSON.stringify(token.value)}`);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) problems.push(`unknown flag ${token.rawName}`);
    // a flag that stands alone means true; `--flag=false` is how Go programs take the contrary
    else if (option.type === 'boolean') flags.set(token.name, token.value ?? 'true');
    else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('-')))
      problems.push(`--${token.name} expects a value`);
    else flags.set(token.name, token.value);
  }
  return flags;
}

function readValues(flags: ReadonlyMap<string, string>, env: Env, problems: string[]): Values | undefined {
  const before = problems.length;
  const read = <T>(setting: Setting<T>): T | undefined => {
    const flag = flags.get(setting.flag);
    const name = setting.env.find(variable => env[variable]);
    const text = flag ?? (name === undefined ? setting.default : (env[name] ?? ''));
    const parsed = setting.schema.safeParse(text);
    if (parsed.success) return parsed.data;
    const where = flag !== undefined || name === undefined ? `--${setting.flag}` : name;
    problems.push(`${where} expects ${setting.expects}; it is ${JSON.stringify(text)}`);
    return undefined;
  };
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(SETTINGS)) values[name] = read<unknown>(setting);
  if (problems.length > before) return undefined;
  problems.push(...leaseProblems(values as Values), ...secureProblems(values as Values));
  return values as Values;
}

/** Each time leaves room for the shorter ones, or a leader would lose its lease by keeping to the rules. */
function leaseProblems({
  leaseDurationMs,
  renewDeadlineMs,
  retryPeriodMs,
  shards,
  leaderElect,
}: Values): string[] {
  const problems: string[] = [];
  if (shards > 1 && !leaderElect) problems.push('--shards needs --leader-elect');
  if (leaseDurationMs <= renewDeadlineMs)
    problems.push('--leader-elect-lease-duration must be longer than --leader-elect-renew-deadline');
  if (renewDeadlineMs <= 1.2 * retryPeriodMs)
    problems.push('--leader-elect-renew-deadline must be longer than 1.2 times --leader-elect-retry-period');
  return problems;
}

function secureProblems({
  metricsSecure,
  metricsCertDir,
  metricsBindAddress: metrics,
  healthProbeBindAddress: probes,
}: Values): string[] {
  if (!metricsSecure || metrics === 'off') return [];
  const problems: string[] = [];
  if (metricsCertDir === '') problems.push('--metrics-secure needs --metrics-cert-dir');
  if (probes !== 'off' && metrics.host === probes.host && metrics.port === probes.port && probes.port !== 0)
    problems.push(
      '--metrics-secure needs a --metrics-bind-address other than --health-probe-bind-address: probes have no token',
    );
  return problems;
}

const WIDTH = 100;
const INDENT = 6;

export function helpText(): string {
  const flags = ALL.map(setting => {
    const { flag, placeholder, env, help } = setting;
    const head = `  --${flag}${placeholder === undefined ? '[=false]' : ` ${placeholder}`}`;
    const text = `${help}${setting.default === '' ? '' : ` Default: ${setting.default}.`} Environment: ${env.join(', then ')}.`;
    return `${head}\n${wrap(text)}`;
  });
  return [
    'tokensync keeps Kubernetes Secrets holding live API tokens.\n',
    'Usage: tokensync [flags]\n',
    ...flags,
    `  --help\n${wrap('This text.')}`,
    `  --version\n${wrap('The version.')}\n`,
    `${wrap('Requests to providers go through HTTPS_PROXY and HTTP_PROXY, but for hosts in NO_PROXY. A flag wins over its variable.', 0)}\n`,
  ].join('\n');
}

function wrap(text: string, indent = INDENT): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines.splice(-1, 1, `${last} ${word}`);
    else lines.push(' '.repeat(indent) + word);
  }
  return lines.join('\n');
}
