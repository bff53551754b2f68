import { Pool } from 'undici';
import { isObject, type JsonObject, type KubeObject, textOr } from '../../../sandbox/apiserver/json.ts';
import type { ControlPlane } from '../control-plane.ts';
import { parseObject } from './answers.ts';
import { type Access, Courier, type Delivered, type Parcel } from './courier.ts';
import { CONTENT, type KindPath, MIRRORED, NAMESPACES, pathOf } from './kinds.ts';
import { Mirror } from './mirror.ts';
import { endsInitialEvents, type Opened, openWatch, type Told, Upstream } from './watch-lines.ts';

/** Told of each event of what is mirrored. */
export type OnTold = (kind: KindPath, event: Told) => void;

/** Where leases are the cluster's own. */
const SYSTEM = new Set(['kube-system', 'kube-node-lease']);

export function accessOf({ url, ca, token, operatorToken = token }: ControlPlane): Access {
  return { url, ca, token, operatorToken };
}

/** What one worker's worlds share: the way to the control plane, and the mirror of what is in it. */
export class Plane {
  readonly courier: Courier;
  readonly mirror = new Mirror();
  /** Whose world it is at present. */
  onTold: OnTold = () => {};
  readonly #pool: Pool;
  readonly #access: Access;
  readonly #ended = new AbortController();

  private constructor(to: Access) {
    this.courier = new Courier(to);
    this.#access = to;
    this.#pool = new Pool(to.url, {
      connect: { ca: to.ca },
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  static #shared: Promise<Plane> | undefined;
  /** The worker's only one. */
  static shared(to: Access): Promise<Plane> {
    Plane.#shared ??= Plane.open(to);
    return Plane.#shared;
  }

  /** Resolves when all that there is was seen. The definitions must be served already. */
  static async open(to: Access): Promise<Plane> {
    const plane = new Plane(to);
    await Promise.all(MIRRORED.map(kind => plane.#follow(kind)));
    return plane;
  }

  /** As the operator. */
  watch(path: string, headers: Readonly<Record<string, string>>, abort: AbortController): Promise<Opened> {
    return this.#watchAs(this.#access.operatorToken, path, headers, abort);
  }

  #watchAs(
    token: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    abort: AbortController,
  ): Promise<Opened> {
    return openWatch(this.#pool, path, { ...headers, authorization: `Bearer ${token}` }, abort);
  }

  /**
   * For as long as the plane is open. A server ends a watch whose client does not read for a tenth of a second, as on a busy
   * machine: then it goes on where it was. Resolves when all that there is was seen.
   * @param from the version that was told last.
   */
  async #follow(kind: KindPath, from?: string): Promise<void> {
    const extent =
      from === undefined
        ? 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
        : `resourceVersion=${from}`;
    const query = `watch=true&${extent}&allowWatchBookmarks=true&timeoutSeconds=7200`;
    const opened = await this.#watchAs(this.#access.token, `${pathOf(kind)}?${query}`, {}, this.#ended);
    if (!(opened instanceof Upstream)) throw new Error(`${kind.resource}: ${opened.status} ${opened.text}`);
    let version = from;
    await new Promise<void>((resolve, reject) => {
      if (from !== undefined) resolve();
      opened.follow({
        told: event => {
          const { type, object } = event;
          if (type === 'ERROR') throw new Error(`the watch of ${kind.resource} failed`);
          if (type === 'DELETED') this.mirror.forget(kind.resource, object.metadata);
          else if (type !== 'BOOKMARK') this.mirror.learn(kind.resource, object);
          this.onTold(kind, event);
          if (version !== undefined || endsInitialEvents(event)) version = object.metadata.resourceVersion;
          if (endsInitialEvents(event)) resolve();
        },
        ended: error => {
          if (this.#ended.signal.aborted) return;
          if (version === undefined) reject(new Error(`no list of ${kind.resource}`, { cause: error }));
          else void this.#goOn(kind, version);
        },
      });
    });
  }

  /** What fails here fails the run. */
  async #goOn(kind: KindPath, from: string): Promise<void> {
    try {
      await this.#follow(kind, from);
    } catch (error) {
      if (!this.#ended.signal.aborted) throw error;
    }
  }

  /** One request that is waited for. @throws when no answer comes. */
  now(method: Parcel['method'], path: string, body?: JsonObject): Delivered {
    const parcel = { method, path, headers: { 'content-type': 'application/json' } };
    const [delivered] = this.#all([body === undefined ? parcel : { ...parcel, body: JSON.stringify(body) }]);
    if (delivered === undefined) throw new Error('no answer');
    return delivered;
  }

  #all(parcels: readonly Parcel[], after = false): readonly Delivered[] {
    const answers = this.courier.sendNow({ parcels, after });
    answers.forEach(({ status, body }, index) => {
      if (status === 0) throw new Error(`${parcels[index]?.method} ${parcels[index]?.path}: ${body}`);
    });
    return answers;
  }

  /** Removes what an earlier world left, once all that it had asked for is done. */
  clear(): void {
    const lists = this.#all(
      CONTENT.map(kind => ({ method: 'GET', path: pathOf(kind), headers: {} })),
      true,
    );
    const parcels: Parcel[] = [];
    CONTENT.forEach((kind, index) => {
      const places = new Set<string | undefined>();
      for (const { metadata } of itemsOf(lists[index])) {
        if (kind.resource === 'leases' && SYSTEM.has(metadata.namespace ?? '')) continue;
        this.mirror.forget(kind.resource, metadata);
        places.add(metadata.namespace);
      }
      for (const place of places) parcels.push({ method: 'DELETE', path: pathOf(kind, place), headers: {} });
    });
    for (const { metadata } of this.mirror.list(NAMESPACES.resource)) {
      const { labels = {}, name, annotations = {} } = metadata;
      if (Object.keys(labels).length + Object.keys(annotations).length < 2) continue;
      const plain = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
      parcels.push({
        method: 'PUT',
        path: `${pathOf(NAMESPACES)}/${name}`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(plain),
      });
    }
    if (parcels.length === 0) return;
    this.#all(parcels).forEach(({ status, body }, index) => {
      const parcel = parcels[index];
      if (status >= 300) throw new Error(`${parcel?.method} ${parcel?.path}: ${status} ${body}`);
      if (parcel?.method === 'PUT') this.mirror.learn(NAMESPACES.resource, parseObject(body));
    });
  }

  readonly #definitions = new Map<string, { text: string; object: KubeObject }>();
  /** A definition is put once, and again only when it is another: that costs the server much. */
  definition(object: JsonObject, put: () => KubeObject): KubeObject {
    const name = textOr(isObject(object.metadata) ? object.metadata.name : undefined);
    const text = JSON.stringify(object);
    const known = this.#definitions.get(name);
    if (known?.text === text) return known.object;
    const stored = put();
    this.#definitions.set(name, { text, object: stored });
    return stored;
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await Promise.all([this.#pool.destroy(), this.courier.close()]);
  }
}

function itemsOf(list: Delivered | undefined): KubeObject[] {
  const parsed = parseObject(list?.body ?? '');
  if (!Array.isArray(parsed.items)) throw new Error(`no list: ${list?.body.slice(0, 200)}`);
  return parsed.items as KubeObject[];
}
