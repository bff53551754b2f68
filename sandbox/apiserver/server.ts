import { parse as parseYaml } from 'yaml';
import { type Clock, type Random, systemRandom } from '../../src/loop/clock.ts';
import type { WireHandler, WireRequest, WireResponse } from '../wire.ts';
import { DEFINITIONS } from './core-kinds.ts';
import { kindOf } from './definitions.ts';
import { Endpoints } from './endpoints.ts';
import { ApiError } from './errors.ts';
import type { Call, Fault, Injection, RequestLog } from './faults.ts';
import { Front } from './front.ts';
import { Collector } from './gc.ts';
import { isObject, type JsonObject, type KubeObject, objectOr, textOr } from './json.ts';
import type { Kind } from './kind.ts';
import { Objects, type WriteOptions } from './objects.ts';
import { Registry } from './registry.ts';
import { refusal } from './responses.ts';
import { type Change, keyFor, Store } from './store.ts';

export interface ApiServerOptions {
  readonly clock: Clock;
  /** The YAML texts of CustomResourceDefinitions that are there from the start. */
  readonly crds: readonly string[];
  /** Where UIDs come from. */
  readonly random?: Random;
  /** How many changes are remembered, at least; older resourceVersions are 410. */
  readonly historyLimit?: number;
  /** Whether the initial state can be streamed over a watch; an older server refuses to. */
  readonly watchList?: boolean;
  /** Whether `shardSelector` is known (the gate ShardedListAndWatch of 1.36); a server without it ignores the parameter. */
  readonly sharding?: boolean;
}

/** A small cluster's API, in memory. Resources are named by their plural. */
export interface ApiServer {
  readonly handler: WireHandler;
  readonly requests: RequestLog;
  get(resource: string, name: string, namespace?: string): KubeObject | undefined;
  list(resource: string, namespace?: string): KubeObject[];
  /** Creates, or replaces whatever is there, status included. Throws as the API would refuse. */
  put(object: JsonObject): KubeObject;
  delete(resource: string, name: string, namespace?: string): void;
  inject(match: (call: Call) => boolean, fault: Fault, times?: number): Injection;
  /** Tells of each change at once, whatever befalls the watches. @returns how to unsubscribe. */
  listen(listener: (change: Change) => void): () => void;
  /** Ends all watches: in order, or by breaking their connections. */
  dropWatches(how?: 'end' | 'reset'): void;
  /** All present watches stay open and fall silent. */
  stallWatches(): void;
  openWatches(): number;
  /** Forgets history: an older resourceVersion, or a list's next page, is then 410. */
  compact(): void;
  close(): void;
}

/** What tests and fixtures write as. */
const HELPER: WriteOptions = { manager: 'sandbox', dryRun: false, validation: 'Strict' };

export function createApiServer(options: ApiServerOptions): ApiServer {
  return new Server(options);
}

class Server implements ApiServer {
  private readonly front: Front;
  private readonly store: Store;
  private readonly registry = new Registry();
  private readonly objects: Objects;
  private readonly collector: Collector;
  private readonly endpoints: Endpoints;

  constructor({
    clock,
    crds,
    random = systemRandom,
    historyLimit = 2000,
    watchList = true,
    sharding = false,
  }: ApiServerOptions) {
    this.store = new Store(historyLimit);
    this.objects = new Objects(this.store, clock, random);
    this.collector = new Collector(this.objects, this.registry, clock);
    this.front = new Front(clock, (call, request) => this.answer(call, request));
    const { registry, objects, collector } = this;
    this.endpoints = new Endpoints({ clock, random, watchList, sharding, registry, objects, collector });
    this.store.listen(change => {
      if (change.table === DEFINITIONS.table && change.type !== 'DELETED') {
        this.registry.set(kindOf(change.version.object));
      }
      this.collector.onChange(change);
    });
    for (const name of ['default', 'kube-node-lease', 'kube-public', 'kube-system']) {
      this.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
    for (const text of crds) {
      const definition: unknown = parseYaml(text);
      if (!isObject(definition)) throw new Error('a CRD is an object');
      this.put(definition);
    }
  }

  // ---- for tests

  get requests(): RequestLog {
    return this.front.requests;
  }

  get(resource: string, name: string, namespace?: string): KubeObject | undefined {
    return this.store.get(this.kindNamed(resource).table, keyFor(namespace, name))?.object;
  }

  list(resource: string, namespace?: string): KubeObject[] {
    const all = [...this.store.table(this.kindNamed(resource).table).values()].map(({ object }) => object);
    return namespace === undefined ? all : all.filter(object => object.metadata.namespace === namespace);
  }

  put(object: JsonObject): KubeObject {
    const kind = this.registry
      .all()
      .find(served => served.apiVersion === object.apiVersion && served.kind === object.kind);
    if (kind === undefined) throw new Error(`no kind ${textOr(object.kind)} in ${textOr(object.apiVersion)}`);
    const meta = objectOr(object.metadata);
    const name = textOr(meta.name);
    const namespace = kind.namespaced ? textOr(meta.namespace, 'default') : undefined;
    const find = () => this.store.get(kind.table, keyFor(namespace, name));
    const body = kind.decode(object);
    const old = find();
    if (old === undefined) this.objects.create(kind, namespace, body, HELPER);
    else this.objects.update(kind, old, body, '', true, HELPER);
    const written = find();
    if (kind.statusSubresource && object.status !== undefined && written !== undefined) {
      this.objects.update(kind, written, body, 'status', true, HELPER);
    }
    return this.objects.find(kind, namespace, name).object;
  }

  delete(resource: string, name: string, namespace?: string): void {
    const kind = this.kindNamed(resource);
    this.objects.remove(kind, this.objects.find(kind, namespace, name), { dryRun: false });
  }

  inject(match: (call: Call) => boolean, fault: Fault, times = 1): Injection {
    return this.front.inject(match, fault, times);
  }

  listen(listener: (change: Change) => void): () => void {
    return this.store.listen(listener);
  }

  dropWatches(how: 'end' | 'reset' = 'end'): void {
    for (const watch of [...this.endpoints.watches]) watch.end(how);
  }

  stallWatches(): void {
    for (const watch of this.endpoints.watches) watch.stall();
  }

  openWatches(): number {
    return this.endpoints.watches.size;
  }

  compact(): void {
    this.store.compact();
  }

  close(): void {
    this.dropWatches();
    this.collector.close();
  }

  private kindNamed(resource: string): Kind {
    const kind = this.registry.all().find(({ plural }) => plural === resource);
    if (kind === undefined) throw new Error(`no resource ${resource}`);
    return kind;
  }

  // ---- the API

  get handler(): WireHandler {
    return this.front.handler;
  }

  private answer(call: Call, request: WireRequest): WireResponse {
    try {
      return this.endpoints.serve(call, request);
    } catch (error) {
      if (error instanceof ApiError) return refusal(error);
      throw error;
    }
  }
}
