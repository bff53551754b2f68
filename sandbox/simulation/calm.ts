/** Since when something has been well; any number of troubles may overlap. Times in ms since 1970. */
export class Calm {
  readonly #now: () => number;
  readonly #beforeTrouble: () => void;
  #since: number;
  #troubles = 0;

  /** @param beforeTrouble called while all is still well, so that what should hold until now can be judged. */
  constructor(now: () => number, beforeTrouble: () => void) {
    this.#now = now;
    this.#beforeTrouble = beforeTrouble;
    this.#since = now();
  }

  /** Infinity while something is wrong. */
  get since(): number {
    return this.#troubles > 0 ? Number.POSITIVE_INFINITY : this.#since;
  }

  begin(): void {
    if (this.#troubles === 0) this.#beforeTrouble();
    this.#troubles++;
  }

  end(): void {
    this.#troubles--;
    this.#since = this.#now();
  }

  /** A trouble that is over at once. */
  blip(): void {
    this.begin();
    this.end();
  }
}
