import { type Clock, systemClock, type Timer } from '../../src/loop/clock.ts';

interface Armed {
  readonly due: number;
  readonly callback: () => void;
  timer: Timer;
}

/** Real time, for real sockets, that can be made to jump ahead: a wait of minutes is over at once. */
export class JumpingClock implements Clock {
  readonly #armed = new Set<Armed>();
  #aheadMs = 0;

  monotonic(): number {
    return systemClock.monotonic() + this.#aheadMs;
  }

  wall(): number {
    return systemClock.wall() + this.#aheadMs;
  }

  after(ms: number, callback: () => void): Timer {
    const armed: Armed = { due: this.monotonic() + ms, callback, timer: { cancel: () => {} } };
    this.#arm(armed);
    return {
      cancel: () => {
        armed.timer.cancel();
        this.#armed.delete(armed);
      },
    };
  }

  /** What falls due meanwhile is run soon, in its order. */
  jump(ms: number): void {
    this.#aheadMs += ms;
    for (const armed of [...this.#armed].sort((a, b) => a.due - b.due)) {
      armed.timer.cancel();
      this.#arm(armed);
    }
  }

  /** As many milliseconds in steps, with a moment of real time after each for what it sets off. */
  async pass(ms: number, stepMs = 1000, momentMs = 5): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.jump(Math.min(stepMs, left));
      await new Promise(resolve => setTimeout(resolve, momentMs));
    }
  }

  #arm(armed: Armed): void {
    this.#armed.add(armed);
    armed.timer = systemClock.after(armed.due - this.monotonic(), () => {
      this.#armed.delete(armed);
      armed.callback();
    });
  }
}
