import { type ApiServer, type ApiServerOptions, createApiServer } from '../../../sandbox/apiserver/server.ts';
import { seeded } from '../../../sandbox/random.ts';
import { VirtualClock } from '../../../sandbox/virtual-clock.ts';
import type { WireResponse } from '../../../sandbox/wire.ts';
import { WIDGET_CRD } from './widget-crd.ts';

/** A sandbox cluster under a clock that stands still, and how tests talk to it. */

export const SECRETS = '/api/v1/namespaces/default/secrets';
export const WIDGETS = '/apis/example.dev/v1/namespaces/default/widgets';

export const TYPE = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

export const ACCEPT = {
  table: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
  partial: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
  partialList: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
} as const;

interface Owner {
  uid: string;
  name: string;
}
/** Loosely what answers hold: tests read single fields of them. */
export interface Body {
  kind: string;
  message: string;
  reason: string;
  details: { causes: { reason: string; field: string; message: string }[]; kind: string; uid: string };
  metadata: {
    name: string;
    uid: string;
    resourceVersion: string;
    generation?: number;
    continue?: string;
    remainingItemCount?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    finalizers?: string[];
    deletionTimestamp?: string;
    creationTimestamp: string;
    ownerReferences?: Owner[];
    managedFields?: { manager: string; operation: string; subresource?: string; fieldsV1: object }[];
  };
  spec: Record<string, unknown>;
  status: Record<string, unknown>;
  data?: Record<string, string>;
  type: string;
  items: Body[];
}

export interface Reply {
  readonly code: number;
  readonly body: Body;
  readonly headers: Readonly<Record<string, string>>;
  readonly raw: WireResponse;
}

interface Extra {
  readonly type?: string;
  readonly accept?: string;
}

export interface WatchEvent {
  type: string;
  object: Body;
}

export class Cluster {
  readonly clock = new VirtualClock({ startMs: Date.parse('2026-03-01T12:00:00Z') });
  readonly server: ApiServer;

  constructor(options: Partial<ApiServerOptions> = {}) {
    this.server = createApiServer({ clock: this.clock, crds: [WIDGET_CRD], random: seeded(7), ...options });
  }

  async send(method: string, path: string, body?: unknown, { type, accept }: Extra = {}): Promise<Reply> {
    const raw = await this.server.handler({
      method,
      url: new URL(`http://cluster.test${path}`),
      headers: {
        'content-type': type ?? 'application/json',
        'user-agent': 'tester/1',
        ...(accept === undefined ? {} : { accept }),
      },
      body: body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body)),
      signal: new AbortController().signal,
    });
    const text = typeof raw.body === 'string' ? raw.body : '{}';
    const parsed = text.startsWith('{') ? (JSON.parse(text) as Body) : ({ message: text } as Body);
    return { code: raw.status, body: parsed, headers: raw.headers ?? {}, raw };
  }

  apply(path: string, body: unknown, query = 'fieldManager=t'): Promise<Reply> {
    return this.send('PATCH', `${path}?${query}`, body, { type: TYPE.apply });
  }

  merge(path: string, body: unknown): Promise<Reply> {
    return this.send('PATCH', path, body, { type: TYPE.merge });
  }

  /** The watch is open, and has told its initial state, when this returns. */
  watch(path: string, accept?: string): OpenWatch {
    const gone = new AbortController();
    const raw = this.server.handler({
      method: 'GET',
      url: new URL(`http://cluster.test${path}`),
      headers: accept === undefined ? {} : { accept },
      body: Buffer.alloc(0),
      signal: gone.signal,
    });
    if (raw instanceof Promise) throw new Error('the watch is held up');
    const open = new OpenWatch(() => gone.abort());
    raw.stream?.({
      write: (chunk, taken) => {
        if (taken !== undefined) open.untaken = taken;
        for (const line of String(chunk).trimEnd().split('\n')) {
          const event = JSON.parse(line) as WatchEvent;
          open.events.push(event);
          open.onEvent(event);
        }
      },
      end: () => {
        open.ended = 'end';
      },
      reset: () => {
        open.ended = 'reset';
      },
    });
    return open;
  }
}

export class OpenWatch {
  readonly events: WatchEvent[] = [];
  onEvent: (event: WatchEvent) => void = () => undefined;
  /** Tells the server that what it wrote was taken, where it waits for that. */
  untaken: (() => void) | undefined;
  ended: 'end' | 'reset' | undefined;
  readonly leave: () => void;

  constructor(leave: () => void) {
    this.leave = leave;
  }

  /** `TYPE name` of each event so far. */
  seen(): string[] {
    return this.events.map(({ type, object }) => `${type} ${object.metadata.name ?? ''}`.trim());
  }
}

export const secret = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  ...more,
});
export const widget = (name: string, spec: unknown) => ({
  apiVersion: 'example.dev/v1',
  kind: 'Widget',
  metadata: { name },
  spec,
});
