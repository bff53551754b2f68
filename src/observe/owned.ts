/** Series by the object that they belong to, so that they go with it. */
export class Owned {
  readonly #series = new Map<string, Map<string, () => void>>();

  /** @param part what tells this series from the owner's others. */
  add(owner: string, part: string, remove: () => void): void {
    const parts = this.#series.get(owner);
    if (parts === undefined) this.#series.set(owner, new Map([[part, remove]]));
    else if (!parts.has(part)) parts.set(part, remove);
  }

  has(owner: string, part: string): boolean {
    return this.#series.get(owner)?.has(part) === true;
  }

  /** Removes the owner's series, or those of them that are meant. */
  drop(owner: string, meant: (part: string) => boolean = () => true): void {
    const parts = this.#series.get(owner);
    for (const [part, remove] of parts ?? []) {
      if (!meant(part)) continue;
      remove();
      parts?.delete(part);
    }
    if (parts?.size === 0) this.#series.delete(owner);
  }
}
