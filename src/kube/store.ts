import { keyOf, type ObjectMeta } from '../api/meta.ts';
import type { Gone, ListWatchHandler } from './list-watch.ts';
import { newerVersion } from './version.ts';

export interface Stored {
  readonly metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'resourceVersion'>;
}

/** `old` is undefined for what is new, `next` for what is gone. */
export type ChangeListener<T> = (key: string, old: T | undefined, next: T | undefined) => void;

interface Index<T> {
  readonly valuesOf: (item: T) => readonly string[];
  readonly keys: Map<string, Set<string>>;
}

const ALL_NAMESPACES = '';

/**
 * The newest known state of every object of a kind, by `namespace/name`. Two sources meet here: list-watches, which
 * lag, and the answers of our own writes, which do not. What keeps them from undoing each other:
 *
 * - An older resourceVersion never replaces a newer one, and an equal one (the echo of our own write) is no change.
 * - A list is a statement about its own version L. What we wrote later than L is missing from it, or old in it, without
 *   being gone: it stays, and the watch that starts at L tells what became of it. Everything else that is missing is gone.
 * - An object that a late answer brings, but that the watch has passed without leaving it here, was deleted meanwhile,
 *   and is not brought back.
 * - A list *older* than what the watch has shown means that the cluster's history was set back (a restored etcd):
 *   then versions cannot be compared, and the list is taken as it is.
 */
export class Store<T extends Stored> {
  readonly #items = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #listeners = new Set<ChangeListener<T>>();
  /** By namespace: the version up to which its list-watch has told everything. */
  readonly #seen = new Map<string, string>();

  get size(): number {
    return this.#items.size;
  }

  get(key: string): T | undefined {
    return this.#items.get(key);
  }

  values(): IterableIterator<T> {
    return this.#items.values();
  }

  /** What a write of ours was answered with. @returns whether it was news. */
  set(item: T): boolean {
    const { resourceVersion, namespace } = item.metadata;
    const key = keyOf(item);
    const old = this.#items.get(key);
    const known = old === undefined ? this.#seenIn(namespace) : old.metadata.resourceVersion;
    if (!newerVersion(resourceVersion, known)) return false;
    this.#put(key, old, item);
    this.#notify([[key, old, item]]);
    return true;
  }

  /** Sorts keys under what `valuesOf` says of each item; for {@link byIndex}. */
  index(name: string, valuesOf: (item: T) => readonly string[]): void {
    const index: Index<T> = { valuesOf, keys: new Map() };
    this.#indexes.set(name, index);
    for (const [key, item] of this.#items) enter(index, key, item);
  }

  /** @returns keys; a copy, so that the store may change meanwhile. */
  byIndex(name: string, value: string): readonly string[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`no index ${name}`);
    return [...(index.keys.get(value) ?? [])];
  }

  /** Listeners run after the change, a list's after all of its changes. @returns how to unsubscribe. */
  onChange(listener: ChangeListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Where a list-watch puts what it learns. @param namespace the only one that it watches; undefined for all. */
  feed(namespace?: string): ListWatchHandler<T> {
    const scope = namespace ?? ALL_NAMESPACES;
    const progress = (version: string): void => {
      if (newerVersion(version, this.#seen.get(scope) ?? '')) this.#seen.set(scope, version);
    };
    return {
      progress,
      holds: metadata =>
        this.#items.get(keyOf({ metadata }))?.metadata.resourceVersion === metadata.resourceVersion,
      replace: (items, version) => this.#replace(scope, items, version),
      upsert: item => {
        progress(item.metadata.resourceVersion);
        this.#upsert(item);
      },
      remove: gone => {
        progress(gone.metadata.resourceVersion);
        this.#remove(gone);
      },
    };
  }

  #upsert(item: T): void {
    const key = keyOf(item);
    const old = this.#items.get(key);
    if (old !== undefined && !newerVersion(item.metadata.resourceVersion, old.metadata.resourceVersion))
      return;
    this.#put(key, old, item);
    this.#notify([[key, old, item]]);
  }

  #remove(gone: Gone): void {
    const key = keyOf(gone);
    const old = this.#items.get(key);
    // Deleted, and made again by us before the deletion reached us.
    if (old === undefined || newerVersion(old.metadata.resourceVersion, gone.metadata.resourceVersion))
      return;
    this.#take(key, old);
    this.#notify([[key, old, undefined]]);
  }

  #replace(scope: string, items: readonly T[], version: string): void {
    const setBack = newerVersion(this.#seen.get(scope) ?? '', version);
    this.#seen.set(scope, version);
    const newer = (a: string, b: string): boolean => setBack || newerVersion(a, b);
    const changes: Parameters<ChangeListener<T>>[] = [];
    const listed = new Set<string>();
    for (const item of items) {
      const key = keyOf(item);
      listed.add(key);
      const old = this.#items.get(key);
      if (old !== undefined && !newer(item.metadata.resourceVersion, old.metadata.resourceVersion)) continue;
      this.#put(key, old, item);
      changes.push([key, old, item]);
    }
    for (const [key, old] of this.#items) {
      const { namespace, resourceVersion } = old.metadata;
      if (listed.has(key) || (scope !== ALL_NAMESPACES && namespace !== scope)) continue;
      if (!setBack && newerVersion(resourceVersion, version)) continue;
      this.#take(key, old);
      changes.push([key, old, undefined]);
    }
    this.#notify(changes);
  }

  #seenIn(namespace: string | undefined): string {
    return this.#seen.get(namespace ?? ALL_NAMESPACES) ?? this.#seen.get(ALL_NAMESPACES) ?? '';
  }

  #put(key: string, old: T | undefined, next: T): void {
    this.#items.set(key, next);
    for (const index of this.#indexes.values()) {
      if (old !== undefined) leave(index, key, old);
      enter(index, key, next);
    }
  }

  #take(key: string, old: T): void {
    this.#items.delete(key);
    for (const index of this.#indexes.values()) leave(index, key, old);
  }

  /** One listener's failure keeps nothing from the others; the first is thrown when all were told. */
  #notify(changes: readonly Parameters<ChangeListener<T>>[]): void {
    const failures: unknown[] = [];
    for (const change of changes) {
      for (const listener of this.#listeners) {
        try {
          listener(...change);
        } catch (error) {
          failures.push(error);
        }
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

function enter<T>(index: Index<T>, key: string, item: T): void {
  for (const value of index.valuesOf(item)) {
    const keys = index.keys.get(value);
    if (keys === undefined) index.keys.set(value, new Set([key]));
    else keys.add(key);
  }
}

function leave<T>(index: Index<T>, key: string, item: T): void {
  for (const value of index.valuesOf(item)) {
    const keys = index.keys.get(value);
    keys?.delete(key);
    if (keys?.size === 0) index.keys.delete(value);
  }
}
