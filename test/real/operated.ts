import { randomBytes } from 'node:crypto';
import type { TestContext } from 'vitest';
import { z } from 'zod';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { WireDispatcher } from '../../sandbox/dispatcher.ts';
import { type Fixture, type FlowName, fixture } from '../../sandbox/fixtures.ts';
import { createProviders, type Providers } from '../../sandbox/providers/index.ts';
import { seeded } from '../../sandbox/random.ts';
import { readYaml } from '../../sandbox/world.ts';
import { type Composition, compose } from '../../src/compose.ts';
import { parseConfig } from '../../src/config.ts';
import type { Endpoint } from '../../src/kube/endpoint.ts';
import { inClusterEndpoint } from '../../src/kube/in-cluster.ts';
import { systemClock } from '../../src/loop/clock.ts';
import { type Client, data, isReady } from '../e2e/cluster.ts';
import { withSpec } from '../operator/scene.ts';
import { installCrds } from './install.ts';
import { JumpingClock } from './jumping-clock.ts';
import { account } from './place.ts';

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The operator in this process, as in a pod, over real sockets to a real API server, on a clock that can jump. */
export interface Operated {
  readonly composition: Composition;
  /** The only one that it serves: several of these share a control plane. */
  readonly namespace: string;
  readonly clock: JumpingClock;
  /** What it has logged, a JSON object a line. */
  readonly logs: string[];
  readonly providers: Providers;
  /** Its service account's folder: `token`, `ca.crt`. */
  readonly files: Map<'token' | 'ca.crt' | 'namespace', string>;
  /** A source Secret and a credential of a flow; `spec` is merged into the credential's. */
  apply(flow: FlowName, index: number, spec?: JsonObject): Promise<Fixture>;
  untilReady(made: Fixture): Promise<void>;
  /** The token in the credential's target. */
  token(made: Fixture): Promise<string>;
  /** Resolves when a line that was logged since `from` holds all of the texts. */
  logged(texts: readonly string[], from?: number): Promise<string>;
  /** How many calls of the API server ended with this code. */
  calls(code: string): Promise<number>;
}

export const NAMESPACE = 'tokensync';

/** CRDs, definitions, and an account for the operator which may do everything but is not exempt from flow control. @returns its token. */
export async function furnish(client: Client): Promise<string> {
  await installCrds(client);
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  await Promise.all(readYaml('deploy/providers').map(definition => client.apply(definition)));
  return account(client, NAMESPACE);
}

/** Starts the operator. @param options.port where it reaches the API server. */
export async function operate(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  client: Client,
  options: { port: number; ca: string; token: string; flags?: readonly string[] },
): Promise<Operated> {
  const clock = new JumpingClock();
  const providers = createProviders({
    clock: systemClock,
    random: seeded('operated'),
    admintotal: { rotate: true },
  });
  const files: Operated['files'] = new Map([
    ['token', options.token],
    ['ca.crt', options.ca],
    ['namespace', NAMESPACE],
  ]);
  const endpoint: Endpoint = await inClusterEndpoint({
    env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(options.port) },
    read: path => {
      const text = [...files].find(([name]) => path === `${FOLDER}/${name}`)?.[1];
      return text === undefined ? Promise.reject(new Error('no such file')) : Promise.resolve(text);
    },
    clock,
  });
  const namespace = `operated-${randomBytes(4).toString('hex')}`;
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const flags = ['--leader-elect=false', `--watch-namespaces=${namespace}`, ...(options.flags ?? [])];
  const parsed = parseConfig(flags, { HOME: '/nonexistent' });
  if (parsed.kind !== 'run') throw new Error(parsed.text);
  const logs: string[] = [];
  const composition = compose(parsed.config, {
    clock,
    random: seeded('operator'),
    endpoint,
    operatorNamespace: NAMESPACE,
    providerDispatcher: new WireDispatcher({ route: providers.route }),
    write: line => void logs.push(line),
  });
  onTestFinished(async () => {
    await composition.stop();
    const secrets = [...providers.issued(), ...files.values()].filter(text => !text.startsWith('-----'));
    const told = logs.filter(line => secrets.some(value => value !== NAMESPACE && line.includes(value)));
    if (told.length > 0) throw new Error(`${told.length} lines hold secrets`);
  });
  await composition.start();
  return {
    composition,
    namespace,
    clock,
    logs,
    providers,
    files,
    apply: async (flow, index, spec = {}) => {
      const made = fixture(flow, index, providers, { namespace });
      await client.apply(made.source, namespace);
      await client.apply(withSpec(made.credential, spec), namespace);
      return made;
    },
    untilReady: ({ name }) =>
      client.until(
        'ProviderCredential',
        items => items.some(item => item.metadata.name === name && isReady(item)),
        { namespace },
      ),
    token: async ({ name }) => data(await client.get('Secret', `${name}-token`, namespace)).token ?? '',
    logged: (texts, from = 0) =>
      eventually(
        () => logs.slice(from).find(line => texts.every(text => line.includes(text))),
        texts.join(', '),
      ),
    calls: async code => {
      const shown = await composition.scrape();
      const found = [...shown.matchAll(/^tokensync_api_requests_total\{([^}]*)\} (\d+)/gm)];
      return found
        .filter(([, labels = '']) => labels.includes(`code="${code}"`))
        .reduce((sum, [, , count]) => sum + Number(count), 0);
    },
  };
}

/** Looks at something of this process until it is there; for what no event tells. */
export async function eventually<T>(
  look: () => T | undefined | Promise<T | undefined>,
  what: string | (() => string),
  timeoutMs = 30_000,
): Promise<T> {
  const late = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > late) throw new Error(`never: ${typeof what === 'string' ? what : what()}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

/** A token of the operator's account that dies with the Secret of this name. */
export async function boundToken(client: Client, secret: string): Promise<string> {
  const made = await client.send('POST', `/api/v1/namespaces/${NAMESPACE}/secrets`, {
    metadata: { name: secret },
  });
  const { metadata } = z.object({ metadata: z.object({ uid: z.string() }) }).parse(made.body);
  const { body } = await client.send(
    'POST',
    `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/operator/token`,
    { spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: secret, uid: metadata.uid } } },
  );
  return z.object({ status: z.object({ token: z.string() }) }).parse(body).status.token;
}
