import type { KubeObject } from '../../../sandbox/apiserver/json.ts';
import { keyFor } from '../../../sandbox/apiserver/store.ts';

type Identity = { readonly name: string; readonly namespace?: string | undefined; readonly uid: string };

/** What a real API server holds, as its answers and watches have told: for reading without asking. */
export class Mirror {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  /** UIDs of what was deleted: late news of it is none. */
  readonly #gone = new Set<string>();
  readonly #living = new Set<string>();
  #orphans: readonly string[] | undefined;

  get(resource: string, name: string, namespace?: string): KubeObject | undefined {
    return this.#objects.get(resource)?.get(keyFor(namespace, name));
  }

  /** In the order of their keys, as a server lists them. */
  list(resource: string): KubeObject[] {
    const all = [...(this.#objects.get(resource) ?? [])];
    return all.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  learn(resource: string, object: KubeObject): void {
    const { name, namespace, uid } = object.metadata;
    const key = keyFor(namespace, name);
    const objects = this.#of(resource);
    const known = objects.get(key);
    if (this.#gone.has(uid) || (known !== undefined && versionOf(known) >= versionOf(object))) return;
    if (known !== undefined && known.metadata.uid !== uid) this.#bury(known.metadata.uid);
    objects.set(key, object);
    this.#living.add(uid);
    this.#orphans = undefined;
  }

  forget(resource: string, { name, namespace, uid }: Identity): void {
    this.#bury(uid);
    const key = keyFor(namespace, name);
    const objects = this.#of(resource);
    if (objects.get(key)?.metadata.uid === uid) objects.delete(key);
  }

  /** What has lost its owners, which the cluster's garbage collector is about to delete. */
  get orphans(): readonly string[] {
    this.#orphans ??= [...this.#objects].flatMap(([resource, objects]) =>
      [...objects]
        .filter(
          ([
            ,
            {
              metadata: { ownerReferences: owners = [] },
            },
          ]) => {
            return owners.length > 0 && !owners.some(({ uid }) => this.#living.has(uid));
          },
        )
        .map(([key]) => `${resource} ${key}`),
    );
    return this.#orphans;
  }

  copy(): Mirror {
    const copy = new Mirror();
    for (const [resource, objects] of this.#objects) copy.#objects.set(resource, new Map(objects));
    return copy;
  }

  #bury(uid: string): void {
    this.#gone.add(uid);
    this.#living.delete(uid);
    this.#orphans = undefined;
  }

  #of(resource: string): Map<string, KubeObject> {
    const known = this.#objects.get(resource) ?? new Map<string, KubeObject>();
    this.#objects.set(resource, known);
    return known;
  }
}

/** From Kubernetes 1.35 on, versions of a resource may be compared as the numbers that they are. */
export const versionOf = ({ metadata }: KubeObject): number => Number(metadata.resourceVersion);
