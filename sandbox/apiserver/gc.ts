import type { Clock, Timer } from '../../src/loop/clock.ts';
import { DEFINITIONS, NAMESPACES } from './core-kinds.ts';
import type { KubeObject } from './json.ts';
import type { Objects } from './objects.ts';
import type { Registry } from './registry.ts';
import { type Change, keyFor, type Version } from './store.ts';

/**
 * The controllers of a cluster that clients notice: what is owned goes with the last of its owners (also when made after
 * they went), and what is in a namespace, or of a custom kind, goes with it. Like the real ones it acts a moment later.
 */
export class Collector {
  private readonly objects: Objects;
  private readonly registry: Registry;
  private readonly clock: Clock;
  private readonly living = new Set<string>();
  /** Owner's uid to what it owns. */
  private readonly dependents = new Map<string, Set<string>>();
  private readonly suspects = new Set<string>();
  private timer: Timer | undefined;
  private closed = false;

  constructor(objects: Objects, registry: Registry, clock: Clock) {
    this.objects = objects;
    this.registry = registry;
    this.clock = clock;
  }

  onChange({ type, table, key, version, previous }: Change): void {
    const place = `${table} ${key}`;
    const { uid, ownerReferences, deletionTimestamp, namespace } = version.object.metadata;
    if (ownerReferences !== previous?.object.metadata.ownerReferences || type === 'DELETED') {
      for (const owner of previous?.object.metadata.ownerReferences ?? []) {
        this.dependents.get(owner.uid)?.delete(place);
      }
    }
    if (type === 'DELETED') {
      this.living.delete(uid);
      for (const dependent of this.dependents.get(uid) ?? []) this.suspect(dependent);
      this.dependents.delete(uid);
      if (namespace !== undefined) this.suspectNamespace(namespace);
      if (table === DEFINITIONS.table) this.clear(version.object);
      return;
    }
    this.living.add(uid);
    if (ownerReferences !== undefined && ownerReferences !== previous?.object.metadata.ownerReferences) {
      for (const owner of ownerReferences) {
        let owned = this.dependents.get(owner.uid);
        if (owned === undefined) {
          owned = new Set();
          this.dependents.set(owner.uid, owned);
        }
        owned.add(place);
      }
      if (!ownerReferences.some(owner => this.living.has(owner.uid))) this.suspect(place);
    }
    if (table === NAMESPACES.table && deletionTimestamp !== undefined) this.suspect(place);
  }

  private suspectNamespace(name: string): void {
    const namespace = this.objects.store.get(NAMESPACES.table, keyFor(undefined, name));
    if (namespace?.object.metadata.deletionTimestamp !== undefined) {
      this.suspect(`${NAMESPACES.table} ${keyFor(undefined, name)}`);
    }
  }

  private suspect(place: string): void {
    if (this.closed) return;
    this.suspects.add(place);
    this.timer ??= this.clock.after(0, () => {
      this.timer = undefined;
      this.collect();
    });
  }

  private collect(): void {
    const places = [...this.suspects];
    this.suspects.clear();
    for (const place of places) {
      const [table = '', key = ''] = place.split(' ');
      const version = this.objects.store.get(table, key);
      if (version === undefined) continue;
      if (table === NAMESPACES.table) this.finishNamespace(version);
      else if (this.isOrphan(version)) this.remove(table, version);
    }
  }

  private isOrphan({ object }: Version): boolean {
    const owners = object.metadata.ownerReferences ?? [];
    return owners.length > 0 && !owners.some(owner => this.living.has(owner.uid));
  }

  private finishNamespace({ object }: Version): void {
    const { name, deletionTimestamp } = object.metadata;
    if (deletionTimestamp === undefined) return;
    let left = 0;
    for (const table of this.registry.tables()) {
      for (const version of [...this.objects.store.table(table).values()]) {
        if (version.object.metadata.namespace !== name) continue;
        left += this.remove(table, version) ? 0 : 1;
      }
    }
    if (left === 0) this.objects.store.remove(NAMESPACES.table, keyFor(undefined, name));
  }

  private clear(definition: KubeObject): void {
    const kind = this.registry
      .all()
      .find(served => `${served.plural}.${served.group}` === definition.metadata.name);
    if (kind === undefined) return;
    for (const version of [...this.objects.store.table(kind.table).values()])
      this.remove(kind.table, version);
    this.registry.remove(kind);
  }

  private remove(table: string, version: Version): boolean {
    const kind = this.registry.all().find(served => served.table === table);
    return kind === undefined || this.objects.remove(kind, version, { dryRun: false }).gone;
  }

  /** `propagationPolicy: Orphan`: what was owned stays, and forgets its owner. */
  orphan(uid: string): void {
    for (const place of [...(this.dependents.get(uid) ?? [])]) {
      const [table = '', key = ''] = place.split(' ');
      const version = this.objects.store.get(table, key);
      if (version === undefined) continue;
      const metadata = { ...version.object.metadata };
      const owners = (metadata.ownerReferences ?? []).filter(owner => owner.uid !== uid);
      if (owners.length > 0) metadata.ownerReferences = owners;
      else delete metadata.ownerReferences;
      this.objects.store.put(table, key, { ...version.object, metadata });
    }
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
  }
}
