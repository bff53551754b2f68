import { CORE_KINDS } from './core-kinds.ts';
import type { Kind } from './kind.ts';

/** The kinds that are served now. */
export class Registry {
  private readonly kinds = new Map<string, Kind>();

  constructor() {
    for (const kind of CORE_KINDS) this.set(kind);
  }

  set(kind: Kind): void {
    this.kinds.set(`${kind.apiVersion}/${kind.plural}`, kind);
  }

  remove(kind: Kind): void {
    this.kinds.delete(`${kind.apiVersion}/${kind.plural}`);
  }

  get(apiVersion: string, plural: string): Kind | undefined {
    return this.kinds.get(`${apiVersion}/${plural}`);
  }

  all(): Kind[] {
    return [...this.kinds.values()];
  }

  tables(): Set<string> {
    return new Set(this.all().map(kind => kind.table));
  }

  groupVersions(): Map<string, Kind[]> {
    return Map.groupBy(this.kinds.values(), kind => kind.apiVersion);
  }
}
