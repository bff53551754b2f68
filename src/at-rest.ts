import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, systemClock } from './loop/clock.ts';

/** How often it is looked whether there is rest. */
const LOOK_MS = 3000;
/** A look that comes so late says nothing of rest: the process stood still (SIGSTOP, a suspended machine), and what fell due meanwhile comes first. */
const LATE_MS = 2 * LOOK_MS;
/** Processor time in that time, below which nothing goes on. */
const QUIET_MS = 45;
/** Processor time since the last collection, below which there is not much to collect; and how often its own cost. */
const WORTH_MS = 500;
const WORTH_TIMES = 20;
/** Where more is in use, one pass must do: several, 0.15 s for each 100 MiB, would hold everything up for too long. */
const THOROUGH_BYTES = 256 * 2 ** 20;

export interface Heap {
  /** Processor time of this process until now, ms. */
  readonly spentMs: () => number;
  readonly usedBytes: () => number;
  /** @param thorough in several passes, which leaves less. */
  readonly collect: (thorough: boolean) => void;
}

/**
 * Gives back what work has left behind, once it is over: V8 would keep it until it works again.
 * @param rest makes garbage of what is kept for work alone.
 * @returns stops looking.
 */
export function collectAtRest(
  rest: () => void,
  clock: Clock = systemClock,
  heap: Heap = processHeap(),
): () => void {
  let last = heap.spentMs();
  let lookedAt = clock.monotonic();
  let collectedAt = 0;
  let cost = 0;
  const look = (): void => {
    timer = clock.after(LOOK_MS, look);
    const now = heap.spentMs();
    const at = clock.monotonic();
    const quiet = now - last < QUIET_MS && at - lookedAt < LATE_MS;
    last = now;
    lookedAt = at;
    if (!quiet || now - collectedAt < Math.max(WORTH_MS, WORTH_TIMES * cost)) return;
    rest();
    heap.collect(heap.usedBytes() < THOROUGH_BYTES);
    collectedAt = heap.spentMs();
    last = collectedAt;
    cost = collectedAt - now;
  };
  let timer = clock.after(LOOK_MS, look);
  return () => timer.cancel();
}

/** Ours. */
export function processHeap(): Heap {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  return {
    spentMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    usedBytes: () => process.memoryUsage().heapUsed,
    collect: thorough => {
      const options = { type: 'major', execution: 'sync', flavor: thorough ? 'last-resort' : 'regular' };
      if (typeof gc === 'function') Reflect.apply(gc, undefined, [options]);
    },
  };
}
