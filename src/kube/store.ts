import { keyOf, type ObjectMeta } from '../api/meta.ts';
import { type Packing, Shelf } from '../loop/shelf.ts';
import type { Gathering, Gone, ListWatchHandler } from './list-watch.ts';
import { newerVersion } from './version.ts';

export interface Stored {
  readonly metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'resourceVersion'>;
}

/** `old` is undefined for what is new, `next` for what is gone. */
export type ChangeListener<T> = (key: string, old: T | undefined, next: T | undefined) => void;

type Slot = string | number;

export interface StoreOptions<T> {
  /** Keeps what was not looked at for long in less memory. */
  readonly packing?: Packing<T>;
  /** How many of those that were looked at last are kept as they are. */
  readonly warm?: number;
}

interface Index<T> {
  readonly valuesOf: (item: T) => readonly string[];
  /** Most values have one key, and a Set for it would be most of what they cost. */
  readonly keys: Map<Slot, string | Set<string>>;
  readonly slotOf: (value: string) => Slot;
}

const ALL_NAMESPACES = '';
/** More are not waited for: a watch that sends none of them must not fill the memory. */
const MOST_AWAITED = 10_000;

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
  readonly #items: Shelf<T>;
  readonly #indexes = new Map<string, Index<T>>();
  readonly #listeners = new Set<ChangeListener<T>>();
  /** By namespace: the version up to which its list-watch has told everything. */
  readonly #seen = new Map<string, string>();
  /** Versions that writes of ours made since a watch last began, and of which it has not told yet. */
  readonly #awaited = new Set<string>();

  constructor({ packing, warm }: StoreOptions<T> = {}) {
    this.#items = new Shelf(packing, warm);
  }

  get size(): number {
    return this.#items.size;
  }

  get(key: string): T | undefined {
    return this.#items.get(key);
  }

  /** What is looked at once, and not soon again. */
  peek(key: string): T | undefined {
    return this.#items.peek(key);
  }

  values(): IterableIterator<T> {
    return this.#items.values();
  }

  keys(): IterableIterator<string> {
    return this.#items.keys();
  }

  /** What a write of ours was answered with. @returns whether it was news. */
  set(item: T): boolean {
    const { resourceVersion, namespace } = item.metadata;
    const key = keyOf(item);
    const old = this.#items.get(key);
    const known = old === undefined ? this.#seenIn(namespace) : old.metadata.resourceVersion;
    if (!newerVersion(resourceVersion, known)) return false;
    this.#put(key, old, item);
    if (this.#awaited.size >= MOST_AWAITED) this.#awaited.clear();
    this.#awaited.add(resourceVersion);
    this.#notify([[key, old, item]]);
    return true;
  }

  /** Keeps all of it in as little memory as it can: nobody is about to look. */
  rest(): void {
    this.#items.rest();
  }

  /** Forgets what is not gone, but is no longer to be kept: nobody is told. */
  drop(keys: readonly string[]): void {
    for (const key of keys) {
      const item = this.#items.peek(key);
      if (item !== undefined) this.#take(key, item);
    }
  }

  /** Keeps less of what is known, of the same version: nobody is told. */
  amend(keys: readonly string[], amended: (item: T) => T): void {
    for (const key of keys) {
      const old = this.#items.peek(key);
      if (old !== undefined) this.#put(key, old, amended(old));
    }
  }

  /** Looks at all of them. @returns keys. */
  where(which: (item: T) => boolean): readonly string[] {
    return [...this.#items.entries()].filter(([, item]) => which(item)).map(([key]) => key);
  }

  /**
   * Sorts keys under what `valuesOf` says of each item; for {@link byIndex}.
   * @param how `hashed` where there are about as many values as items: the values themselves are not kept then.
   */
  index(name: string, valuesOf: (item: T) => readonly string[], how: 'whole' | 'hashed' = 'whole'): void {
    const index: Index<T> = {
      valuesOf,
      keys: new Map(),
      slotOf: how === 'hashed' ? hashOf : value => value,
    };
    this.#indexes.set(name, index);
    for (const [key, item] of this.#items.entries()) enter(index.keys, key, valuesOf(item).map(index.slotOf));
  }

  /** @returns keys; a copy, so that the store may change meanwhile. */
  byIndex(name: string, value: string): readonly string[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`no index ${name}`);
    const slot = index.slotOf(value);
    const found = index.keys.get(slot) ?? [];
    const keys = typeof found === 'string' ? [found] : [...found];
    if (typeof slot === 'string') return keys;
    // Two values may have one hash.
    return keys.filter(key => {
      const item = this.#items.peek(key);
      return item !== undefined && index.valuesOf(item).includes(value);
    });
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
      begins: () => this.#awaited.clear(),
      echoes: version => {
        if (!this.#awaited.delete(version)) return false;
        progress(version);
        return true;
      },
      holds: metadata =>
        this.#items.peek(keyOf({ metadata }))?.metadata.resourceVersion === metadata.resourceVersion,
      gather: () => (this.#seen.has(scope) ? undefined : this.#gather(scope)),
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
    const unlisted = new Set(this.#keysIn(scope));
    for (const item of items) {
      const key = keyOf(item);
      unlisted.delete(key);
      const old = this.#items.peek(key);
      if (old !== undefined && !newer(item.metadata.resourceVersion, old.metadata.resourceVersion)) continue;
      this.#put(key, old, item);
      changes.push([key, old, item]);
    }
    for (const [key, old] of this.#takeUnlisted(unlisted, setBack ? undefined : version))
      changes.push([key, old, undefined]);
    this.#notify(changes);
  }

  /** @param version of the list; what is newer than it stays. @returns what is gone. */
  #takeUnlisted(keys: Iterable<string>, version: string | undefined): [string, T][] {
    const taken: [string, T][] = [];
    for (const key of keys) {
      const old = this.#items.peek(key);
      if (old === undefined) continue;
      if (version !== undefined && newerVersion(old.metadata.resourceVersion, version)) continue;
      this.#take(key, old);
      taken.push([key, old]);
    }
    return taken;
  }

  #keysIn(scope: string): Iterable<string> {
    return scope === ALL_NAMESPACES
      ? this.#items.keys()
      : [...this.#items.keys()].filter(key => key.startsWith(`${scope}/`));
  }

  /** The first list: each item is kept as it comes, rather than all at its end. Nobody acts on what is not whole, or is told of it. */
  #gather(scope: string): Gathering<T> {
    // Of a list that was broken off.
    const unlisted = new Set(this.#keysIn(scope));
    return {
      add: item => {
        const key = keyOf(item);
        unlisted.delete(key);
        const old = this.#items.peek(key);
        if (old === undefined || newerVersion(item.metadata.resourceVersion, old.metadata.resourceVersion))
          this.#put(key, old, item);
      },
      remove: metadata => unlisted.add(keyOf({ metadata })),
      end: version => {
        this.#seen.set(scope, version);
        this.#takeUnlisted(unlisted, version);
      },
    };
  }

  #seenIn(namespace: string | undefined): string {
    return this.#seen.get(namespace ?? ALL_NAMESPACES) ?? this.#seen.get(ALL_NAMESPACES) ?? '';
  }

  #put(key: string, old: T | undefined, next: T): void {
    this.#items.set(key, next);
    for (const index of this.#indexes.values()) {
      const values = index.valuesOf(next);
      const former = old === undefined ? [] : index.valuesOf(old);
      if (values.length === former.length && values.every((value, at) => value === former[at])) continue;
      const slots = values.map(index.slotOf);
      const before = former.map(index.slotOf);
      // What stays keeps the text of the key that it has, which all others keep too.
      leave(
        index.keys,
        key,
        before.filter(slot => !slots.includes(slot)),
      );
      enter(
        index.keys,
        key,
        slots.filter(slot => !before.includes(slot)),
      );
    }
  }

  #take(key: string, old: T): void {
    this.#items.delete(key);
    for (const { keys, valuesOf, slotOf } of this.#indexes.values())
      leave(keys, key, valuesOf(old).map(slotOf));
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

function enter(all: Index<never>['keys'], key: string, slots: readonly Slot[]): void {
  for (const slot of slots) {
    const keys = all.get(slot);
    if (keys === undefined) all.set(slot, key);
    else if (typeof keys !== 'string') keys.add(key);
    else if (keys !== key) all.set(slot, new Set([keys, key]));
  }
}

function leave(all: Index<never>['keys'], key: string, slots: readonly Slot[]): void {
  for (const slot of slots) {
    const keys = all.get(slot);
    if (keys === key) all.delete(slot);
    if (keys === undefined || typeof keys === 'string') continue;
    keys.delete(key);
    if (keys.size === 0) all.delete(slot);
  }
}

/** FNV-1a, as a small integer. */
function hashOf(value: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < value.length; at += 1) hash = Math.imul(hash ^ value.charCodeAt(at), 0x01000193);
  return hash | 0;
}
