import type { Clock, Timer } from '../loop/clock.ts';
import { Bucket } from './bucket.ts';
import { Line, type Need } from './line.ts';

export type { Need } from './line.ts';

export interface Limits {
  readonly concurrency: number;
  /** Absent: no limit. */
  readonly requestsPerMinute?: number;
}

export interface Permit {
  /** To be called once the exchange has ended; again does nothing. */
  release(): void;
}

export interface GateStats {
  readonly inFlight: number;
  readonly waiting: number;
  /** Woken, and not come back yet. */
  readonly reserved: number;
}

/** How long a woken key's place is kept. */
const RESERVED_MS = 10_000;

/** Who may send to an origin, and when. Origins know nothing of each other; one without anything to remember takes no memory. */
export class Gate {
  readonly #clock: Clock;
  readonly #wake: (key: string) => void;
  readonly #later: (give: () => void) => void;
  readonly #origins = new Map<string, Origin>();
  /** Where a key waits or has a place; it does so at one origin at most. */
  readonly #where = new Map<string, string>();

  /**
   * @param options.wake told a key whose turn has come; it should call `tryAcquire` soon.
   * @param options.later puts off what is done with a place that was released: a connection takes the next request only a turn
   * of the loop after its last answer, and whoever came sooner would open another. Absent: nothing is put off.
   */
  constructor(options: {
    readonly clock: Clock;
    readonly wake: (key: string) => void;
    readonly later?: ((give: () => void) => void) | undefined;
  }) {
    this.#clock = options.clock;
    this.#wake = options.wake;
    this.#later = options.later ?? (give => give());
  }

  /**
   * A permit now, or undefined: then the key waits in line, and is woken, with a place reserved for 10 s, when its turn has come.
   * Called again while waiting it moves with its need: a renewal that becomes urgent must ask again.
   * @param origin what the limits hold for: a provider's name and its origin.
   * @param limits as they are now; they may differ from call to call.
   */
  tryAcquire(key: string, origin: string, limits: Limits, need: Need): Permit | undefined {
    if (this.#where.get(key) !== origin) this.cancel(key);
    const at = this.#origins.get(origin) ?? new Origin(this.#clock);
    this.#origins.set(origin, at);
    at.setLimits(limits);
    if (!at.hasPlace(key)) {
      // nobody else wants it
      if (at.line.size === 0 && at.free > 0) at.reserve(key);
      else at.line.join(key, need);
    }
    this.#where.set(key, origin);
    this.#serve(origin, at, key);
    if (!at.hasPlace(key)) return undefined;
    this.#where.delete(key);
    at.enter(key);
    this.#rest(origin, at);
    let released = false;
    return {
      release: () => {
        if (released) return;
        released = true;
        this.#later(() => {
          at.inFlight--;
          this.#serve(origin, at);
        });
      },
    };
  }

  /** The key no longer wants to send: it leaves the line, or gives its place back. */
  cancel(key: string): void {
    const origin = this.#where.get(key);
    const at = origin === undefined ? undefined : this.#origins.get(origin);
    if (origin === undefined || at === undefined) return;
    this.#where.delete(key);
    at.line.leave(key);
    at.dropPlace(key);
    this.#serve(origin, at);
  }

  stats(origin: string): GateStats {
    const at = this.#origins.get(origin);
    return { inFlight: at?.inFlight ?? 0, waiting: at?.line.size ?? 0, reserved: at?.reserved ?? 0 };
  }

  /** Origins that something is remembered of. */
  get size(): number {
    return this.#origins.size;
  }

  /** Gives free places to those whose turn it is; wakes them but for `asking`, who is here. */
  #serve(origin: string, at: Origin, asking?: string): void {
    const woken: string[] = [];
    while (at.free > 0) {
      const key = at.line.next();
      if (key === undefined) break;
      // who is here uses it at once
      if (key === asking) at.reserve(key);
      else {
        woken.push(key);
        at.reserve(
          key,
          this.#clock.after(RESERVED_MS, () => this.cancel(key)),
        );
      }
    }
    this.#rest(origin, at);
    // last, since who is woken may come back at once
    for (const key of woken) this.#wake(key);
  }

  /** Sets the timer for the next thing that only time brings, and forgets an origin that has nothing left. */
  #rest(origin: string, at: Origin): void {
    at.timer?.cancel();
    at.timer = undefined;
    const idle = at.line.size === 0 && at.inFlight === 0 && at.reserved === 0;
    const wait = idle ? at.untilFullMs() : at.untilFreeMs();
    if (wait !== undefined) at.timer = this.#clock.after(wait, () => this.#serve(origin, at));
    else if (idle && this.#origins.get(origin) === at) this.#origins.delete(origin);
  }
}

/** The places of one origin. */
class Origin {
  readonly line = new Line();
  readonly #clock: Clock;
  readonly #places = new Map<string, Timer | undefined>();
  inFlight = 0;
  timer: Timer | undefined;
  #concurrency = 0;
  #bucket: Bucket | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  setLimits(limits: Limits): void {
    this.#concurrency = limits.concurrency;
    if (limits.requestsPerMinute === undefined) this.#bucket = undefined;
    else if (this.#bucket === undefined) this.#bucket = new Bucket(limits.requestsPerMinute, this.#now);
    else this.#bucket.setLimit(limits.requestsPerMinute, this.#now);
  }

  get #now(): number {
    return this.#clock.monotonic();
  }

  get reserved(): number {
    return this.#places.size;
  }

  /** A reserved place holds its token until it is used: what counts for the rate is when permits are given. */
  get free(): number {
    const slots = this.#concurrency - this.inFlight;
    const tokens = this.#bucket?.available(this.#now) ?? slots;
    return Math.min(slots, tokens) - this.reserved;
  }

  /** When a token comes that someone waits for who has a slot; undefined when that isn't what is missing. */
  untilFreeMs(): number | undefined {
    const slots = this.#concurrency - this.inFlight - this.reserved;
    if (this.line.size === 0 || slots <= 0) return undefined;
    return this.#bucket?.untilMs(this.reserved + 1, this.#now);
  }

  /** Undefined when nothing is to be remembered. */
  untilFullMs(): number | undefined {
    return this.#bucket?.untilFullMs(this.#now);
  }

  hasPlace(key: string): boolean {
    return this.#places.has(key);
  }

  /** @param lost when it is not used by then. */
  reserve(key: string, lost?: Timer): void {
    this.#places.set(key, lost);
  }

  dropPlace(key: string): void {
    this.#places.get(key)?.cancel();
    this.#places.delete(key);
  }

  enter(key: string): void {
    this.dropPlace(key);
    this.inFlight++;
    this.#bucket?.take(this.#now);
  }
}
