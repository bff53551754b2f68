import type { Clock, Timer } from '../src/loop/clock.ts';
import type { WireHandler, WireRequest, WireResponse, WireSink } from './wire.ts';

/** What can happen to a process in a world without processes: it dies, it stands still, its network is cut. */

/** Whether a process runs. What comes to it while it stands still comes when it goes on. */
export class Life {
  #paused = false;
  #io: (() => void)[] = [];
  #timers: (() => void)[] = [];

  get paused(): boolean {
    return this.#paused;
  }

  /** As SIGSTOP. Time goes by meanwhile, also by its own clocks. */
  pause(): void {
    this.#paused = true;
  }

  /** As SIGCONT. What came over the network is seen before the timers that fell due: nobody may count on a timer having fired. */
  async resume(): Promise<void> {
    // What comes meanwhile is queued behind it: a connection keeps its order.
    for (let due = this.#io.shift(); due !== undefined; due = this.#io.shift()) {
      due();
      await new Promise(setImmediate);
    }
    this.#paused = false;
    for (const due of this.#timers.splice(0)) due();
  }

  /** Now, or when the process goes on. */
  io(callback: () => void): void {
    if (this.#paused) this.#io.push(callback);
    else callback();
  }

  timer(callback: () => void): void {
    if (this.#paused) this.#timers.push(callback);
    else callback();
  }
}

/** A process's clock: with the process its timers die, and stand still. */
export class MortalClock implements Clock {
  readonly #clock: Clock;
  readonly #life: Life;
  readonly #timers = new Set<Timer>();
  #dead = false;

  constructor(clock: Clock, life: Life) {
    this.#clock = clock;
    this.#life = life;
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  wall(): number {
    return this.#clock.wall();
  }

  after(ms: number, callback: () => void): Timer {
    if (this.#dead) return { cancel: () => {} };
    let cancelled = false;
    const timer = this.#clock.after(ms, () => {
      this.#timers.delete(timer);
      this.#life.timer(() => {
        if (!cancelled && !this.#dead) callback();
      });
    });
    this.#timers.add(timer);
    return {
      cancel: () => {
        cancelled = true;
        this.#timers.delete(timer);
        timer.cancel();
      },
    };
  }

  die(): void {
    this.#dead = true;
    for (const timer of this.#timers) timer.cancel();
  }
}

/** `refuse`: every connection breaks, and no new one comes about. `hang`: nothing is heard any more. */
export type Cut = 'refuse' | 'hang';

/** The network between a process and a server. */
export class Line {
  readonly #life: Life;
  readonly #streams = new Set<WireSink>();
  #cut: Cut | undefined;

  constructor(life: Life) {
    this.#life = life;
  }

  cut(how: Cut): void {
    this.#cut = how;
    if (how === 'refuse') for (const sink of this.#streams) this.#life.io(() => sink.reset());
    this.#streams.clear();
  }

  mend(): void {
    this.#cut = undefined;
  }

  /** The server, as the process reaches it. */
  through(handler: WireHandler): WireHandler {
    return request => {
      if (this.#cut !== undefined) return { status: 0, fault: this.#cut };
      const response = handler(request);
      return response instanceof Promise ? this.#later(response, request) : this.#stream(response, request);
    };
  }

  async #later(response: Promise<WireResponse>, request: WireRequest): Promise<WireResponse> {
    const given = await response;
    if (this.#life.paused) await new Promise<void>(resolve => this.#life.io(resolve));
    if (this.#cut !== undefined) return { status: 0, fault: this.#cut === 'hang' ? 'hang' : 'reset' };
    return this.#stream(given, request);
  }

  #stream(response: WireResponse, request: WireRequest): WireResponse {
    const { stream } = response;
    if (stream === undefined) return response;
    return {
      ...response,
      stream: sink => {
        this.#streams.add(sink);
        request.signal.addEventListener('abort', () => this.#streams.delete(sink), { once: true });
        // Of a connection that was cut nothing comes, also once others can be made again.
        const say = (callback: () => void): void => {
          if (this.#streams.has(sink)) this.#life.io(callback);
        };
        const last = (callback: () => void): void => {
          say(callback);
          this.#streams.delete(sink);
        };
        stream({
          write: (chunk, taken) => say(() => sink.write(chunk, taken)),
          end: () => last(() => sink.end()),
          reset: () => last(() => sink.reset()),
        });
      },
    };
  }
}
