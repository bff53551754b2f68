/** A real garbage collector takes its time, above all for a kind that it has just learnt of. */
const LIMIT_MS = 60_000;

/** Waits until nothing more is to come from the real server. */
export class Quiet {
  #count = 0;
  #seen = 0;
  #failure: string | undefined;
  #waiting: (() => void)[] = [];

  /** Something came. */
  news(): void {
    this.#count++;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** What makes the rest of the test worthless. */
  fail(why: string): void {
    this.#failure ??= why;
    this.news();
  }

  /**
   * @param missing what is still to come.
   * @returns whether anything came since it was last quiet.
   * @throws naming what did not come in time.
   */
  async wait(missing: () => string | undefined): Promise<boolean> {
    const before = this.#seen;
    const late = Promise.withResolvers<void>();
    let timer: NodeJS.Timeout | undefined;
    try {
      for (let what = missing(); what !== undefined && this.#failure === undefined; what = missing()) {
        const awaited = what;
        timer ??= setTimeout(
          () => late.reject(new Error(`waited ${LIMIT_MS} ms for ${missing() ?? awaited}`)),
          LIMIT_MS,
        );
        const news = new Promise<void>(resolve => this.#waiting.push(resolve));
        await Promise.race([news, late.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
    if (this.#failure !== undefined) throw new Error(this.#failure);
    this.#seen = this.#count;
    return this.#seen !== before;
  }
}
