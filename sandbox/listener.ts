import type { WireHandler, WireRequest } from './wire.ts';
import type { World } from './world.ts';

/** Hears all that a world's operators say. */
export interface Listener {
  log(line: string): void;
  /** A request to the API server, and what becomes of it. */
  request(request: WireRequest, response: ReturnType<WireHandler>): void;
}

let make: ((world: World) => Listener) | undefined;

/** From now on every new world gets a listener: how a test suite searches all of them for secrets. */
export function listenToWorlds(listenerFor: (world: World) => Listener): void {
  make = listenerFor;
}

export function listenerFor(world: World): Listener | undefined {
  return make?.(world);
}
