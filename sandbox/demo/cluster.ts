import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { systemClock, systemRandom } from '../../src/loop/clock.ts';
import { createApiServer } from '../apiserver/server.ts';
import { createAuthority } from '../certificates.ts';
import { createProviders, type Providers } from '../providers/index.ts';
import { startProxy } from '../proxy.ts';
import { serve } from '../serve.ts';
import { DemoClient } from './client.ts';

export interface Cluster {
  readonly providers: Providers;
  readonly client: DemoClient;
  /** PEM of the authority that all certificates here come from. */
  readonly ca: string;
  /** For `kubectl --kubeconfig`. */
  readonly kubeconfig: string;
  /** For `HTTPS_PROXY`: leads the providers' real names to the simulated ones. */
  readonly proxyUrl: string;
  /** Removes the temporary folder at once, for an exit that cannot wait. */
  cleanUp(): void;
  close(): Promise<void>;
}

/** Not checked by the sandbox; there so that the kubeconfig is as usual. */
const TOKEN = 'sandbox';
/** What makes a login feel like one over a network. */
const LATENCY = { latencyMs: 80, jitterMs: 120 };

/** An API server, the five providers, and the files a user would have, all on loopback. */
export async function startCluster(namespace: string): Promise<Cluster> {
  const authority = await createAuthority();
  const providers = createProviders({ clock: systemClock, random: systemRandom });
  for (const { behaviour } of providers.all) Object.assign(behaviour, LATENCY);
  const api = createApiServer({ clock: systemClock, crds: [] });
  const apiServer = await serve(api.handler, { tls: await authority.issue(['127.0.0.1']) });
  const providerServer = await serve(providers.handler, { tls: await authority.issue(providers.hosts) });
  const proxy = await startProxy(asked =>
    providers.route(`https://${asked.replace(/:443$/, '')}`) === undefined ? undefined : providerServer.port,
  );
  const folder = await mkdtemp(join(tmpdir(), 'tokensync-demo-'));
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigText(apiServer.url, authority.ca, namespace), { mode: 0o600 });
  const client = new DemoClient({ url: apiServer.url, ca: authority.ca, token: TOKEN });
  return {
    providers,
    client,
    ca: authority.ca,
    kubeconfig,
    proxyUrl: proxy.url,
    cleanUp: () => rmSync(folder, { recursive: true, force: true }),
    close: async () => {
      await client.close();
      api.close();
      await Promise.all([apiServer.close(), providerServer.close(), proxy.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function kubeconfigText(server: string, ca: string, namespace: string): string {
  const name = 'tokensync-demo';
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [
      { name, cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    users: [{ name, user: { token: TOKEN } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace } }],
  });
}
