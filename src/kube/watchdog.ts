import type { Clock, Timer } from '../loop/clock.ts';

/** Barks once when it was not fed in time. Feeding is cheap: the timer is only moved when it would fire too late. */
export class Watchdog {
  readonly #clock: Clock;
  readonly #onSilence: () => void;
  #due = 0;
  #armed: { readonly timer: Timer; readonly at: number } | undefined;

  constructor(clock: Clock, onSilence: () => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
  }

  /** @param ms until it barks, unless it is fed again. */
  feed(ms: number): void {
    this.#due = this.#clock.monotonic() + ms;
    if (this.#armed !== undefined && this.#armed.at <= this.#due) return;
    this.#armed?.timer.cancel();
    this.#arm();
  }

  stop(): void {
    this.#armed?.timer.cancel();
    this.#armed = undefined;
  }

  #arm(): void {
    const at = this.#due;
    const timer = this.#clock.after(at - this.#clock.monotonic(), () => {
      this.#armed = undefined;
      if (this.#due > at) this.#arm();
      else this.#onSilence();
    });
    this.#armed = { timer, at };
  }
}
