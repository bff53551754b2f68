import { ANNOTATION, SESSION_SUFFIX } from './api/names.ts';
import type { Log } from './api/log.ts';
import type { ObjectMeta } from './api/meta.ts';
import type { KubeClient } from './kube/client.ts';
import { ListWatch, type ListWatchOptions } from './kube/list-watch.ts';
import {
  type CredentialObject,
  credentialPath,
  type ProviderObject,
  providerPath,
  readCredential,
  readProvider,
} from './kube/objects.ts';
import { readMeta, type SecretMeta, slimSecretMeta } from './kube/secret.ts';
import { Store } from './kube/store.ts';
import type { Clock, Random } from './loop/clock.ts';
import type { Metrics } from './observe/metrics.ts';

export interface CollectionsOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Empty: all namespaces. */
  readonly watchNamespaces: readonly string[];
}

const OWN_KIND = {
  ifMissing: 'the CRDs of tokensync are not installed: kubectl apply -k deploy, or -f crds for them alone',
};
const METADATA = { metadataOnly: true };

/** All that is watched, and what is known of it. Nothing is read before {@link Collections.start}. */
export class Collections {
  readonly credentials = new Store<CredentialObject>();
  readonly providers = new Store<ProviderObject>();
  readonly secrets = new Store<SecretMeta>();
  /** Empty where only some namespaces are watched. */
  readonly namespaces = new Store<{ metadata: ObjectMeta }>();
  readonly #options: CollectionsOptions;
  readonly #watches = new Map<string, ListWatch<{ metadata: ObjectMeta }>>();

  constructor(options: CollectionsOptions) {
    this.#options = options;
    this.credentials.index('provider', ({ spec }) => (spec === undefined ? [] : [spec.providerRef.name]));
    this.credentials.index('secret', secretsOf);
    this.credentials.index('namespace', ({ metadata }) => [metadata.namespace ?? '']);
    this.secrets.index('credential', ({ metadata }) => {
      const named = metadata.annotations?.[ANNOTATION.credential];
      return named === undefined ? [] : [named];
    });
  }

  /** Resolves when every collection is known; rejects when stopped before. Once only. */
  async start(): Promise<void> {
    this.#watch();
    for (const watch of this.#watches.values()) watch.start();
    await Promise.all([...this.#watches.values()].map(watch => watch.synced));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#watches.values()].map(watch => watch.stop()));
  }

  /** @returns a collection of which nothing is heard any more, or undefined. */
  get deaf(): string | undefined {
    return [...this.#watches].find(([, { health }]) => health.deaf)?.[0];
  }

  /** @returns a collection whose watch neither hears nor tries, or undefined. */
  get stuck(): string | undefined {
    return [...this.#watches].find(([, { health }]) => health.stuck)?.[0];
  }

  observeInto(metrics: Metrics): void {
    const now = this.#options.clock.monotonic();
    for (const [name, { health }] of this.#watches) {
      metrics.watch(name, { ageSeconds: (now - health.lastEventMono) / 1000, restarts: health.restarts });
    }
  }

  /** Where namespaces are not watched, the name alone. */
  namespaceLabels(namespace: string): Readonly<Record<string, string>> {
    const labels = this.namespaces.get(namespace)?.metadata.labels;
    return { 'kubernetes.io/metadata.name': namespace, ...labels };
  }

  #watch(): void {
    const { watchNamespaces } = this.#options;
    this.#listWatch('clustertokenproviders', providerPath(), readProvider, this.providers.feed(), OWN_KIND);
    const scopes = watchNamespaces.length === 0 ? [undefined] : watchNamespaces;
    for (const namespace of scopes) {
      const secrets = namespace === undefined ? '/api/v1/secrets' : `/api/v1/namespaces/${namespace}/secrets`;
      const suffix = namespace === undefined ? '' : `/${namespace}`;
      this.#listWatch(
        `providercredentials${suffix}`,
        credentialPath(namespace),
        readCredential,
        this.credentials.feed(namespace),
        OWN_KIND,
      );
      this.#listWatch(`secrets${suffix}`, secrets, slimSecretMeta, this.secrets.feed(namespace), METADATA);
    }
    if (watchNamespaces.length === 0) {
      this.#listWatch('namespaces', '/api/v1/namespaces', readMeta, this.namespaces.feed(), METADATA);
    }
  }

  #listWatch<T extends { metadata: ObjectMeta }>(
    name: string,
    path: string,
    parse: (raw: unknown) => T | undefined,
    handler: ReturnType<Store<T>['feed']>,
    how: Pick<ListWatchOptions<T>, 'metadataOnly' | 'ifMissing'>,
  ): void {
    const { client, clock, random, log } = this.#options;
    this.#watches.set(
      name,
      new ListWatch({ ...how, client, path, parse, handler, clock, random, log, name }),
    );
  }
}

/** Every Secret whose change may matter: the source, the target, where the token stood before, the session. */
function secretsOf({ metadata, spec, status }: CredentialObject): string[] {
  if (spec === undefined) return [];
  const names = new Set([
    spec.source.secretRef.name,
    spec.target.name ?? metadata.name,
    metadata.name + SESSION_SUFFIX,
    status?.token?.secretName ?? metadata.name,
  ]);
  return [...names].map(name => `${metadata.namespace ?? ''}/${name}`);
}
