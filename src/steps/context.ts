import type { Log } from '../api/log.ts';
import type { Demand } from '../decide/demand.ts';
import type { Digester } from '../decide/digest.ts';
import type { OriginHealth } from '../decide/origin-health.ts';
import type { Refusals } from '../decide/refusals.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { CredentialObject } from '../kube/objects.ts';
import type { SecretMeta } from '../kube/secret.ts';
import type { ServerTime } from '../kube/server-time.ts';
import type { Store } from '../kube/store.ts';
import type { Clock, Random } from '../loop/clock.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Gate, Limits } from '../provider/gate.ts';
import type { Engine, Transport } from '../provider/types.ts';
import type { Providers } from '../providers.ts';
import type { Memories } from './memories.ts';

/** Everything that a reconcile stands on, passed in. */
export interface Context {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly serverTime: ServerTime;
  readonly client: KubeClient;
  readonly credentials: Store<CredentialObject>;
  readonly secrets: Store<SecretMeta>;
  readonly providers: Providers;
  readonly engine: Engine;
  readonly transport: Transport;
  readonly gate: Gate;
  readonly health: OriginHealth;
  readonly digester: Digester;
  /** Keyed anew by each process, and not bound to a credential: tells that two would send the same. */
  readonly processDigester: Digester;
  readonly refusals: Refusals;
  readonly memories: Memories;
  readonly metrics: Metrics;
  readonly events: EventRecorder;
  readonly log: Log;
  /** Labels of a namespace; where namespaces are not watched, its name alone (`kubernetes.io/metadata.name`). */
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
  /** Whether this replica may act on the key for the next `ms`. A key that is refused is looked at again once it may. */
  readonly owns: (key: string, ms: number) => boolean;
  /** Aborts what is under way for the key: when it is no longer ours, and when draining takes too long. */
  readonly abandon: (key: string) => AbortSignal;
  /** The part of a provider's limits that is this replica's. */
  readonly limits: (limits: Limits) => Limits;
  /** So many credentials that what is at rest is not read from the API server before it is needed. */
  readonly many: () => boolean;
  readonly demand: Demand;
  /** A definition's Saturated condition may have changed. */
  readonly demandChanged: (provider: string) => void;
  /** Waits for a provider, while other credentials are worked on. */
  readonly outside: <T>(work: Promise<T>) => Promise<T>;
  /** Nothing new may be sent; what was answered is still written. */
  readonly draining: () => boolean;
}

export interface Settings {
  readonly operatorNamespace: string;
  /** How long the old token must outlive the new one's writing, ms. */
  readonly propagationMarginMs: number;
  /** Waits between refused logins of inputs that never worked, ms. */
  readonly rejectionDelaysMs: readonly number[];
}
