import { describe, expect, test } from 'vitest';
import { type Config, helpText, parseConfig } from '../src/config.ts';
import { SETTINGS } from '../src/settings.ts';

const HOME = '/home/someone';
function run(argv: string[] = [], env: Record<string, string> = {}): Config {
  const parsed = parseConfig(argv, { HOME, ...env });
  if (parsed.kind === 'print') throw new Error(parsed.text);
  return parsed.config;
}
function mistakes(argv: string[], env: Record<string, string> = {}): string[] {
  const parsed = parseConfig(argv, { HOME, ...env });
  if (parsed.kind === 'run') throw new Error('accepted');
  expect(parsed.code).toBe(2);
  return parsed.text.trimEnd().split('\n').slice(0, -1);
}

test('defaults', () => {
  expect(run()).toEqual({
    cluster: { kind: 'kubeconfig', paths: [`${HOME}/.kube/config`] },
    watchNamespaces: [],
    metricsBindAddress: { port: 8080 },
    healthProbeBindAddress: { port: 8081 },
    kubeApiQps: 0,
    maxConcurrentReconciles: 32,
    propagationMarginMs: 95_000,
    rejectionDelaysMs: [60_000, 600_000],
    logLevel: 'info',
    logFormat: 'json',
    metricsPerCredential: 'auto',
    metricsSecure: false,
    metricsCertDir: '',
    leaderElect: true,
    leaseDurationMs: 15_000,
    renewDeadlineMs: 10_000,
    retryPeriodMs: 2000,
    leaseName: 'tokensync',
    shards: 1,
    shutdownTimeoutMs: 25_000,
    proxy: { except: [] },
    version: expect.stringMatching(/^[0-9]+\.[0-9]+\.[0-9]+/) as unknown,
  });
});

describe('each flag and variable', () => {
  test.each<[keyof Config, string, string, string, unknown]>([
    // setting, flag, variable, text, value
    ['watchNamespaces', 'watch-namespaces', 'WATCH_NAMESPACES', 'a, b,a', ['a', 'b']],
    ['operatorNamespace', 'operator-namespace', 'OPERATOR_NAMESPACE', 'ops', 'ops'],
    ['operatorNamespace', 'operator-namespace', 'POD_NAMESPACE', 'ops', 'ops'],
    ['metricsBindAddress', 'metrics-bind-address', 'TOKENSYNC_METRICS_BIND_ADDRESS', '0', 'off'],
    [
      'healthProbeBindAddress',
      'health-probe-bind-address',
      'TOKENSYNC_HEALTH_PROBE_BIND_ADDRESS',
      '[::1]:0',
      { host: '::1', port: 0 },
    ],
    [
      'maxConcurrentReconciles',
      'max-concurrent-reconciles',
      'TOKENSYNC_MAX_CONCURRENT_RECONCILES',
      '1024',
      1024,
    ],
    ['kubeApiQps', 'kube-api-qps', 'TOKENSYNC_KUBE_API_QPS', '12.5', 12.5],
    ['propagationMarginMs', 'propagation-margin', 'TOKENSYNC_PROPAGATION_MARGIN', '1m30s', 90_000],
    ['rejectionDelaysMs', 'rejection-delays', 'TOKENSYNC_REJECTION_DELAYS', '1s, 2s', [1000, 2000]],
    ['leaderElect', 'leader-elect', 'TOKENSYNC_LEADER_ELECT', 'false', false],
    ['leaseDurationMs', 'leader-elect-lease-duration', 'TOKENSYNC_LEADER_ELECT_LEASE_DURATION', '1m', 60_000],
    ['renewDeadlineMs', 'leader-elect-renew-deadline', 'TOKENSYNC_LEADER_ELECT_RENEW_DEADLINE', '5s', 5000],
    ['retryPeriodMs', 'leader-elect-retry-period', 'TOKENSYNC_LEADER_ELECT_RETRY_PERIOD', '1s', 1000],
    ['leaseName', 'leader-elect-resource-name', 'TOKENSYNC_LEADER_ELECT_RESOURCE_NAME', 'a.b', 'a.b'],
    ['logLevel', 'log-level', 'TOKENSYNC_LOG_LEVEL', 'debug', 'debug'],
    ['logFormat', 'log-format', 'TOKENSYNC_LOG_FORMAT', 'pretty', 'pretty'],
    ['metricsPerCredential', 'metrics-per-credential', 'TOKENSYNC_METRICS_PER_CREDENTIAL', 'off', 'off'],
    ['metricsCertDir', 'metrics-cert-dir', 'TOKENSYNC_METRICS_CERT_DIR', '/tls', '/tls'],
    ['shutdownTimeoutMs', 'shutdown-timeout', 'TOKENSYNC_SHUTDOWN_TIMEOUT', '1m', 60_000],
  ])('%s', (setting, flag, variable, text, value) => {
    expect(run([`--${flag}=${text}`])[setting]).toEqual(value);
    expect(run([], { [variable]: text })[setting]).toEqual(value);
    // a flag wins, also over a mistake in the variable
    expect(run([`--${flag}=${text}`], { [variable]: '!' })[setting]).toEqual(value);
    // an empty variable is none
    expect(run([], { [variable]: '' })[setting]).toEqual(run()[setting]);
    expect(helpText()).toContain(`--${flag}`);
    expect(helpText()).toContain(variable);
  });

  test('the value may stand apart, and the last one counts', () => {
    expect(run(['--log-level', 'warn', '--log-level', 'error']).logLevel).toBe('error');
  });

  test('OPERATOR_NAMESPACE comes before POD_NAMESPACE', () => {
    expect(run([], { POD_NAMESPACE: 'pod', OPERATOR_NAMESPACE: 'own' }).operatorNamespace).toBe('own');
  });

  test('what a Service of our name puts into the environment is no mistake', () => {
    expect(run([], { TOKENSYNC_PORT: 'tcp://10.0.0.1:80', TOKENSYNC_SERVICE_HOST: '10.0.0.1' })).toEqual(
      run(),
    );
  });
});

describe('the cluster', () => {
  const inPod = { KUBERNETES_SERVICE_HOST: '10.0.0.1' };
  test.each<[string[], Record<string, string>, Config['cluster']]>([
    [[], inPod, { kind: 'in-cluster' }],
    [['--kubeconfig='], inPod, { kind: 'in-cluster' }],
    [['--kubeconfig=/a'], inPod, { kind: 'kubeconfig', paths: ['/a'] }],
    [[], { ...inPod, KUBECONFIG: '/a:/b' }, { kind: 'kubeconfig', paths: ['/a', '/b'] }],
    [['--kubeconfig', '/c'], { KUBECONFIG: '/a:/b' }, { kind: 'kubeconfig', paths: ['/c'] }],
  ])('%j %j', (argv, env, cluster) => expect(run(argv, env).cluster).toEqual(cluster));
});

describe('mistakes', () => {
  test('all are told at once, each with its flag or variable and what it expects', () => {
    const found = mistakes(
      [
        '--log-level=loud',
        '--nonsense',
        '--max-concurrent-reconciles',
        '0',
        'stray',
        '-x',
        '--shutdown-timeout',
      ],
      {
        TOKENSYNC_PROPAGATION_MARGIN: '95',
        WATCH_NAMESPACES: 'a,B',
        POD_NAMESPACE: 'a.b',
        HTTPS_PROXY: 'socks5://u:canary@p',
      },
    );
    expect(found).toEqual([
      'tokensync: unknown flag --nonsense',
      'tokensync: unexpected argument "stray"',
      'tokensync: unknown flag -x',
      'tokensync: --shutdown-timeout expects a value',
      'tokensync: WATCH_NAMESPACES expects names of namespaces, separated by commas; it is "a,B"',
      'tokensync: POD_NAMESPACE expects the name of a namespace; it is "a.b"',
      'tokensync: --max-concurrent-reconciles expects a whole number from 1 to 1024; it is "0"',
      'tokensync: TOKENSYNC_PROPAGATION_MARGIN expects a duration from 0s to 1h, such as 95s; it is "95"',
      'tokensync: --log-level expects one of debug, info, warn, error; it is "loud"',
      'tokensync: HTTPS_PROXY must be an http:// or https:// URL',
    ]);
  });

  test('the times of leader election leave room for one another, and both mistakes are told', () => {
    const lease = (duration: string, deadline: string, retry: string): string[] => [
      `--leader-elect-lease-duration=${duration}`,
      `--leader-elect-renew-deadline=${deadline}`,
      `--leader-elect-retry-period=${retry}`,
    ];
    expect(mistakes(lease('10s', '10s', '9s'))).toEqual([
      'tokensync: --leader-elect-lease-duration must be longer than --leader-elect-renew-deadline',
      'tokensync: --leader-elect-renew-deadline must be longer than 1.2 times --leader-elect-retry-period',
    ]);
    expect(mistakes(lease('15s', '12s', '10s'))).toHaveLength(1);
    expect(run(lease('15s', '12001ms', '10s')).retryPeriodMs).toBe(10_000);
  });

  test.each([
    '--leader-elect=maybe',
    '--leader-elect-lease-duration=0s',
    '--leader-elect-resource-name=A',
    '--leader-elect-resource-name=',
    '--metrics-bind-address=8080',
    '--metrics-bind-address=:65536',
    '--metrics-bind-address=example.test:80',
    '--health-probe-bind-address=::1:80',
    '--health-probe-bind-address=[127.0.0.1]:80',
    '--health-probe-bind-address=',
    '--max-concurrent-reconciles=1025',
    '--max-concurrent-reconciles=1e1',
    '--kube-api-qps=-1',
    '--kube-api-qps=10001',
    '--kube-api-qps=1e3',
    '--propagation-margin=2h',
    '--propagation-margin=-1s',
    '--shutdown-timeout=0s',
    '--rejection-delays=',
    '--rejection-delays=1m,',
    '--rejection-delays=50ms',
    '--rejection-delays=1s,1s,1s,1s,1s,1s,1s,1s,1s,1s',
    '--metrics-per-credential=yes',
    '--log-format=xml',
    '--metrics-secure',
    '--metrics-secure=maybe',
    '--watch-namespaces=a/b',
    '--watch-namespaces=,',
    '--watch-namespaces=a,',
    '--watch-namespaces= ',
    '--constructor=x',
  ])('%s', flag => {
    expect(mistakes([flag])).toHaveLength(1);
  });

  test('secure metrics have an address of their own, and a certificate', () => {
    const flags = ['--metrics-secure', '--metrics-cert-dir=/tls', '--health-probe-bind-address=:8080'];
    expect(mistakes(flags)).toEqual([
      'tokensync: --metrics-secure needs a --metrics-bind-address other than --health-probe-bind-address: probes have no token',
    ]);
    expect(run(flags.slice(0, 2)).metricsSecure).toBe(true);
    expect(run(['--metrics-secure', '--metrics-bind-address=0']).metricsCertDir).toBe('');
  });

  test('a flag does not swallow the next one', () => {
    expect(mistakes(['--log-level', '--log-format=pretty'])).toEqual([
      'tokensync: --log-level expects a value',
    ]);
  });
});

test('--help and --version win over mistakes, and exit with 0', () => {
  for (const flag of ['--help', '-h'])
    expect(parseConfig([flag, '--nonsense'], {})).toEqual({ kind: 'print', text: helpText(), code: 0 });
  expect(parseConfig(['--version'], {})).toMatchObject({
    text: expect.stringMatching(/^tokensync [0-9.]+\n$/) as unknown,
    code: 0,
  });
  expect(
    helpText()
      .split('\n')
      .every(line => line.length <= 100),
  ).toBe(true);
});

test('the config and what is in it are frozen', () => {
  const config = run([], { WATCH_NAMESPACES: 'a' });
  for (const part of [config, config.cluster, config.watchNamespaces, config.rejectionDelaysMs, config.proxy])
    expect(Object.isFrozen(part)).toBe(true);
});

test('every default is itself a valid text', () => {
  for (const setting of Object.values(SETTINGS))
    expect(setting.schema.safeParse(setting.default).success).toBe(true);
});
