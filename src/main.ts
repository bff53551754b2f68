import './v8-flags.ts';
import { readFile } from 'node:fs/promises';
import { collectAtRest } from './at-rest.ts';
import { compose } from './compose.ts';
import { type Config, parseConfig } from './config.ts';
import type { Endpoint } from './kube/endpoint.ts';
import { firstContact } from './kube/first-contact.ts';
import { inClusterEndpoint, serviceAccountNamespace } from './kube/in-cluster.ts';
import { KubeError } from './kube/kube-error.ts';
import { kubeconfigEndpoint } from './kube/kubeconfig.ts';
import { systemClock, systemRandom } from './loop/clock.ts';
import { CertificateFolder } from './observe/certificate.ts';
import { ObserveServer } from './observe/server.ts';

/** The program: flags, clients, wiring, signals. Exit codes: 0 after a drain, 1 for what went wrong, 2 for wrong flags. */

const readText = (path: string): Promise<string> => readFile(path, 'utf8');

async function connect(config: Config): Promise<{ endpoint: Endpoint; namespace: string | undefined }> {
  if (config.cluster.kind === 'in-cluster') {
    const endpoint = await inClusterEndpoint({ env: process.env, read: readText, clock: systemClock });
    return { endpoint, namespace: await serviceAccountNamespace(readText) };
  }
  return kubeconfigEndpoint({ paths: config.cluster.paths, clock: systemClock });
}

async function run(config: Config): Promise<void> {
  const { endpoint, namespace } = await connect(config);
  const operatorNamespace = config.operatorNamespace ?? namespace ?? 'default';
  const composition = compose(config, {
    clock: systemClock,
    random: systemRandom,
    endpoint,
    operatorNamespace,
    later: setImmediate,
    processMetrics: true,
  });
  const { log } = composition;
  const secure = config.metricsSecure && config.metricsBindAddress !== 'off';
  const certificates = secure ? new CertificateFolder(config.metricsCertDir, systemClock, log) : undefined;
  const server = new ObserveServer({
    metricsAddress: config.metricsBindAddress,
    probeAddress: config.healthProbeBindAddress,
    metrics: composition,
    ...(certificates && {
      secure: { certificate: await certificates.read(), may: composition.mayScrape },
    }),
    healthy: { loops: composition.healthy },
    ready: { synced: composition.ready },
  });
  const listening = await server.listen();
  certificates?.watch(certificate => server.certify(certificate));
  log.info(
    { version: config.version, apiServer: endpoint.server, operatorNamespace, ...listening },
    'tokensync starts',
  );

  collectAtRest(() => composition.operator.rest());
  let stopping = false;
  const stop = async (why: string, code: number): Promise<void> => {
    stopping = true;
    certificates?.stop();
    log.info({ why }, 'draining: nothing new starts, what was answered is written');
    await composition.stop();
    await server.close();
    log.info({}, 'stopped');
    process.exit(code);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // Whoever asks twice does not want to wait.
      if (stopping) process.exit(1);
      void stop(signal, 0);
    });
  }
  // What it remembers is out of date: whoever starts it again starts it afresh, as a standby.
  void composition.deposed.then(() => (stopping ? undefined : stop('deposed', 1)));
  const contact = firstContact(endpoint, systemClock).then(reason => {
    if (reason === undefined || stopping) return;
    const todo = 'check that it runs, and that its address can be reached from here';
    log.warn({ apiServer: endpoint.server, reason, todo }, 'waiting for the API server: it does not answer');
  });
  await Promise.all([contact, composition.start()]).catch((error: unknown) => {
    // Drained before the first list was whole: no failure.
    if (!stopping) throw error;
  });
}

const parsed = parseConfig(process.argv.slice(2), process.env);
if (parsed.kind === 'print') {
  (parsed.code === 0 ? process.stdout : process.stderr).write(parsed.text);
  process.exitCode = parsed.code;
} else {
  run(parsed.config).catch((error: unknown) => {
    process.stderr.write(`tokensync: ${explain(error)}\n`);
    process.exit(1);
  });
}

/** Our own errors say what to do; any other's message might quote what it was given. */
function explain(error: unknown): string {
  if (error instanceof KubeError) return error.message;
  if (error instanceof Error && error.constructor === Error) return error.message;
  return error instanceof Error
    ? `${error.name}\n${error.stack?.split('\n').slice(1).join('\n') ?? ''}`
    : 'unknown error';
}
