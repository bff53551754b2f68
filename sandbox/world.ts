import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { type Composition, compose } from '../src/compose.ts';
import { parseConfig } from '../src/config.ts';
import { fixedEndpoint } from '../src/kube/endpoint.ts';
import type { Random } from '../src/loop/clock.ts';
import type { JsonObject } from './apiserver/json.ts';
import { type ApiServer, createApiServer } from './apiserver/server.ts';
import { WireDispatcher } from './dispatcher.ts';
import { type Cut, Life, Line, MortalClock } from './mortal.ts';
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
  /**
   * Starts an operator; the clock must run for it to get anywhere.
   * It takes no Lease unless the flags say `--leader-elect`.
   */
  start(flags?: readonly string[]): Run;
}

export interface Run extends Composition {
  /** Rejects when the operator cannot start. With leader election it resolves when this one leads. */
  readonly started: Promise<void>;
  /** Requests to providers so far. */
  readonly sent: number;
  /** How its process ended by itself; undefined while it has not. */
  readonly exitCode: 1 | undefined;
  /** Ends it as a power cut would: no drain, nothing written, nothing heard of it again. */
  crash(): void;
  /** As SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): Promise<void>;
  /** Cuts it off from the API server, and it alone; the providers it still reaches. */
  cut(how: Cut): void;
  mend(): void;
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

type MakeApiServer = (options: {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly sharding: boolean;
}) => ApiServer;

let makeApiServer: MakeApiServer = options => createApiServer({ ...options, crds: [] });

/** From now on new worlds have another API server: how a test suite runs on a real one. */
export function serveWorldsWith(make: MakeApiServer): void {
  makeApiServer = make;
}

export function createWorld(
  options: {
    readonly seed?: number | string;
    readonly providers?: Omit<ProvidersOptions, 'clock' | 'random'>;
    /** How far the operator's wall clock is off, ms. */
    readonly operatorSkewMs?: number;
    readonly keepLogs?: boolean;
    /** Asked at each event: whether it overtakes the answer to what made it. By default always, the harder case. */
    readonly eventsFirst?: () => boolean;
    /** Whether the API server knows `shardSelector`. */
    readonly sharding?: boolean;
    /** How many credentials at most have their Secrets read at a start. */
    readonly readAtStart?: number;
    /** Providers besides the five. */
    readonly extraOrigins?: Readonly<Record<string, WireHandler>>;
  } = {},
): World {
  const { seed = 1, keepLogs = true } = options;
  const clock = new VirtualClock({ startMs: START_MS });
  const api = makeApiServer({
    clock,
    random: seeded(`${seed}/api`),
    sharding: options.sharding ?? false,
  });
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
        eventsFirst: options.eventsFirst ?? (() => true),
        write: line => {
          if (keepLogs) logs.push(line);
          listener?.log(line);
        },
        flags,
        readAtStart: options.readAtStart,
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
  eventsFirst: () => boolean;
  write: (line: string) => void;
  flags: readonly string[];
  readAtStart: number | undefined;
}): Run {
  const { random, name, flags, readAtStart } = options;
  const parsed = parseConfig(['--operator-namespace=tokensync', '--leader-elect=false', ...flags], {
    HOME: '/nonexistent',
  });
  if (parsed.kind !== 'run') throw new Error(parsed.text);
  const instance = name.slice(name.lastIndexOf('/') + 1);
  const life = new Life();
  const clock = new MortalClock(options.clock, life);
  const line = new Line(life);
  const toApi = new WireDispatcher({
    route: over(line, options.toApi),
    streamsFirst: options.eventsFirst,
  });
  const toProviders = new WireDispatcher({
    route: over(new Line(life), options.toProviders),
    sender: instance,
  });
  let dead = false;
  let exitCode: 1 | undefined;
  const composition = compose(parsed.config, {
    clock,
    random,
    endpoint: fixedEndpoint(API, toApi),
    operatorNamespace: 'tokensync',
    instance,
    randomBytes: size => derivedBytes(`${name}/${random.next()}`, size),
    providerDispatcher: toProviders,
    ...(readAtStart === undefined ? {} : { readAtStart }),
    write: line => {
      if (!dead) options.write(line);
    },
  });
  const started = composition.start();
  started.catch(() => {});
  const crash = (): void => {
    dead = true;
    clock.die();
    void toApi.destroy();
    void toProviders.destroy();
  };
  // As main.ts does.
  void composition.deposed
    .then(() => composition.stop())
    .then(() => {
      if (dead) return;
      exitCode = 1;
      crash();
    });
  return {
    ...composition,
    started,
    get sent() {
      return [...toProviders.sent.values()].reduce((sum, requests) => sum + requests, 0);
    },
    get exitCode() {
      return exitCode;
    },
    crash,
    pause: () => life.pause(),
    resume: () => life.resume(),
    cut: how => line.cut(how),
    mend: () => line.mend(),
    setWall(skewMs) {
      options.clock.skewMs = skewMs;
    },
  };
}

/** The servers that a route leads to, over a network of one's own. */
function over(line: Line, route: Route): Route {
  return origin => {
    const handler = route(origin);
    return handler === undefined ? undefined : line.through(handler);
  };
}

function derivedBytes(name: string, size: number): Uint8Array {
  return createHash('sha512').update(name).digest().subarray(0, size);
}
