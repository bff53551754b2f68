import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { stringify } from 'yaml';
import { z } from 'zod';
import { isObject, type JsonObject } from '../../sandbox/apiserver/json.ts';
import { type ApiServer, createApiServer } from '../../sandbox/apiserver/server.ts';
import type { Authority } from '../../sandbox/certificates.ts';
import { type Served, serve } from '../../sandbox/serve.ts';
import { LineSplitter } from '../../src/kube/lines.ts';
import { systemClock } from '../../src/loop/clock.ts';

/** An API server as a user has it: a kubeconfig, and HTTPS. Whatever serves it, these tests know no more of it. */
export interface Cluster {
  /** Path of a kubeconfig whose context names a namespace. */
  readonly kubeconfig: string;
  readonly client: Client;
  close(): Promise<void>;
}

const Item = z.looseObject({ metadata: z.looseObject({ name: z.string() }) });
export type Item = z.infer<typeof Item>;
const List = z.object({ metadata: z.object({ resourceVersion: z.string() }), items: z.array(Item) });
const Event = z.object({ type: z.string(), object: Item });

const COLLECTIONS: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  Secret: '/api/v1/namespaces/NS/secrets',
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  ClusterTokenProvider: '/apis/tokensync.dev/v1alpha1/clustertokenproviders',
  ProviderCredential: '/apis/tokensync.dev/v1alpha1/namespaces/NS/providercredentials',
  Event: '/apis/events.k8s.io/v1/namespaces/NS/events',
};

const Conditioned = z.object({
  conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish(),
});

/** Whether a condition of the object is True. */
export function isTrue({ status }: Item, type: string): boolean {
  const { conditions } = Conditioned.parse(status ?? {});
  return (conditions ?? []).some(condition => condition.type === type && condition.status === 'True');
}

export function isReady(item: Item): boolean {
  return isTrue(item, 'Ready');
}

/** A Secret's values, decoded. */
export function data(secret: Item | undefined): Record<string, string> {
  const values = isObject(secret?.data) ? Object.entries(secret.data) : [];
  return Object.fromEntries(
    values.map(([key, value]) => [
      key,
      Buffer.from(typeof value === 'string' ? value : '', 'base64').toString(),
    ]),
  );
}

/** Path of what holds objects of a kind. */
export function collection(kind: string, namespace: string): string {
  const path = COLLECTIONS[kind];
  if (path === undefined) throw new Error(`these tests know no kind ${kind}`);
  return path.replace('NS', namespace);
}

/** Characters: of very many objects the first ones say enough. */
const MOST_SAID = 20_000;

/** Just enough of a Kubernetes client, over HTTP alone. */
export class Client {
  readonly #server: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent: Agent;

  constructor(options: { server: string; ca: string; token: string }) {
    this.#server = options.server;
    this.#headers = { authorization: `Bearer ${options.token}` };
    this.#agent = new Agent({ connect: { ca: options.ca }, bodyTimeout: 0 });
  }

  /** Server-side apply. */
  async apply(object: JsonObject, namespace = 'default'): Promise<void> {
    const { kind, metadata } = z
      .looseObject({ kind: z.string(), metadata: z.object({ name: z.string() }) })
      .parse(object);
    const { status, body } = await this.send(
      'PATCH',
      `${collection(kind, namespace)}/${metadata.name}?fieldManager=e2e&force=true`,
      object,
    );
    if (status >= 300)
      throw new Error(`${kind} ${metadata.name} was refused: ${status} ${JSON.stringify(body)}`);
  }

  /** A patch is a server-side apply. Any answer is an answer. */
  async send(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    object?: JsonObject,
  ): Promise<{ status: number; body: unknown }> {
    const { statusCode, body } = await request(this.#server + path, {
      dispatcher: this.#agent,
      method,
      headers: {
        ...this.#headers,
        'content-type': method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json',
      },
      ...(object === undefined ? {} : { body: JSON.stringify(object) }),
    });
    const text = await body.text();
    return { status: statusCode, body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text };
  }

  async list(kind: string, namespace = 'default'): Promise<z.infer<typeof List>> {
    const { body } = await request(this.#server + collection(kind, namespace), {
      dispatcher: this.#agent,
      headers: this.#headers,
    });
    return List.parse(await body.json());
  }

  async get(kind: string, name: string, namespace = 'default'): Promise<Item | undefined> {
    return (await this.list(kind, namespace)).items.find(({ metadata }) => metadata.name === name);
  }

  /** Watches until `enough` holds of what is there. */
  async until(
    kind: string,
    enough: (items: readonly Item[]) => boolean,
    options: { namespace?: string; timeoutMs?: number } = {},
  ): Promise<void> {
    const { namespace = 'default', timeoutMs = 60_000 } = options;
    const { metadata, items } = await this.list(kind, namespace);
    const there = new Map(items.map(item => [item.metadata.name, item]));
    const found = new AbortController();
    const look = (): void => {
      if (enough([...there.values()])) found.abort();
    };
    look();
    if (found.signal.aborted) return;
    const late = AbortSignal.timeout(timeoutMs);
    const path = `${collection(kind, namespace)}?watch=true&resourceVersion=${metadata.resourceVersion}`;
    try {
      const { body } = await request(this.#server + path, {
        dispatcher: this.#agent,
        headers: this.#headers,
        signal: AbortSignal.any([found.signal, late]),
      });
      const splitter = new LineSplitter(
        line => {
          const { type, object } = Event.parse(JSON.parse(line));
          if (type === 'DELETED') there.delete(object.metadata.name);
          else there.set(object.metadata.name, object);
          look();
        },
        4 * 1024 * 1024,
      );
      for await (const chunk of body as AsyncIterable<Buffer>) splitter.push(chunk);
    } catch (error) {
      if (!found.signal.aborted && !late.aborted) throw error;
    }
    if (!found.signal.aborted) {
      const states = JSON.stringify([...there.values()].map(item => item.status));
      throw new Error(`not in ${timeoutMs} ms; there are ${there.size}: ${states.slice(0, MOST_SAID)}`);
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}

export interface SandboxCluster extends Cluster {
  readonly api: ApiServer;
  /** Until then its port is closed. */
  listen(): Promise<void>;
}

const TOKEN = 'e2e';

/** The sandbox's API server over HTTPS on loopback. */
export async function sandboxCluster(
  authority: Authority,
  options: { listen?: boolean } = {},
): Promise<SandboxCluster> {
  const tls = await authority.issue(['127.0.0.1']);
  const api = createApiServer({ clock: systemClock, crds: [] });
  let served: Served = await serve(api.handler, { tls });
  const { url, port } = served;
  if (options.listen === false) await served.close();
  const folder = await mkdtemp(join(tmpdir(), 'tokensync-e2e-'));
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigText(url, authority.ca, TOKEN, 'tokensync'), { mode: 0o600 });
  const client = new Client({ server: url, ca: authority.ca, token: TOKEN });
  return {
    kubeconfig,
    client,
    api,
    listen: async () => {
      served = await serve(api.handler, { tls, port });
    },
    close: async () => {
      await client.close();
      api.close();
      await served.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function kubeconfigText(server: string, ca: string, token: string, namespace: string): string {
  const name = 'e2e';
  const data = Buffer.from(ca).toString('base64');
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server, 'certificate-authority-data': data } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace } }],
  });
}
