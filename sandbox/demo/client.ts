import { Agent, request } from 'undici';
import { LineSplitter } from '../../src/kube/lines.ts';

export type Manifest = Readonly<Record<string, unknown>> & {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
};

/** Where each kind lives; `NS` stands for the namespace. */
const COLLECTIONS: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  Secret: '/api/v1/namespaces/NS/secrets',
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  ClusterTokenProvider: '/apis/tokensync.dev/v1alpha1/clustertokenproviders',
  ProviderCredential: '/apis/tokensync.dev/v1alpha1/namespaces/NS/providercredentials',
};

const LONGEST_LINE_BYTES = 4 * 1024 * 1024;
const BETWEEN_WATCHES_MS = 200;

interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** Just enough of a Kubernetes client to apply manifests and to look on. */
export class DemoClient {
  readonly #url: string;
  readonly #agent: Agent;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options: { url: string; ca: string; token: string }) {
    this.#url = options.url;
    // a watch may be silent for long
    this.#agent = new Agent({ connect: { ca: options.ca }, bodyTimeout: 0 });
    this.#headers = { authorization: `Bearer ${options.token}` };
  }

  /** Server-side apply, as `kubectl apply --server-side` does. */
  async apply(manifest: Manifest, namespace: string): Promise<void> {
    const { kind, metadata } = manifest;
    const collection = COLLECTIONS[kind]?.replace('NS', namespace);
    if (collection === undefined) throw new Error(`the demo cannot apply a ${kind}`);
    const path = `${collection}/${metadata.name}?fieldManager=tokensync-demo&force=true`;
    const { statusCode, body } = await request(this.#url + path, {
      dispatcher: this.#agent,
      method: 'PATCH',
      headers: { ...this.#headers, 'content-type': 'application/apply-patch+yaml' },
      body: JSON.stringify(manifest),
    });
    const text = await body.text();
    if (statusCode >= 300) throw new Error(`${kind} ${metadata.name} was refused (${statusCode}): ${text}`);
  }

  /** Calls back for each object that is there, and for each change, until the signal aborts. */
  async follow(path: string, onObject: (object: unknown) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const list = (await this.#read(path, signal)) as {
          metadata: { resourceVersion: string };
          items: unknown[];
        };
        for (const item of list.items) onObject(item);
        await this.#watch(path, list.metadata.resourceVersion, onObject, signal);
      } catch (error) {
        if (!signal.aborted && !isConnectionError(error)) throw error;
      }
      await new Promise(resolve => setTimeout(resolve, BETWEEN_WATCHES_MS));
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #read(path: string, signal: AbortSignal): Promise<unknown> {
    const { body } = await request(this.#url + path, {
      dispatcher: this.#agent,
      headers: this.#headers,
      signal,
    });
    return body.json();
  }

  async #watch(
    path: string,
    resourceVersion: string,
    onObject: (object: unknown) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { body } = await request(`${this.#url}${path}?watch=true&resourceVersion=${resourceVersion}`, {
      dispatcher: this.#agent,
      headers: this.#headers,
      signal,
    });
    const splitter = new LineSplitter(line => {
      const event = JSON.parse(line) as WatchEvent;
      if (event.type === 'ADDED' || event.type === 'MODIFIED') onObject(event.object);
    }, LONGEST_LINE_BYTES);
    for await (const chunk of body as AsyncIterable<Buffer>) splitter.push(chunk);
  }
}

function isConnectionError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}
