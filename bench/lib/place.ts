import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type Authority, createAuthority } from '../../sandbox/certificates.ts';
import { Client } from '../../test/e2e/cluster.ts';
import { ASSETS, startControlPlane } from '../../test/real/control-plane.ts';
import { installCrds } from '../../test/real/install.ts';
import { Child, pathOf } from './child.ts';
import { cpuOf, pidsOf } from './proc.ts';

/** Where a benchmark takes place: an API server and a provider, in processes of their own. */
export interface Place {
  readonly kind: PlaceKind;
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** PEM of the API server's authority. */
  readonly ca: string;
  readonly token: string;
  readonly client: Client;
  readonly provider: {
    readonly url: string;
    readonly ca: string;
    /** `bench/provider.ts`, for whoever asks more of it. */
    readonly child: Child;
    granted(lane: string): Promise<number>;
  };
  /** `bench/api-server.ts`, where it is the sandbox's. */
  readonly sandbox: Child | undefined;
  /** Ends a real API server, and starts it with more flags on what it had in store. Its processor time counts from there. */
  readonly restartApi: ((flags: readonly string[]) => Promise<void>) | undefined;
  /** Token, CA and namespace, as a pod has them. */
  readonly serviceAccount: string;
  readonly folder: string;
  /** Processor time of API server and etcd, ms. */
  apiCpu(): Promise<number>;
  close(): Promise<void>;
}
export type PlaceKind = 'sandbox' | 'real';

/** The real one too, where its programs are. */
export const PLACES: readonly PlaceKind[] = ASSETS === '' ? ['sandbox'] : ['sandbox', 'real'];
/** The operator's own. */
export const OPERATOR_NAMESPACE = 'tokensync';

interface ApiServer {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  pids: readonly number[];
  readonly child?: Child;
  restart?(flags: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/** @param lifetime of the provider's tokens, in seconds. */
export async function startPlace(kind: PlaceKind, lifetime: number): Promise<Place> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const each of closing.toReversed()) await each();
  };
  try {
    const authority = await createAuthority();
    const folder = await mkdtemp(join(tmpdir(), 'tokensync-bench-'));
    const remove = (): void => rmSync(folder, { recursive: true, force: true });
    process.once('exit', remove);
    closing.push(async () => {
      remove();
      process.off('exit', remove);
    });
    const api = await (kind === 'real' ? realApi() : sandboxApi(authority));
    closing.push(() => api.stop());
    const { url, ca, token } = api;
    const client = new Client({ server: url, ca, token });
    closing.push(() => client.close());
    const provider = new Child(pathOf('provider.ts'));
    closing.push(() => provider.stop());
    const tls = await authority.issue(['127.0.0.1']);
    const providerUrl = await provider.ask(z.string(), 'serve', { ...tls, lifetime });
    await installCrds(client);
    await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: OPERATOR_NAMESPACE } });
    for (const [name, text] of Object.entries({ token, 'ca.crt': ca, namespace: OPERATOR_NAMESPACE }))
      await writeFile(join(folder, name), text, { mode: 0o600 });
    return {
      kind,
      url,
      ca,
      token,
      client,
      provider: {
        url: providerUrl,
        ca: authority.ca,
        child: provider,
        granted: lane => provider.ask(z.number(), 'granted', lane),
      },
      sandbox: api.child,
      restartApi: api.restart?.bind(api),
      serviceAccount: folder,
      folder,
      apiCpu: async () => (await Promise.all(api.pids.map(cpuOf))).reduce((sum, ms) => sum + ms, 0),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function sandboxApi(authority: Authority): Promise<ApiServer> {
  const server = new Child(pathOf('api-server.ts'));
  const url = await server.ask(z.string(), 'serve', await authority.issue(['127.0.0.1']));
  const stop = (): Promise<void> => server.stop();
  return { url, ca: authority.ca, token: 'bench', pids: [server.pid], child: server, stop };
}

async function realApi(): Promise<ApiServer> {
  const plane = await startControlPlane();
  const { url, ca, token, folder } = plane;
  const pids = (): Promise<number[]> => pidsOf(['etcd', 'kube-apiserver'], folder);
  const api: ApiServer = {
    url,
    ca,
    token,
    pids: await pids(),
    stop: () => plane.stop(),
    async restart(flags) {
      await plane.stopApi();
      await plane.startApi(flags);
      api.pids = await pids();
    },
  };
  if (api.pids.length === 2) return api;
  await plane.stop();
  throw new Error('the processes of the API server were not found');
}
