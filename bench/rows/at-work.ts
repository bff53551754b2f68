import { setTimeout as delay } from 'node:timers/promises';
import { Fleet, type FleetOptions } from '../lib/fleet.ts';
import { Operator, program } from '../lib/operator.ts';
import { startPlace } from '../lib/place.ts';

const FIRST_TOKENS_MS = 240_000;

/**
 * An operator that serves a fleet, at the sandbox's API server. It begins with no token at all.
 * @param options.lifetime of tokens, s.
 */
export async function atWork<T>(
  options: FleetOptions & { readonly lifetime: number },
  smoke: boolean,
  work: (fleet: Fleet, operator: Operator) => Promise<T>,
): Promise<T> {
  const { name, count, origins, limits } = options;
  const script = await program(smoke);
  const place = await startPlace('sandbox', options.lifetime);
  try {
    const fleet = await Fleet.raise(place, { name, count, origins, limits });
    const operator = new Operator(place, script, { flags: [`--watch-namespaces=${name}`] });
    try {
      return await work(fleet, operator);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${name}: ${message}\nThe operator: ${await operator.said()}`, { cause: error });
    } finally {
      // It may have been stopped by a signal.
      operator.child.signal('SIGCONT');
      await operator.stop();
    }
  } finally {
    await place.close();
  }
}

export async function firstTokens(fleet: Fleet, count: number, operator: Operator): Promise<void> {
  const late = AbortSignal.timeout(FIRST_TOKENS_MS);
  while ((await fleet.granted()) < count) {
    if (late.aborted || !operator.child.running)
      throw new Error(`first tokens of ${await fleet.granted()} of ${count} credentials came`);
    await delay(100);
  }
}
