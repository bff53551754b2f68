/** Time as everything here sees it. Passed in, so that a test or a simulation can own it. */
export interface Clock {
  /** Milliseconds that never jump; only differences mean anything. */
  monotonic(): number;
  /** The machine's wall clock, milliseconds since 1970. For logs alone: no due time depends on it. */
  wall(): number;
  /** Runs `callback` once, `ms` from now; any length, a negative one at once. */
  after(ms: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Chance, passed in for the same reason. */
export interface Random {
  /** In [0, 1). */
  next(): number;
}

/** What `setTimeout` can hold; more fires at once, so longer waits are made of several. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after(ms, callback) {
    let handle: NodeJS.Timeout;
    if (ms <= LONGEST_TIMEOUT_MS) {
      handle = setTimeout(callback, Math.max(0, ms));
      return { cancel: () => clearTimeout(handle) };
    }
    const due = performance.now() + ms;
    const arm = (): void => {
      const left = due - performance.now();
      handle =
        left > LONGEST_TIMEOUT_MS
          ? setTimeout(arm, LONGEST_TIMEOUT_MS)
          : setTimeout(callback, Math.max(0, left));
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};

export const systemRandom: Random = { next: () => Math.random() };

/** Resolves after `ms`, or rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
