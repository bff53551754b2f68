import { z } from 'zod';
import type { Log } from '../api/log.ts';
import { ObjectMeta } from '../api/meta.ts';
import type { Clock, Random } from '../loop/clock.ts';
import type { CallOptions, KubeClient } from './client.ts';
import { isNotFound } from './kube-error.ts';
import { ListWatch, type ListWatchHandler } from './list-watch.ts';

/** `coordination.k8s.io/v1` Leases, in the words that client-go writes them with. */

/** A Lease as it stands. */
export interface Lease {
  readonly metadata: ObjectMeta;
  /** Empty: nobody's. */
  readonly holder: string;
  /** How long its holder may be unheard; undefined when the Lease does not say. */
  readonly durationMs: number | undefined;
  /** How often it went from one holder to another. */
  readonly transitions: number;
  /** RFC 3339. */
  readonly acquireTime: string | undefined;
}

/** What is written; times in milliseconds since 1970. */
export interface LeaseContent {
  readonly holder: string;
  readonly durationMs: number;
  readonly transitions: number;
  /** As it stands, or a new time. */
  readonly acquireTime: string | number;
  readonly renewTime: number;
  /** Written beside the others; null removes one. Absent: left as they are. */
  readonly annotations?: Readonly<Record<string, string | null>>;
}

/** Everything may be missing: anyone can write a Lease by hand. */
const Raw = z.object({
  metadata: ObjectMeta,
  spec: z
    .object({
      holderIdentity: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
      leaseTransitions: z.number().nullish(),
      acquireTime: z.string().nullish(),
    })
    .nullish(),
});

const LeaseAnswer = Raw.transform(
  ({ metadata, spec }): Lease => ({
    metadata,
    holder: spec?.holderIdentity ?? '',
    durationMs: typeof spec?.leaseDurationSeconds === 'number' ? spec.leaseDurationSeconds * 1000 : undefined,
    transitions: spec?.leaseTransitions ?? 0,
    acquireTime: spec?.acquireTime ?? undefined,
  }),
);

export function readLease(raw: unknown): Lease | undefined {
  const parsed = LeaseAnswer.safeParse(raw);
  return parsed.success ? parsed.data : undefined;
}

function specOf(content: LeaseContent): Record<string, unknown> {
  const { acquireTime } = content;
  return {
    holderIdentity: content.holder,
    // Whole seconds, and never fewer than the holder counts on.
    leaseDurationSeconds: Math.ceil(content.durationMs / 1000),
    acquireTime: typeof acquireTime === 'string' ? acquireTime : microTime(acquireTime),
    renewTime: microTime(content.renewTime),
    leaseTransitions: content.transitions,
  };
}

/** As Kubernetes' MicroTime, which wants all six digits. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

type LeaseCall = Pick<CallOptions, 'signal' | 'timeoutMs'>;

/** Of a whole watch, whoever runs it. */
export type LeaseWatch = Pick<ListWatch<Lease>, 'start' | 'stop' | 'health'>;

/** One Lease of one namespace. */
export class LeaseClient {
  readonly #client: KubeClient;
  readonly #namespace: string;
  readonly #name: string;
  readonly #timeoutMs: number;
  readonly #labels: Readonly<Record<string, string>> | undefined;

  /**
   * @param options.timeoutMs for each request.
   * @param options.labels that it has from us, also after someone removed them.
   */
  constructor(
    client: KubeClient,
    options: {
      readonly namespace: string;
      readonly name: string;
      readonly timeoutMs: number;
      readonly labels?: Readonly<Record<string, string>>;
    },
  ) {
    this.#client = client;
    this.#labels = options.labels;
    this.#namespace = options.namespace;
    this.#name = options.name;
    this.#timeoutMs = options.timeoutMs;
  }

  /** @returns undefined when there is none. @throws KubeError */
  async get(call?: LeaseCall): Promise<Lease | undefined> {
    try {
      return await this.#client.get(this.#path, LeaseAnswer, this.#options(call));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** @throws KubeError; `AlreadyExists` when someone was quicker. */
  create(content: LeaseContent, call?: LeaseCall): Promise<Lease> {
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: this.#name, namespace: this.#namespace, ...this.#marks(content, true) },
      spec: specOf(content),
    };
    return this.#client.create(this.#collection, body, LeaseAnswer, this.#options(call));
  }

  /**
   * Writes over that version of the Lease and no other. A patch, since a PUT would drop what others keep there
   * (labels, annotations, a `preferredHolder`).
   * @throws KubeError; a conflict when the Lease has changed since.
   */
  write(lease: Lease, content: LeaseContent, call?: LeaseCall): Promise<Lease> {
    const { uid, resourceVersion } = lease.metadata;
    const body = {
      metadata: { uid, resourceVersion, ...this.#marks(content, false) },
      spec: specOf(content),
    };
    return this.#client.mergePatch(this.#path, body, LeaseAnswer, this.#options(call));
  }

  /** Changes annotations of that version of the Lease alone; null removes one. @throws KubeError as {@link write} does. */
  annotate(
    lease: Lease,
    annotations: Readonly<Record<string, string | null>>,
    call?: LeaseCall,
  ): Promise<Lease> {
    const { uid, resourceVersion } = lease.metadata;
    const body = { metadata: { uid, resourceVersion, annotations } };
    return this.#client.mergePatch(this.#path, body, LeaseAnswer, this.#options(call));
  }

  /** Follows the one Lease. */
  watch(
    handler: ListWatchHandler<Lease>,
    ports: { readonly clock: Clock; readonly random: Random; readonly log: Log },
  ): LeaseWatch {
    return new ListWatch({
      ...ports,
      client: this.#client,
      path: this.#collection,
      // RBAC can allow a list and a watch of one name when it is selected so.
      query: { fieldSelector: `metadata.name=${this.#name}` },
      parse: readLease,
      handler,
      name: 'leases',
    });
  }

  #marks({ annotations }: LeaseContent, fresh: boolean): Record<string, unknown> {
    const marks = Object.entries(annotations ?? {}).filter(([, value]) => !fresh || value !== null);
    return {
      ...(this.#labels === undefined ? {} : { labels: this.#labels }),
      ...(marks.length === 0 ? {} : { annotations: Object.fromEntries(marks) }),
    };
  }

  /** For messages: `namespace/name`. */
  get key(): string {
    return `${this.#namespace}/${this.#name}`;
  }

  #options({ signal, timeoutMs = this.#timeoutMs }: LeaseCall = {}): CallOptions {
    return { signal, timeoutMs, apart: true };
  }

  get #collection(): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.#namespace}/leases`;
  }

  get #path(): string {
    return `${this.#collection}/${this.#name}`;
  }
}
