import type { Bench, BenchOptions } from '../rows/bench.ts';
import type { Row } from './row.ts';

export interface Measured {
  /** The figures of each benchmark that did its work. */
  readonly found: ReadonlyMap<string, readonly Row[]>;
  /** Why each of the others did not. */
  readonly failed: ReadonlyMap<string, string>;
}

/**
 * Runs one after the other, and in a smoke test those beside the others that mostly wait; one that fails keeps no other
 * from running.
 * @param done told of each as it ends.
 */
export async function measure(
  benches: readonly Bench[],
  options: BenchOptions,
  done: (bench: Bench, outcome: readonly Row[] | string) => void,
): Promise<Measured> {
  const found = new Map<string, readonly Row[]>();
  const failed = new Map<string, string>();
  const run = async (bench: Bench): Promise<void> => {
    try {
      const rows = await bench.run(options);
      // No figure may pass for one of work that was not done.
      const missing = rows.find(({ figure }) => !Number.isFinite(figure));
      if (rows.length === 0 || missing !== undefined)
        throw new Error(`there is no figure of ${missing?.what ?? 'anything'}`);
      found.set(bench.name, rows);
      done(bench, rows);
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      failed.set(bench.name, why);
      done(bench, why);
    }
  };
  const inTurn = async (some: readonly Bench[]): Promise<void> => {
    for (const bench of some) await run(bench);
  };
  if (!options.smoke) await inTurn(benches);
  else {
    const waiting = benches.filter(({ waits }) => waits === true);
    await Promise.all([inTurn(benches.filter(bench => !waiting.includes(bench))), ...waiting.map(run)]);
  }
  return { found, failed };
}

/** @throws Error when less was done than asked for: there is no figure for work that was not done. */
export function mustBeDone(what: string, done: number, asked: number): void {
  if (done < asked) throw new Error(`${what}: ${done} of ${Math.ceil(asked)} were done`);
}
