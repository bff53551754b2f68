const MINUTE_MS = 60_000;

/**
 * A rate limit: in no minute, wherever it begins, are more than `limit` taken. Bursts are a second's worth, so that
 * at least 98 % of the limit can be used all the time, and no minute's budget goes out in its first moment.
 */
export class Bucket {
  #limit: number;
  #tokens: number;
  #at: number;

  /** @param nowMs monotonic milliseconds. */
  constructor(limit: number, nowMs: number) {
    this.#limit = limit;
    this.#tokens = this.#burst;
    this.#at = nowMs;
  }

  /** How many may be taken now. */
  available(nowMs: number): number {
    this.#refill(nowMs);
    return Math.floor(this.#tokens);
  }

  take(nowMs: number): void {
    this.#refill(nowMs);
    this.#tokens -= 1;
  }

  /** Whole milliseconds until `count` may be taken, at least 1; undefined when the bucket never holds as many. */
  untilMs(count: number, nowMs: number): number | undefined {
    if (count > this.#burst) return undefined;
    this.#refill(nowMs);
    return Math.max(1, Math.ceil((count - this.#tokens) / this.#perMs));
  }

  /** Until nothing would be forgotten by making it anew; undefined when that is so. */
  untilFullMs(nowMs: number): number | undefined {
    this.#refill(nowMs);
    return this.#tokens >= this.#burst ? undefined : this.untilMs(this.#burst, nowMs);
  }

  /** What was taken stays taken. */
  setLimit(limit: number, nowMs: number): void {
    if (limit === this.#limit) return;
    this.#refill(nowMs);
    this.#limit = limit;
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  get #burst(): number {
    return Math.max(1, Math.floor(this.#limit / 60));
  }

  /** A full bucket and a minute's refill stay just under `limit` + 1, by more than rounding errs. */
  get #perMs(): number {
    return (this.#limit - this.#burst + 1 - 1e-6) / MINUTE_MS;
  }

  #refill(nowMs: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#at) * this.#perMs);
    this.#at = nowMs;
  }
}
