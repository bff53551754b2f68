import type { JsonObject, KubeObject } from './json.ts';
import { metaText } from './managed.ts';

/** One version of an object. The metadata is the same in all forms of its JSON. */
export class Version {
  readonly object: KubeObject;
  readonly rv: number;

  constructor(object: KubeObject, rv: number) {
    this.object = object;
    this.rv = rv;
  }

  text(form: string, make: (object: KubeObject) => JsonObject): string {
    if (asked?.version !== this)
      asked = { version: this, meta: metaText(this.object.metadata), texts: new Map() };
    const { meta, texts } = asked;
    let text = texts.get(form);
    if (text === undefined) {
      const { kind, apiVersion, metadata: _, ...rest } = make(this.object);
      // In the order of a kube-apiserver: first what kind of object it is, where that is told.
      const parts = [JSON.stringify({ kind, apiVersion }), `{"metadata":${meta}}`, JSON.stringify(rest)];
      const members = parts.map(part => part.slice(1, -1)).filter(part => part !== '');
      text = `{${members.join(',')}}`;
      texts.set(form, text);
    }
    return text;
  }
}

/** Whose JSON is at hand: that of a change is asked for by the answer and by every watch, in a row; of a list each once. */
let asked: { version: Version; meta: string; texts: Map<string, string> } | undefined;

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly table: string;
  readonly key: string;
  /** For DELETED: the last state, under the version of the deletion. */
  readonly version: Version;
  readonly previous: Version | undefined;
}

type Listener = (change: Change) => void;

export const keyFor = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`;

/** Where a fresh cluster's counter stands: no object ever has version 1, which "create only" applies count on. */
const FIRST_VERSION = 100;

/** All objects, one counter of versions, and as much history as watches and pages may ask for. */
export class Store {
  private readonly tables = new Map<string, Map<string, Version>>();
  private history: Change[] = [];
  private readonly listeners = new Set<Listener>();
  private readonly undelivered: Change[] = [];
  private delivering = false;
  private readonly historyLimit: number;
  /** The present version, and the oldest from which all changes since are still known. */
  current = FIRST_VERSION;
  oldest = FIRST_VERSION;

  constructor(historyLimit: number) {
    this.historyLimit = historyLimit;
  }

  table(name: string): ReadonlyMap<string, Version> {
    return this.tables.get(name) ?? new Map<string, Version>();
  }

  get(table: string, key: string): Version | undefined {
    return this.tables.get(table)?.get(key);
  }

  /** @param object nobody else's, nor its metadata: it gets its version here. */
  put(table: string, key: string, object: KubeObject): Version {
    const previous = this.get(table, key);
    const version = this.next(object);
    let objects = this.tables.get(table);
    if (objects === undefined) {
      objects = new Map();
      this.tables.set(table, objects);
    }
    objects.set(key, version);
    this.publish({ type: previous === undefined ? 'ADDED' : 'MODIFIED', table, key, version, previous });
    return version;
  }

  /** `last`: the state to tell of, where it changed with the removal. */
  remove(table: string, key: string, last?: KubeObject): void {
    const previous = this.get(table, key);
    if (previous === undefined) return;
    const object = last ?? previous.object;
    const version = this.next({ ...object, metadata: { ...object.metadata } });
    this.tables.get(table)?.delete(key);
    this.publish({ type: 'DELETED', table, key, version, previous });
  }

  private next(object: KubeObject): Version {
    this.current += 1;
    object.metadata.resourceVersion = String(this.current);
    return new Version(object, this.current);
  }

  /** A listener may write: what follows from that is delivered after, so that all see one order. */
  private publish(change: Change): void {
    this.history.push(change);
    if (this.history.length > 2 * this.historyLimit) this.forget(this.history.length - this.historyLimit);
    this.undelivered.push(change);
    if (this.delivering) return;
    this.delivering = true;
    try {
      for (let next = this.undelivered.shift(); next !== undefined; next = this.undelivered.shift()) {
        for (const listener of this.listeners) listener(next);
      }
    } finally {
      this.delivering = false;
    }
  }

  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private forget(count: number): void {
    this.oldest = this.history[count - 1]?.version.rv ?? this.oldest;
    this.history = this.history.slice(count);
  }

  /** Forgets all history, as etcd's compaction does: older versions are then too old. */
  compact(): void {
    this.forget(this.history.length);
    this.oldest = this.current;
  }

  since(rv: number, table: string): Change[] {
    let first = this.history.length;
    while (first > 0 && (this.history[first - 1]?.version.rv ?? 0) > rv) first -= 1;
    return this.history.slice(first).filter(change => change.table === table);
  }

  /** The table as it was: what happened since is undone, newest first. */
  at(rv: number, table: string): ReadonlyMap<string, Version> {
    if (rv >= this.current) return this.table(table);
    const objects = new Map(this.table(table));
    for (const { key, previous } of this.since(rv, table).reverse()) {
      if (previous === undefined) objects.delete(key);
      else objects.set(key, previous);
    }
    return objects;
  }
}
