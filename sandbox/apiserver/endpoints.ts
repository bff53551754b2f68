import type { Clock, Random } from '../../src/loop/clock.ts';
import type { WireRequest, WireResponse } from '../wire.ts';
import { readBody, readDelete, readJson, unknownFormat, writeOptions } from './body.ts';
import { DEFINITIONS } from './core-kinds.ts';
import { describePath } from './discovery.ts';
import { ApiError, badRequest, cause, invalid, methodNotAllowed } from './errors.ts';
import type { Call } from './faults.ts';
import type { Collector } from './gc.ts';
import { isObject } from './json.ts';
import type { Kind } from './kind.ts';
import { listPage, readNotOlder } from './list.ts';
import type { Objects, Written } from './objects.ts';
import { jsonPatch, mergePatch, strategicPatch } from './patch.ts';
import type { Registry } from './registry.ts';
import { type Form, listText, negotiate, objectText, type Table } from './represent.ts';
import { JSON_TYPE, json, NOWHERE, text } from './responses.ts';
import { compileSelectors } from './selectors.ts';
import { readShards, type Shards } from './shards.ts';
import { readWatch, Watch } from './watch.ts';

const LARGEST_BODY_BYTES = 3 * 1024 * 1024;

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly watchList: boolean;
  readonly sharding: boolean;
  readonly registry: Registry;
  readonly objects: Objects;
  readonly collector: Collector;
}

/** Each verb's way from the request to the answer. */
export class Endpoints {
  readonly watches = new Set<Watch>();
  private readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  /** Throws an ApiError for what is refused. */
  serve(call: Call, request: WireRequest): WireResponse {
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
    const kind = call.resource === '' ? undefined : this.parts.registry.get(apiVersion, call.resource);
    if (kind === undefined) return this.describe(call);
    if (call.subresource !== '' && !(call.subresource === 'status' && kind.statusSubresource)) return NOWHERE;
    if (kind.namespaced && call.namespace === undefined && call.verb !== 'list' && call.verb !== 'watch') {
      throw methodNotAllowed();
    }
    const form = negotiate(request.headers.accept);
    const table = (): Table => ({
      includeObject: call.params.get('includeObject') ?? 'Metadata',
      now: this.parts.clock.wall(),
    });
    switch (call.verb) {
      case 'get': {
        readNotOlder(call.params, this.parts.objects.store);
        return text(
          200,
          objectText(kind, this.parts.objects.find(kind, call.namespace, call.name), form, table),
        );
      }
      case 'list': {
        const shards = this.shards(call);
        const matches = compileSelectors(kind, call.params, shards);
        const { store } = this.parts.objects;
        const { versions, metadata } = listPage(store, kind, call.namespace, matches, call.params);
        if (shards !== undefined) metadata.shardInfo = { selector: shards.selector };
        return text(200, listText(kind, versions, metadata, form, table));
      }
      case 'watch': {
        const { namespace } = call;
        const matches = compileSelectors(kind, call.params, this.shards(call));
        const parts = { kind, namespace, matches, form, table };
        return this.watch(readWatch(parts, call.params, this.parts.watchList, this.parts.random), request);
      }
      case 'create':
        return this.written(kind, form, table, this.create(kind, call, request), call);
      case 'update': {
        const old = this.parts.objects.find(kind, call.namespace, call.name);
        const body = kind.decode(readBody(request));
        const written = this.parts.objects.update(
          kind,
          old,
          body,
          statusOf(call),
          false,
          writeOptions(call, request),
        );
        return this.written(kind, form, table, written, call);
      }
      case 'patch':
        return this.written(kind, form, table, this.patch(kind, call, request), call);
      case 'delete':
        return this.remove(kind, call, request, form, table);
      case 'deletecollection': {
        const { store } = this.parts.objects;
        const matches = compileSelectors(kind, call.params, this.shards(call));
        const { versions, metadata } = listPage(store, kind, call.namespace, matches, new URLSearchParams());
        const dryRun = readDelete(call, request).dryRun;
        for (const version of versions) this.parts.objects.remove(kind, version, { dryRun });
        return text(200, listText(kind, versions, metadata, form, table));
      }
      default:
        throw methodNotAllowed();
    }
  }

  private shards({ params }: Call): Shards | undefined {
    return this.parts.sharding ? readShards(params) : undefined;
  }

  private describe(call: Call): WireResponse {
    const described = call.verb === 'read' ? describePath(this.parts.registry, call.path) : undefined;
    if (described === undefined) return NOWHERE;
    return typeof described === 'string'
      ? { status: 200, headers: { 'content-type': 'text/plain' }, body: described }
      : json(200, described);
  }

  private create(kind: Kind, call: Call, request: WireRequest): Written {
    const body = kind.decode(readBody(request));
    return this.parts.objects.create(kind, call.namespace, body, writeOptions(call, request));
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
      const target = { kind, namespace: call.namespace, name: call.name, subresource };
      return this.parts.objects.apply(target, body, force, options);
    }
    const old = this.parts.objects.find(kind, call.namespace, call.name);
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
    return this.parts.objects.update(kind, old, kind.decode(patched), subresource, true, options);
  }

  private written(kind: Kind, form: Form, table: () => Table, written: Written, call: Call): WireResponse {
    const { version, created, unknown } = written;
    const response = text(created ? 201 : 200, objectText(kind, version, form, table));
    if (unknown.length === 0 || call.params.get('fieldValidation') === 'Ignore') return response;
    const warning = unknown.map(field => `299 - "unknown field \\"${field}\\""`).join(', ');
    return { ...response, headers: { ...response.headers, warning } };
  }

  private remove(kind: Kind, call: Call, request: WireRequest, form: Form, table: () => Table): WireResponse {
    const version = this.parts.objects.find(kind, call.namespace, call.name);
    const { orphan, ...options } = readDelete(call, request);
    const { uid } = version.object.metadata;
    if (orphan && !options.dryRun) this.parts.collector.orphan(uid);
    const removed = this.parts.objects.remove(kind, version, options);
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
      const watch = new Watch(wanted, this.parts.objects.store, this.parts.clock, sink, ended =>
        this.watches.delete(ended),
      );
      this.watches.add(watch);
      request.signal.addEventListener('abort', () => watch.end('gone'), { once: true });
      watch.start();
    };
    return { status: 200, headers: JSON_TYPE, stream };
  }
}

const statusOf = ({ subresource }: Call): '' | 'status' => (subresource === 'status' ? 'status' : '');
