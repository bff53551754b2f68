import { instant } from './api/instant.ts';
import type { Condition } from './api/meta.ts';
import { PROVIDER_KIND, REFRESH_REQUESTED_AT } from './api/names.ts';
import type { ProviderSpec, ProviderStatus } from './api/provider.ts';
import { CONDITION } from './api/reasons.ts';
import type { Verdict } from './decide/decide.ts';
import type { Demand } from './decide/demand.ts';
import { canonical } from './decide/digest.ts';
import type { KubeClient } from './kube/client.ts';
import type { EventRecorder } from './kube/events.ts';
import { isConflict, isNotFound } from './kube/kube-error.ts';
import { ProviderAnswer, type ProviderObject, providerPath } from './kube/objects.ts';
import type { ServerTime } from './kube/server-time.ts';
import type { Store } from './kube/store.ts';
import type { Limits } from './provider/gate.ts';
import type { Compiled, Engine } from './provider/types.ts';

/** A definition, and whether it can work. */
export interface ProviderEntry {
  readonly compiled: Compiled;
  readonly allowedNamespaces: ProviderSpec['allowedNamespaces'] | undefined;
  readonly refreshRequested: string | undefined;
}

/** Definitions compiled once for each generation, shared by every credential that uses them. */
export class Providers {
  readonly #engine: Engine;
  readonly #store: Store<ProviderObject>;
  readonly #entries = new Map<string, { generation: string; entry: ProviderEntry }>();

  constructor(engine: Engine, store: Store<ProviderObject>) {
    this.#engine = engine;
    this.#store = store;
  }

  get(name: string): ProviderEntry | undefined {
    const object = this.#store.get(name);
    if (object === undefined) {
      this.#entries.delete(name);
      return undefined;
    }
    const { uid, generation, annotations } = object.metadata;
    const refreshRequested = annotations?.[REFRESH_REQUESTED_AT];
    const version = `${uid}/${generation}/${refreshRequested ?? ''}`;
    const known = this.#entries.get(name);
    if (known?.generation === version) return known.entry;
    const entry: ProviderEntry = {
      compiled:
        object.spec === undefined
          ? { ok: false, problems: object.problems }
          : this.#engine.compile(name, object.spec),
      allowedNamespaces: object.spec?.allowedNamespaces,
      refreshRequested,
    };
    this.#entries.set(name, { generation: version, entry });
    return entry;
  }
}

export interface ProviderContext {
  readonly client: KubeClient;
  readonly serverTime: ServerTime;
  readonly store: Store<ProviderObject>;
  readonly providers: Providers;
  readonly demand: Demand;
  /** The part of a provider's limits that is this replica's. */
  readonly limits: (limits: Limits) => Limits;
  readonly events: EventRecorder;
}

/** Writes a provider's conditions where they differ: Accepted, and Saturated while its credentials need more than it allows. */
export async function reconcileProvider(name: string, context: ProviderContext): Promise<void> {
  const object = context.store.get(name);
  const entry = context.providers.get(name);
  if (object === undefined || entry === undefined) return;
  const now = context.serverTime.now();
  const accepted = acceptance(entry.compiled);
  const status: ProviderStatus = {
    observedGeneration: object.metadata.generation,
    conditions: [
      condition(object, CONDITION.accepted, accepted, now),
      condition(object, CONDITION.saturated, saturation(name, entry.compiled, context), now),
    ],
  };
  if (canonical(object.status ?? {}) === canonical(status)) return;
  try {
    const { uid, resourceVersion } = object.metadata;
    const written = await context.client.mergePatch(
      `${providerPath(name)}/status`,
      { metadata: { uid, resourceVersion }, status },
      ProviderAnswer,
    );
    context.store.set(written);
  } catch (error) {
    // Changed or deleted meanwhile: the watch brings it, and we look again.
    if (isConflict(error) || isNotFound(error)) return;
    throw error;
  }
  const before = object.status?.conditions.find(({ type }) => type === CONDITION.accepted);
  if (before?.status === accepted.status && before.reason === accepted.reason) return;
  context.events.record(
    { kind: PROVIDER_KIND, name, uid: object.metadata.uid, resourceVersion: object.metadata.resourceVersion },
    {
      type: accepted.status === 'True' ? 'Normal' : 'Warning',
      reason: accepted.reason,
      action: 'Compile',
      note: accepted.message,
    },
  );
}

function acceptance(compiled: Compiled): Verdict {
  if (compiled.ok) return { status: 'True', reason: 'Compiled', message: 'The definition can work.' };
  const [first, ...others] = compiled.problems;
  const rest =
    others.length === 0 ? '' : ` (and ${others.length} more: ${others.map(({ field }) => field).join(', ')})`;
  return {
    status: 'False',
    reason: 'DefinitionInvalid',
    message: `${first?.field ?? 'spec'}: ${first?.message ?? 'cannot be used'}${rest}`.slice(0, 4096),
  };
}

function saturation(
  name: string,
  compiled: Compiled,
  { demand, limits }: Pick<ProviderContext, 'demand' | 'limits'>,
): Verdict {
  const allowed = compiled.ok ? compiled.provider.limits.requestsPerMinute : undefined;
  const limit = compiled.ok ? limits(compiled.provider.limits).requestsPerMinute : undefined;
  const worst = demand.worst(name);
  if (limit === undefined || worst === undefined || worst.perMinute <= limit) {
    return {
      status: 'False',
      reason: 'WithinLimits',
      message: 'Its credentials need no more than its limits allow.',
    };
  }
  return {
    status: 'True',
    reason: 'NeedExceedsLimit',
    message: `The credentials at ${worst.origin} need ${worst.perMinute.toFixed(1)} requests a minute, and spec.limits.requestsPerMinute allows ${limit}${limit === allowed ? '' : `, this replica’s part of ${allowed}`}: tokens will be late. Raise the limit, or lower the need by spec.schedule.`,
  };
}

function condition(object: ProviderObject, type: string, verdict: Verdict, now: number): Condition {
  const before = object.status?.conditions.find(condition => condition.type === type);
  return {
    type,
    status: verdict.status,
    observedGeneration: object.metadata.generation,
    lastTransitionTime: before?.status === verdict.status ? before.lastTransitionTime : instant(now),
    reason: verdict.reason,
    message: verdict.message,
  };
}
