import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How often it is looked whether there is rest. */
const LOOK_MS = 3000;
/** Processor time in that time, below which nothing goes on. */
const QUIET_MS = 45;
/** Processor time since the last collection, below which there is not much to collect; and how often its own cost. */
const WORTH_MS = 500;
const WORTH_TIMES = 20;
/** Where more is in use, one pass must do: several would hold everything up for too long. */
const THOROUGH_BYTES = 100 * 2 ** 20;

const collect: (options: { type: 'major'; execution: 'sync'; flavor: 'regular' | 'last-resort' }) => void =
  (() => {
    setFlagsFromString('--expose-gc');
    const found: unknown = runInNewContext('gc');
    return typeof found === 'function'
      ? (options): void => void Reflect.apply(found, undefined, [options])
      : () => {};
  })();

/** Gives back what work has left behind, once it is over: V8 would keep it until it works again. Holds no process up. */
export function collectAtRest(): void {
  let last = spentMs();
  let collectedAt = 0;
  let cost = 0;
  setInterval(() => {
    const now = spentMs();
    const quiet = now - last < QUIET_MS;
    last = now;
    if (!quiet || now - collectedAt < Math.max(WORTH_MS, WORTH_TIMES * cost)) return;
    const thorough = process.memoryUsage().heapUsed < THOROUGH_BYTES;
    collect({ type: 'major', execution: 'sync', flavor: thorough ? 'last-resort' : 'regular' });
    collectedAt = spentMs();
    last = collectedAt;
    cost = collectedAt - now;
  }, LOOK_MS).unref();
}

function spentMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
