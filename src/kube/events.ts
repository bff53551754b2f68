import { z } from 'zod';
import { API_VERSION, FIELD_MANAGER } from '../api/names.ts';
import type { Reason } from '../api/reasons.ts';
import type { Log } from '../loop/log.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './kube-error.ts';
import type { ServerTime } from './server-time.ts';

export interface Regarding {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export interface EventFacts {
  readonly type: 'Normal' | 'Warning';
  readonly reason: Reason;
  /** PascalCase: what was being done. */
  readonly action: string;
  readonly note: string;
}

/** More would only tell that the API server is behind. */
const MOST_IN_FLIGHT = 64;
const NOTE_MAX = 1000;

/** events.k8s.io/v1. A lost event is no failure: status says the same. */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #time: ServerTime;
  readonly #instance: string;
  readonly #log: Log;
  readonly #inFlight = new Set<Promise<void>>();
  #last = 0;

  /** @param instance this replica's name, as `reportingInstance`. */
  constructor(client: KubeClient, time: ServerTime, instance: string, log: Log) {
    this.#client = client;
    this.#time = time;
    this.#instance = instance.slice(0, 128);
    this.#log = log;
  }

  record(regarding: Regarding, event: EventFacts): void {
    if (this.#inFlight.size >= MOST_IN_FLIGHT) return;
    const sending = this.#send(regarding, event).catch((error: unknown) => {
      const reason = error instanceof KubeError ? error.reason : 'Unknown';
      this.#log.debug({ name: regarding.name, namespace: regarding.namespace, reason }, 'event not recorded');
    });
    this.#inFlight.add(sending);
    void sending.finally(() => this.#inFlight.delete(sending));
  }

  /** Resolves when what was recorded so far is sent or given up. */
  async flush(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  async #send(regarding: Regarding, event: EventFacts): Promise<void> {
    // Events about cluster-scoped objects live in `default`, as those of core controllers do.
    const namespace = regarding.namespace ?? 'default';
    const ms = this.#time.now();
    const now = new Date(ms).toISOString().replace('Z', '000Z');
    // Unique as client-go makes it: the object's name and a time, of which no two are the same here.
    this.#last = Math.max(this.#last + 1, Math.round(ms * 1000));
    await this.#client.create(
      `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
      {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: `${regarding.name.slice(0, 200)}.${this.#last.toString(16)}`, namespace },
        eventTime: now,
        reportingController: `${FIELD_MANAGER}.dev/operator`,
        reportingInstance: this.#instance,
        type: event.type,
        reason: event.reason,
        action: event.action,
        note: event.note.slice(0, NOTE_MAX),
        regarding: { apiVersion: API_VERSION, ...regarding },
      },
      z.unknown(),
    );
  }
}
