import { type KubeObject, objectOr, textOr } from '../../../sandbox/apiserver/json.ts';
import { type Change, keyFor, Version } from '../../../sandbox/apiserver/store.ts';
import type { KindPath } from './kinds.ts';
import { type Mirror, versionOf } from './mirror.ts';
import type { Told } from './watch-lines.ts';

/** An object's change, in whatever resource. */
export interface Changed {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly version: number;
}

type ByKey = Map<string, Changed>;

/** All that is known to have changed in one world: by the answers to its writes, and by the mirror's watches. */
export class Changes {
  /** The latest version known of each object, by resource and key. */
  readonly #latest = new Map<string, ByKey>();
  /** What changed in a way that the mirror does not show yet. */
  readonly #unread = new Map<string, ByKey>();
  /** UIDs of what was deleted, and whose DELETED event has not come yet. */
  readonly #deleting = new Set<string>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #mirror: Mirror;
  readonly #onChanged: (kind: KindPath, changed: Changed) => void;

  constructor(mirror: Mirror, onChanged: (kind: KindPath, changed: Changed) => void) {
    this.#mirror = mirror;
    this.#onChanged = onChanged;
  }

  listen(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  of(resource: string): Iterable<Changed> {
    return this.#latest.get(resource)?.values() ?? [];
  }

  /** The highest version of all. */
  get version(): number {
    return Math.max(
      0,
      ...[...this.#latest.values()].flatMap(known => [...known.values()].map(({ version }) => version)),
    );
  }

  /** An object as an answer shows it. */
  learn(kind: KindPath, object: KubeObject): void {
    // Another form of it (its metadata alone, an event of another group) tells that it changed, and not how it is.
    const whole = object.apiVersion === kind.apiVersion && object.kind === kind.kind;
    if (whole) this.#mirror.learn(kind.resource, object);
    else note(this.#unread, kind.resource, object);
    this.#changed('MODIFIED', kind, object);
  }

  /** @param answer to a DELETE: the object that is marked now, or a Status, and then it is gone. */
  deleted(kind: KindPath, answer: KubeObject, old: KubeObject | undefined): void {
    if (answer.kind !== 'Status' && (answer.metadata.finalizers ?? []).length > 0) {
      this.learn(kind, answer);
      return;
    }
    const uid = textOr(objectOr(answer.details).uid) || answer.metadata.uid;
    if (old?.metadata.uid !== uid) return;
    this.#mirror.forget(kind.resource, old.metadata);
    this.#deleting.add(uid);
  }

  /** An event of the mirror's watch. */
  told(kind: KindPath, { type, object }: Told): void {
    if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') this.#changed(type, kind, object);
    if (type === 'DELETED') this.#deleting.delete(object.metadata.uid);
  }

  /** Hands over what has to be read before the mirror is up to date. */
  takeUnread(resource: string): Changed[] {
    const unread = [...(this.#unread.get(resource)?.values() ?? [])];
    this.#unread.delete(resource);
    return unread.filter(({ namespace, name, version }) => {
      const known = this.#mirror.get(resource, name, namespace);
      return known === undefined || versionOf(known) < version;
    });
  }

  /** What the cluster has still to tell or to do; undefined when nothing. */
  get pending(): string | undefined {
    if (this.#deleting.size > 0) return `the deletion of ${[...this.#deleting].join(', ')}`;
    const { orphans } = this.#mirror;
    return orphans.length > 0 ? `the garbage collection of ${orphans.join(', ')}` : undefined;
  }

  #changed(type: Change['type'], kind: KindPath, object: KubeObject): void {
    const changed = note(this.#latest, kind.resource, object);
    if (changed === undefined) return;
    this.#onChanged(kind, changed);
    const { namespace, name, version } = changed;
    const of = { table: tableOf(kind), key: keyFor(namespace, name), previous: undefined };
    for (const listener of this.#listeners) listener({ ...of, type, version: new Version(object, version) });
  }
}

/** @returns undefined when that, or newer, was known. */
function note(known: Map<string, ByKey>, resource: string, object: KubeObject): Changed | undefined {
  const { namespace, name } = object.metadata;
  const objects = known.get(resource) ?? new Map<string, Changed>();
  known.set(resource, objects);
  const key = keyFor(namespace, name);
  const version = versionOf(object);
  if ((objects.get(key)?.version ?? 0) >= version) return undefined;
  const changed = { namespace, name, version };
  objects.set(key, changed);
  return changed;
}

/** As the sandbox calls it. */
function tableOf({ apiVersion, resource }: KindPath): string {
  return `${apiVersion.includes('/') ? apiVersion.split('/')[0] : ''}/${resource}`;
}
