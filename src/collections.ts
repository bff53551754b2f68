import type { Log } from './api/log.ts';
import { keyOf, type ObjectMeta } from './api/meta.ts';
import { ANNOTATION, CREDENTIAL_PLURAL, MANAGED_LABEL, SESSION_SUFFIX } from './api/names.ts';
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
import { Packer } from './kube/packer.ts';
import { readMeta, type SecretMeta, slimElsewhere, slimSecretMeta } from './kube/secret.ts';
import { Store } from './kube/store.ts';
import { SHAPE } from './kube/target.ts';
import type { Share } from './lead/share.ts';
import type { Clock, Random } from './loop/clock.ts';
import { type Packing, WARM } from './loop/shelf.ts';
import type { Metrics } from './observe/metrics.ts';

export interface CollectionsOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Empty: all namespaces. */
  readonly watchNamespaces: readonly string[];
  /** The credentials that are kept; absent: all. */
  readonly share?: Share;
}

const OWN_KIND = {
  ifMissing: 'the CRDs of tokensync are not installed: kubectl apply -k deploy, or -f crds for them alone',
};
const METADATA = { metadataOnly: true };
/** Source, target and session of each of the credentials that are kept as they are. */
const SECRETS_WARM = 3 * WARM;

/** All that is watched, and what is known of it. Nothing is read before {@link Collections.start}. */
export class Collections {
  readonly credentials = new Store<CredentialObject>({ packing: packing() });
  readonly providers = new Store<ProviderObject>();
  readonly secrets = new Store<SecretMeta>({ packing: packing(), warm: SECRETS_WARM });
  /** Empty where only some namespaces are watched. */
  readonly namespaces = new Store<{ metadata: ObjectMeta }>();
  readonly #options: CollectionsOptions;
  readonly #watches = new Map<string, ListWatch<{ metadata: ObjectMeta }>>();

  constructor(options: CollectionsOptions) {
    this.#options = options;
    this.credentials.index('provider', ({ spec }) => (spec === undefined ? [] : [spec.providerRef.name]));
    this.credentials.index('secret', secretsOf, 'hashed');
    const { share } = options;
    if (share !== undefined)
      this.credentials.index('shard', ({ metadata }) => [String(share.of(metadata.uid))]);
    this.credentials.index('namespace', ({ metadata }) => [metadata.namespace ?? '']);
    this.secrets.index(
      'credential',
      ({ metadata }) => {
        const named = metadata.annotations?.[ANNOTATION.credential];
        return named === undefined ? [] : [named];
      },
      'hashed',
    );
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

  /** The API server answers again: no watch waits any longer to ask it. */
  hasten(): void {
    for (const watch of this.#watches.values()) watch.hasten();
  }

  /** Resolves when lists that were begun after this are here: what others wrote before is in them. */
  async relist(): Promise<void> {
    const { share } = this.#options;
    // Listed again at the same version, they would stay as they are.
    if (share !== undefined)
      this.secrets.drop(
        this.secrets.where(({ elsewhere }) => elsewhere !== undefined && share.has(elsewhere)),
      );
    await Promise.all([...this.#watches.values()].map(watch => watch.relist()));
  }

  /** The share has become smaller: what was kept for it goes. @returns keys of credentials. */
  forget(shard: number): readonly string[] {
    const keys = this.inShard(shard);
    this.credentials.drop(keys);
    for (const key of keys) {
      this.secrets.amend(this.secrets.byIndex('credential', key), secret =>
        slimElsewhere(secret, this.#elsewhere),
      );
    }
    for (const [name, watch] of this.#watches) if (name.startsWith(CREDENTIAL_PLURAL)) watch.narrow();
    return keys;
  }

  /** A list may bring what was forgotten while it was on its way. */
  forgetStrays(): void {
    const { share } = this.#options;
    if (share === undefined) return;
    for (let shard = 0; shard < share.shards; shard += 1)
      if (!share.has(shard)) this.credentials.drop(this.inShard(shard));
  }

  /** @see Store.rest */
  rest(): void {
    this.credentials.rest();
    this.secrets.rest();
  }

  /** Keys of credentials that a change of a Secret may matter to. */
  usersOf(secret: string): readonly string[] {
    const users = this.credentials.byIndex('secret', secret);
    // A session is named after its credential, which needs no index.
    const owner = secret.endsWith(SESSION_SUFFIX) ? secret.slice(0, -SESSION_SUFFIX.length) : undefined;
    return owner === undefined || this.credentials.peek(owner) === undefined ? users : [...users, owner];
  }

  /** Keys of its credentials. */
  inShard(shard: number): readonly string[] {
    return this.credentials.byIndex('shard', String(shard));
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

  readonly #elsewhere = (uid: string): number | undefined => {
    const { share } = this.#options;
    return share === undefined || share.keeps(uid) ? undefined : share.of(uid);
  };

  #watch(): void {
    const { watchNamespaces, share } = this.#options;
    this.#listWatch('clustertokenproviders', providerPath(), readProvider, this.providers.feed(), OWN_KIND);
    const scopes = watchNamespaces.length === 0 ? [undefined] : watchNamespaces;
    for (const namespace of scopes) {
      const secrets = namespace === undefined ? '/api/v1/secrets' : `/api/v1/namespaces/${namespace}/secrets`;
      const suffix = namespace === undefined ? '' : `/${namespace}`;
      this.#listWatch(
        `${CREDENTIAL_PLURAL}${suffix}`,
        credentialPath(namespace),
        readCredential,
        this.credentials.feed(namespace),
        share === undefined
          ? OWN_KIND
          : { ...OWN_KIND, query: () => share.query, keep: uid => share.keeps(uid) },
      );
      const slim = (raw: unknown): SecretMeta | undefined =>
        slimSecretMeta(raw, share === undefined ? undefined : this.#elsewhere);
      this.#listWatch(`secrets${suffix}`, secrets, slim, this.secrets.feed(namespace), METADATA);
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
    how: Pick<ListWatchOptions<T>, 'metadataOnly' | 'ifMissing' | 'query' | 'keep'>,
  ): void {
    const { client, clock, random, log } = this.#options;
    this.#watches.set(
      name,
      new ListWatch({ ...how, client, path, parse, handler, clock, random, log, name }),
    );
  }
}

/** Of what there may be very many: the key says name and namespace. What was packed is what comes back, so that its type needs no check. */
function packing<T extends { readonly metadata: ObjectMeta }>(): Packing<T> {
  const packer = new Packer(COMMON);
  return {
    pack: value =>
      packer.pack({ ...value, metadata: { ...value.metadata, name: undefined, namespace: undefined } }),
    unpack: (packed, key) => {
      const value = packer.unpack(packed) as T;
      const [namespace = '', name = ''] = key.split('/');
      return { ...value, metadata: { ...value.metadata, name, namespace } };
    },
  };
}

/** Fields whose text is one of few, in most clusters. */
const COMMON = [
  'apiVersion',
  'kind',
  'type',
  'status',
  'reason',
  'message',
  'grant',
  'flow',
  'environment',
  'deletionPolicy',
  'definition',
  'before',
  ANNOTATION.grant,
  ANNOTATION.grants,
  ANNOTATION.sessionSequence,
  SHAPE,
  MANAGED_LABEL,
];

/** Every Secret whose change may matter, but for the session: the source, the target, where the token stood before. */
function secretsOf({ metadata, spec, status }: CredentialObject): string[] {
  if (spec === undefined) return [];
  const { name, namespace = '' } = metadata;
  const target = spec.target.name ?? name;
  const names = [target, spec.source.secretRef.name, status?.token?.secretName ?? target];
  return [...new Set(names)].map(each => keyOf({ metadata: { namespace, name: each } }));
}
