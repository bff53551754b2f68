import { parse as parseYaml } from 'yaml';
import { type Clock, type Random, systemRandom } from '../../src/loop/clock.ts';
import type { WireHandler, WireRequest, WireResponse } from '../wire.ts';
import { DEFINITIONS } from './core-kinds.ts';
import { kindOf } from './definitions.ts';
import { describePath } from './discovery.ts';
import { ApiError, badRequest, invalid, cause, methodNotAllowed } from './errors.ts';
import { type Call, type Fault, Faults, type Injection, RequestLog } from './faults.ts';
import { Collector } from './gc.ts';
import { isObject, type Json, type JsonObject, type KubeObject, textOr } from './json.ts';
import type { Kind } from './kind.ts';
import { listPage } from './list.ts';
import { Objects, type WriteOptions, type Written } from './objects.ts';
import { jsonPatch, mergePatch, strategicPatch } from './patch.ts';
import { readProtobuf } from './protobuf.ts';
import { Registry } from './registry.ts';
import { type Form, listText, negotiate, objectText, type Table } from './represent.ts';
import { readCall } from './routes.ts';
import { compileSelectors } from './selectors.ts';
import { keyFor, Store } from './store.ts';
import { readWatch, Watch } from './watch.ts';

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
  /** Ends all watches: in order, or by breaking their connections. */
  dropWatches(how?: 'end' | 'reset'): void;
  /** All present watches stay open and fall silent. */
  stallWatches(): void;
  openWatches(): number;
  /** Forgets history: an older resourceVersion, or a list's next page, is then 410. */
  compact(): void;
  close(): void;
}

const LARGEST_BODY_BYTES = 3 * 1024 * 1024;
const JSON_TYPE = { 'content-type': 'application/json' };
/** What tests and fixtures write as. */
const HELPER: WriteOptions = { manager: 'sandbox', dryRun: false, validation: 'Strict' };

export function createApiServer(options: ApiServerOptions): ApiServer {
  return new Server(options);
}

class Server implements ApiServer {
  readonly requests = new RequestLog();
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly watchList: boolean;
  private readonly store: Store;
  private readonly registry = new Registry();
  private readonly objects: Objects;
  private readonly collector: Collector;
  private readonly faults = new Faults();
  private readonly watches = new Set<Watch>();

  constructor({
    clock,
    crds,
    random = systemRandom,
    historyLimit = 2000,
    watchList = true,
  }: ApiServerOptions) {
    this.clock = clock;
    this.random = random;
    this.watchList = watchList;
    this.store = new Store(historyLimit);
    this.objects = new Objects(this.store, clock, random);
    this.collector = new Collector(this.objects, this.registry, clock);
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
    if (kind === undefined) throw new Error(`no kind ${String(object.kind)} in ${String(object.apiVersion)}`);
    const meta = isObject(object.metadata) ? object.metadata : {};
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
    return this.faults.inject(match, fault, times);
  }

  dropWatches(how: 'end' | 'reset' = 'end'): void {
    for (const watch of [...this.watches]) watch.end(how);
  }

  stallWatches(): void {
    for (const watch of this.watches) watch.stall();
  }

  openWatches(): number {
    return this.watches.size;
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

  readonly handler: WireHandler = request => {
    const call = readCall(request);
    const fault = this.faults.take(call);
    if (typeof fault === 'object' && 'delayMs' in fault) {
      return new Promise(resolve => {
        this.clock.after(fault.delayMs, () => resolve(this.log(call, this.answer(call, request))));
      });
    }
    return this.log(call, this.answerWith(fault, call, request));
  };

  private log(call: Call, response: WireResponse): WireResponse {
    const at = this.clock.wall();
    const status = response.fault === undefined ? response.status : 0;
    this.requests.add({ ...call, status, at });
    return { ...response, headers: { ...response.headers, date: this.date(at) } };
  }

  private lastDate = { second: -1, text: '' };
  private date(wall: number): string {
    const second = Math.floor(wall / 1000);
    if (second !== this.lastDate.second) this.lastDate = { second, text: new Date(wall).toUTCString() };
    return this.lastDate.text;
  }

  private answerWith(
    fault: Exclude<Fault, { delayMs: number }> | undefined,
    call: Call,
    request: WireRequest,
  ): WireResponse {
    if (fault === undefined) return this.answer(call, request);
    if (typeof fault === 'string') return { status: 0, fault };
    if ('afterCommit' in fault) {
      this.answer(call, request);
      return { status: 0, fault: fault.afterCommit };
    }
    const { status, reason, message = 'injected', retryAfter } = fault;
    const details = { name: call.name, group: call.group, kind: call.resource };
    const error = new ApiError(
      status,
      reason,
      message,
      retryAfter === undefined ? details : { ...details, retryAfterSeconds: retryAfter },
    );
    const response = refusal(error);
    return retryAfter === undefined
      ? response
      : { ...response, headers: { ...response.headers, 'retry-after': String(retryAfter) } };
  }

  private answer(call: Call, request: WireRequest): WireResponse {
    try {
      return this.serve(call, request);
    } catch (error) {
      if (error instanceof ApiError) return refusal(error);
      throw error;
    }
  }

  private serve(call: Call, request: WireRequest): WireResponse {
    if (request.body.length > LARGEST_BODY_BYTES) {
      throw new ApiError(
        413,
        'RequestEntityTooLarge',
        `Request entity too large: limit is ${LARGEST_BODY_BYTES}`,
      );
    }
    if (call.group === 'authorization.k8s.io' && call.verb === 'create') {
      return json(201, { ...readBody(request), status: { allowed: true } });
    }
    const apiVersion = call.group === '' ? call.version : `${call.group}/${call.version}`;
    const kind = call.resource === '' ? undefined : this.registry.get(apiVersion, call.resource);
    if (kind === undefined) return this.describe(call);
    if (call.subresource !== '' && !(call.subresource === 'status' && kind.statusSubresource)) return NOWHERE;
    if (kind.namespaced && call.namespace === undefined && call.verb !== 'list' && call.verb !== 'watch') {
      throw methodNotAllowed();
    }
    const form = negotiate(request.headers.accept);
    const table = (): Table => ({
      includeObject: call.params.get('includeObject') ?? 'Metadata',
      now: this.clock.wall(),
    });
    const matches = compileSelectors(kind, call.params);
    switch (call.verb) {
      case 'get':
        return text(200, objectText(kind, this.objects.find(kind, call.namespace, call.name), form, table()));
      case 'list': {
        const { versions, metadata } = listPage(this.store, kind, call.namespace, matches, call.params);
        return text(200, listText(kind, versions, metadata, form, table()));
      }
      case 'watch': {
        const { namespace } = call;
        const parts = { kind, namespace, matches, form, table };
        return this.watch(readWatch(parts, call.params, this.watchList, this.random), request);
      }
      case 'create':
        return this.written(kind, form, table(), this.create(kind, call, request), call);
      case 'update': {
        const old = this.objects.find(kind, call.namespace, call.name);
        const body = kind.decode(readBody(request));
        const written = this.objects.update(
          kind,
          old,
          body,
          statusOf(call),
          false,
          writeOptions(call, request),
        );
        return this.written(kind, form, table(), written, call);
      }
      case 'patch':
        return this.written(kind, form, table(), this.patch(kind, call, request), call);
      case 'delete':
        return this.remove(kind, call, request, form, table());
      case 'deletecollection': {
        const { versions, metadata } = listPage(
          this.store,
          kind,
          call.namespace,
          matches,
          new URLSearchParams(),
        );
        const dryRun = readDelete(call, request).dryRun;
        for (const version of versions) this.objects.remove(kind, version, { dryRun });
        return text(200, listText(kind, versions, metadata, form, table()));
      }
      default:
        throw methodNotAllowed();
    }
  }

  private describe(call: Call): WireResponse {
    const described = call.verb === 'read' ? describePath(this.registry, call.path) : undefined;
    if (described === undefined) return NOWHERE;
    return typeof described === 'string'
      ? { status: 200, headers: { 'content-type': 'text/plain' }, body: described }
      : json(200, described);
  }

  private create(kind: Kind, call: Call, request: WireRequest): Written {
    const body = kind.decode(readBody(request));
    return this.objects.create(kind, call.namespace, body, writeOptions(call, request));
  }

  private patch(kind: Kind, call: Call, request: WireRequest): Written {
    const type = (request.headers['content-type'] ?? '').split(';')[0];
    const options = writeOptions(call, request);
    const subresource = statusOf(call);
    if (type === 'application/apply-patch+yaml') {
      if (call.params.get('fieldManager') === null) {
        const missing = cause.required('fieldManager', 'is required for apply patch');
        throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions', plural: 'PatchOptions' }, '', [missing]);
      }
      const body = kind.decode(readBody(request));
      const force = call.params.get('force') === 'true';
      return this.objects.apply(kind, call.namespace, call.name, body, subresource, force, options);
    }
    const old = this.objects.find(kind, call.namespace, call.name);
    const body = readJson(request);
    const shown = kind.encode(old.object);
    const patched =
      type === 'application/merge-patch+json'
        ? mergePatch(shown, body)
        : type === 'application/json-patch+json'
          ? jsonPatch(shown, body)
          : type === 'application/strategic-merge-patch+json' && !kind.custom && kind !== DEFINITIONS
            ? strategicPatch(shown, body, kind.schema)
            : undefined;
    if (patched === undefined) throw unknownFormat();
    if (!isObject(patched)) throw badRequest('a patch must leave an object');
    return this.objects.update(kind, old, kind.decode(patched), subresource, true, options);
  }

  private written(kind: Kind, form: Form, table: Table, written: Written, call: Call): WireResponse {
    const { version, created, unknown } = written;
    const response = text(created ? 201 : 200, objectText(kind, version, form, table));
    if (unknown.length === 0 || call.params.get('fieldValidation') === 'Ignore') return response;
    const warning = unknown.map(field => `299 - "unknown field \\"${field}\\""`).join(', ');
    return { ...response, headers: { ...response.headers, warning } };
  }

  private remove(kind: Kind, call: Call, request: WireRequest, form: Form, table: Table): WireResponse {
    const version = this.objects.find(kind, call.namespace, call.name);
    const { orphan, ...options } = readDelete(call, request);
    const { uid } = version.object.metadata;
    if (orphan && !options.dryRun) this.collector.orphan(uid);
    const removed = this.objects.remove(kind, version, options);
    if (!removed.gone) return text(200, objectText(kind, removed.version, form, table));
    const { group, plural } = kind;
    return json(200, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: call.name, ...(group === '' ? {} : { group }), kind: plural, uid },
    });
  }

  private watch(wanted: ReturnType<typeof readWatch>, request: WireRequest): WireResponse {
    const stream: WireResponse['stream'] = sink => {
      const watch = new Watch(wanted, this.store, this.clock, sink, ended => this.watches.delete(ended));
      this.watches.add(watch);
      request.signal.addEventListener('abort', () => watch.end('gone'), { once: true });
      watch.start();
    };
    return { status: 200, headers: JSON_TYPE, stream };
  }
}

const text = (status: number, body: string): WireResponse => ({ status, headers: JSON_TYPE, body });
const json = (status: number, body: JsonObject): WireResponse => text(status, JSON.stringify(body));
const refusal = (error: ApiError): WireResponse => json(error.code, error.toStatus());
const NOWHERE: WireResponse = {
  status: 404,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: '404 page not found\n',
};

const statusOf = ({ subresource }: Call): '' | 'status' => (subresource === 'status' ? 'status' : '');

const unknownFormat = (): ApiError =>
  new ApiError(
    415,
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
  );

function writeOptions({ params, dryRun }: Call, { headers }: WireRequest): WriteOptions {
  const validation = params.get('fieldValidation');
  return {
    manager: params.get('fieldManager') ?? (headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown',
    dryRun,
    validation: validation === 'Strict' || validation === 'Ignore' ? validation : 'Warn',
  };
}

function readJson({ body, headers }: WireRequest): Json {
  const type = headers['content-type'] ?? 'application/json';
  if (type === 'application/vnd.kubernetes.protobuf') return readProtobuf(body);
  const source = body.toString();
  if (!type.includes('json') && !type.includes('yaml')) throw unknownFormat();
  // Never quotes the body: it may hold a secret.
  if (source.includes('"__proto__"')) throw badRequest('a key is not acceptable');
  try {
    const first = source.trimStart()[0];
    return (
      first === '{' || first === '[' || !type.includes('yaml') ? JSON.parse(source) : parseYaml(source)
    ) as Json;
  } catch {
    throw badRequest('the object provided is unrecognized: it cannot be parsed');
  }
}

function readBody(request: WireRequest): JsonObject {
  const body = readJson(request);
  if (!isObject(body)) throw badRequest('the object provided is unrecognized: it is no object');
  return body;
}

function readDelete(call: Call, request: WireRequest) {
  const body = request.body.length === 0 ? {} : readBody(request);
  const preconditions = isObject(body.preconditions) ? body.preconditions : {};
  const { uid, resourceVersion } = preconditions;
  const policy = call.params.get('propagationPolicy') ?? body.propagationPolicy;
  return {
    dryRun: call.dryRun || (Array.isArray(body.dryRun) && body.dryRun.includes('All')),
    orphan: policy === 'Orphan' || body.orphanDependents === true,
    uid: typeof uid === 'string' ? uid : undefined,
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : undefined,
  };
}
