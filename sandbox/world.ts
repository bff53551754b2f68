import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { type Composition, compose } from '../src/compose.ts';
import { parseConfig } from '../src/config.ts';
import { fixedEndpoint } from '../src/kube/endpoint.ts';
import type { Clock, Random, Timer } from '../src/loop/clock.ts';
import type { JsonObject } from './apiserver/json.ts';
import { type ApiServer, createApiServer } from './apiserver/server.ts';
import { WireDispatcher } from './dispatcher.ts';
import { createProviders, type Providers, type ProvidersOptions } from './providers/index.ts';
import { seeded } from './random.ts';
import { firstOf, type Route, routes } from './routes.ts';
import { type SkewedClock, VirtualClock } from './virtual-clock.ts';
import type { WireHandler, WireRequest } from './wire.ts';

/**
 * A cluster, its providers and an operator in one process, on a virtual clock and without a socket:
 * the composition that `main.ts` runs, over another wire. For tests and simulations.
 */
export interface World {
  readonly clock: VirtualClock;
  readonly api: ApiServer;
  readonly providers: Providers;
  /** All that the operators have logged. */
  readonly logs: string[];
  /** Every operator that was started, crashed ones included. */
  readonly runs: readonly Run[];
  /** Starts an operator; the clock must run for it to get anywhere. */
  start(flags?: readonly string[]): Run;
}

export interface Run extends Composition {
  /** Rejects when the operator cannot start. */
  readonly started: Promise<void>;
  /** Ends it as a power cut would: no drain, nothing written, nothing heard of it again. */
  crash(): void;
  /** Makes its wall clock jump: ms off the sandbox's. */
  setWall(skewMs: number): void;
}

const ROOT = join(import.meta.dirname, '..');
const API = 'http://api.sandbox';
/** Saturday, 3 January 2026, noon: nothing special, and the same in every run. */
export const START_MS = Date.UTC(2026, 0, 3, 12);

export function readYaml(folder: string): JsonObject[] {
  return readdirSync(join(ROOT, folder))
    .filter(name => name.endsWith('.yaml'))
    .map(name => parseYaml(readFileSync(join(ROOT, folder, name), 'utf8')) as JsonObject);
}

/** Read once: a suite makes hundreds of worlds. What is put is copied by the API server. */
const files = new Map<string, JsonObject[]>();

function filesOf(folder: string): JsonObject[] {
  const known = files.get(folder) ?? readYaml(folder);
  files.set(folder, known);
  return structuredClone(known);
}

/** Hears all that a world's operators say. */
export interface Listener {
  log(line: string): void;
  /** A request to the API server, and what becomes of it. */
  request(request: WireRequest, response: ReturnType<WireHandler>): void;
}

let makeListener: ((world: World) => Listener) | undefined;

/** From now on every new world gets a listener: how a test suite searches all of them for secrets. */
export function listenToWorlds(listenerFor: (world: World) => Listener): void {
  makeListener = listenerFor;
}

export function createWorld(
  options: {
    readonly seed?: number | string;
    readonly providers?: Omit<ProvidersOptions, 'clock' | 'random'>;
    /** How far the operator's wall clock is off, ms. */
    readonly operatorSkewMs?: number;
    readonly keepLogs?: boolean;
    /** Providers besides the five. */
    readonly extraOrigins?: Readonly<Record<string, WireHandler>>;
  } = {},
): World {
  const { seed = 1, keepLogs = true } = options;
  const clock = new VirtualClock({ startMs: START_MS });
  const api = createApiServer({ clock, crds: [], random: seeded(`${seed}/api`) });
  const providers = createProviders({ clock, random: seeded(`${seed}/providers`), ...options.providers });
  for (const object of [...filesOf('crds'), ...filesOf('deploy/providers')]) api.put(object);
  api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tokensync' } });
  const logs: string[] = [];
  const runs: Run[] = [];
  const toProviders = firstOf(routes(options.extraOrigins ?? {}), providers.route);
  const world: World = {
    clock,
    api,
    providers,
    logs,
    runs,
    start(flags = []) {
      const name = `${seed}/operator-${runs.length + 1}`;
      const run = startOperator({
        clock: clock.view(options.operatorSkewMs ?? 0),
        random: seeded(name),
        name,
        toApi: routes({
          [API]: request => {
            const response = api.handler(request);
            listener?.request(request, response);
            return response;
          },
        }),
        toProviders,
        write: line => {
          if (keepLogs) logs.push(line);
          listener?.log(line);
        },
        flags,
      });
      runs.push(run);
      return run;
    },
  };
  const listener = makeListener?.(world);
  return world;
}

function startOperator(options: {
  clock: SkewedClock;
  random: Random;
  name: string;
  toApi: Route;
  toProviders: Route;
  write: (line: string) => void;
  flags: readonly string[];
}): Run {
  const { random, name, flags } = options;
  const parsed = parseConfig(['--operator-namespace=tokensync', ...flags], { HOME: '/nonexistent' });
  if (parsed.kind !== 'run') throw new Error(parsed.text);
  const clock = new MortalClock(options.clock);
  const toApi = new WireDispatcher({ route: options.toApi });
  const toProviders = new WireDispatcher({ route: options.toProviders });
  let dead = false;
  const composition = compose(parsed.config, {
    clock,
    random,
    endpoint: fixedEndpoint(API, toApi),
    operatorNamespace: 'tokensync',
    randomBytes: size => derivedBytes(`${name}/${random.next()}`, size),
    providerDispatcher: toProviders,
    write: line => {
      if (!dead) options.write(line);
    },
  });
  const started = composition.operator.start();
  started.catch(() => {});
  return {
    ...composition,
    started,
    crash() {
      dead = true;
      clock.die();
      void toApi.destroy();
      void toProviders.destroy();
    },
    setWall(skewMs) {
      options.clock.skewMs = skewMs;
    },
  };
}

function derivedBytes(name: string, size: number): Uint8Array {
  return createHash('sha512').update(name).digest().subarray(0, size);
}

/** A process's clock: with the process its timers die. */
class MortalClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();
  #dead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  wall(): number {
    return this.#clock.wall();
  }

  after(ms: number, callback: () => void): Timer {
    if (this.#dead) return { cancel: () => {} };
    const timer = this.#clock.after(ms, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
    return {
      cancel: () => {
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
