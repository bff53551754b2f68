import { z } from 'zod';
import { parseDuration } from './api/duration.ts';
import { DNS_LABEL, DNS_SUBDOMAIN } from './api/schema.ts';
import { parseBindAddress } from './observe/bind-address.ts';

/** Every flag: what `--help` and the docs say of it, and how its text is read. */

export interface Setting<T = unknown> {
  /** Without dashes. */
  readonly flag: string;
  /** The first that is set and not empty counts; a flag wins over all. */
  readonly env: readonly string[];
  /** What stands for the value in the help; absent for a flag that may stand alone. */
  readonly placeholder?: string;
  /** As text, as if given. */
  readonly default: string;
  readonly help: string;
  /** Completes "expects …". */
  readonly expects: string;
  readonly schema: z.ZodType<T, string>;
}

/** @param read undefined when the text doesn't fit. */
function reading<T>(read: (text: string) => T | undefined): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: 'unexpected' });
    return z.NEVER;
  });
}

const namespace = (text: string): boolean => text.length <= 63 && new RegExp(DNS_LABEL).test(text);

const setting = <T>(own: Setting<T>): Setting<T> => own;
/** The variable follows from the flag. */
const own = <T>(flag: string, rest: Omit<Setting<T>, 'flag' | 'env'>): Setting<T> => ({
  flag,
  env: [`TOKENSYNC_${flag.toUpperCase().replaceAll('-', '_')}`],
  ...rest,
});

const duration = (
  flag: string,
  { min, max, ...rest }: { min: string; max: string; default: string; help: string },
): Setting<number> => {
  const [least = 0, most = 0] = [parseDuration(min), parseDuration(max)];
  return own(flag, {
    ...rest,
    placeholder: 'DURATION',
    expects: `a duration from ${min} to ${max}, such as ${rest.default}`,
    schema: reading(text => {
      const ms = parseDuration(text);
      return ms !== undefined && ms >= least && ms <= most ? ms : undefined;
    }),
  });
};

const oneOf = <const T extends string>(
  flag: string,
  values: readonly T[],
  rest: { default: T; help: string },
): Setting<T> =>
  own(flag, {
    ...rest,
    placeholder: values.join('|'),
    expects: `one of ${values.join(', ')}`,
    schema: reading(text => values.find(value => value === text)),
  });

/** For what stands alone on the command line. */
const boolean = {
  expects: 'true or false',
  schema: reading(text => (text === 'true' ? true : text === 'false' ? false : undefined)),
};

const bindAddress = (flag: string, rest: { default: string; help: string }) =>
  own(flag, {
    ...rest,
    placeholder: 'ADDRESS',
    expects: 'host:port, :port, or 0 for none, such as :8080, 127.0.0.1:8080 or [::1]:8080',
    schema: reading(parseBindAddress),
  });

export const SETTINGS = {
  kubeconfig: setting({
    flag: 'kubeconfig',
    env: ['KUBECONFIG'],
    placeholder: 'FILE',
    default: '',
    help: 'Cluster to work for. Without it, and in a pod, the pod’s own cluster; otherwise ~/.kube/config.',
    expects: 'a path',
    schema: z.string(),
  }),
  watchNamespaces: setting<readonly string[]>({
    flag: 'watch-namespaces',
    env: ['WATCH_NAMESPACES'],
    placeholder: 'NAME,…',
    default: '',
    help: 'Namespaces to serve, separated by commas. Default: all.',
    expects: 'names of namespaces, separated by commas',
    schema: reading(text => {
      // a forgotten name is no wish for all
      const names = text === '' ? [] : text.split(',').map(item => item.trim());
      return names.every(namespace) ? Object.freeze([...new Set(names)]) : undefined;
    }),
  }),
  operatorNamespace: setting<string>({
    flag: 'operator-namespace',
    env: ['OPERATOR_NAMESPACE', 'POD_NAMESPACE'],
    placeholder: 'NAME',
    default: '',
    help: 'Namespace of the operator’s own Secret and Leases. Default: the pod’s, or the kubeconfig context’s.',
    expects: 'the name of a namespace',
    schema: reading(text => (text === '' || namespace(text) ? text : undefined)),
  }),
  metricsBindAddress: bindAddress('metrics-bind-address', {
    default: ':8080',
    help: 'Where /metrics is served; 0 for nowhere.',
  }),
  metricsSecure: own('metrics-secure', {
    default: 'false',
    help: 'Serves /metrics over TLS, and only to who may get the URL /metrics in the cluster: a bearer token is asked for, and reviewed by the API server. Needs --metrics-cert-dir.',
    ...boolean,
  }),
  metricsCertDir: own<string>('metrics-cert-dir', {
    placeholder: 'FOLDER',
    default: '',
    help: 'Folder with tls.crt and tls.key for --metrics-secure, such as a mounted Secret of type kubernetes.io/tls. Read again when they change.',
    expects: 'a path',
    schema: z.string(),
  }),
  healthProbeBindAddress: bindAddress('health-probe-bind-address', {
    default: ':8081',
    help: 'Where /healthz and /readyz are served; 0 for nowhere.',
  }),
  maxConcurrentReconciles: own('max-concurrent-reconciles', {
    placeholder: 'NUMBER',
    default: '32',
    help: 'Credentials worked on at once.',
    expects: 'a whole number from 1 to 1024',
    schema: reading(text => {
      const number = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
      return number >= 1 && number <= 1024 ? number : undefined;
    }),
  }),
  kubeApiQps: own('kube-api-qps', {
    placeholder: 'NUMBER',
    default: '0',
    help: 'Writes to the API server in a second, at most; two seconds’ worth may go at once. Leases are not counted, nor what only reads. 0: no limit, as the API server’s own priority and fairness does it better.',
    expects: 'a number from 0 to 10000, such as 50',
    schema: reading(text => {
      const number = /^[0-9]{1,5}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : Number.NaN;
      return number <= 10_000 ? number : undefined;
    }),
  }),
  propagationMarginMs: duration('propagation-margin', {
    min: '0s',
    max: '1h',
    default: '95s',
    help: 'How long a changed Secret may take to reach a pod that mounts it: the old token outlives the new one’s writing by this.',
  }),
  rejectionDelaysMs: own<readonly number[]>('rejection-delays', {
    placeholder: 'DURATION,…',
    default: '1m,10m',
    help: 'Waits between the first refused logins of inputs that never worked; the last one repeats. Shorten it only for a demo: it guards accounts from being locked.',
    expects: 'one to nine durations of 100ms to 24h, separated by commas, such as 1m,10m',
    schema: reading(text => {
      const delays = text.split(',').map(item => parseDuration(item.trim()) ?? 0);
      const fit = delays.length <= 9 && delays.every(ms => ms >= 100 && ms <= 86_400_000);
      return fit ? Object.freeze(delays) : undefined;
    }),
  }),
  logLevel: oneOf('log-level', ['debug', 'info', 'warn', 'error'], {
    default: 'info',
    help: 'The least severe lines that are logged.',
  }),
  logFormat: oneOf('log-format', ['json', 'pretty'], {
    default: 'json',
    help: 'One JSON object a line, or lines for people.',
  }),
  metricsPerCredential: oneOf('metrics-per-credential', ['auto', 'on', 'off'], {
    default: 'auto',
    help: 'Series for each credential in /metrics. auto: up to 5,000 credentials. Without them alerts count credentials, and do not name them.',
  }),
  leaderElect: own('leader-elect', {
    default: 'true',
    help: 'Works only while it holds the Lease, so that of several replicas one works and the others stand by. false for development, or where there is exactly one replica and never two at once: then no Lease is read or taken.',
    ...boolean,
  }),
  leaseDurationMs: duration('leader-elect-lease-duration', {
    min: '1s',
    max: '10m',
    default: '15s',
    help: 'How long standbys wait for a leader that they no longer hear of.',
  }),
  renewDeadlineMs: duration('leader-elect-renew-deadline', {
    min: '200ms',
    max: '10m',
    default: '10s',
    help: 'A leader that could not renew its lease for so long starts nothing new. Shorter than the lease’s duration.',
  }),
  retryPeriodMs: duration('leader-elect-retry-period', {
    min: '100ms',
    max: '1m',
    default: '2s',
    help: 'From one renewal of the lease, or one try to take it, to the next. The renew deadline is longer than 1.2 of them.',
  }),
  leaseName: own<string>('leader-elect-resource-name', {
    placeholder: 'NAME',
    default: 'tokensync',
    help: 'The Lease, in the operator’s namespace. Operators that share that namespace and serve different ones need a name each.',
    expects: 'a DNS name, such as tokensync',
    schema: reading(text => (text.length <= 253 && new RegExp(DNS_SUBDOMAIN).test(text) ? text : undefined)),
  }),
  shards: own('shards', {
    placeholder: 'NUMBER',
    default: '1',
    help: 'Into how many parts the work is divided, each with a Lease of its own, so that as many replicas can work at once. The same for all replicas. 1: one replica works, the others stand by.',
    expects: 'a whole number from 1 to 64',
    schema: reading(text => {
      const number = /^[0-9]{1,2}$/.test(text) ? Number(text) : 0;
      return number >= 1 && number <= 64 ? number : undefined;
    }),
  }),
  shutdownTimeoutMs: duration('shutdown-timeout', {
    min: '1s',
    max: '10m',
    default: '25s',
    help: 'How long what is under way may take to end after SIGTERM.',
  }),
};

export type Values = { readonly [K in keyof typeof SETTINGS]: z.output<(typeof SETTINGS)[K]['schema']> };
