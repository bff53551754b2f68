import { Agent, type Dispatcher } from 'undici';
import { z } from 'zod';
import { WireDispatcher } from '../../sandbox/dispatcher.ts';
import { Life, MortalClock } from '../../sandbox/mortal.ts';
import { seeded } from '../../sandbox/random.ts';
import { routes } from '../../sandbox/routes.ts';
import type { WireRequest, WireResponse } from '../../sandbox/wire.ts';
import { type Composition, compose } from '../../src/compose.ts';
import { parseConfig } from '../../src/config.ts';
import { fixedEndpoint } from '../../src/kube/endpoint.ts';
import { systemClock } from '../../src/loop/clock.ts';
import type { ControlPlane } from './control-plane.ts';
import { NAMESPACE } from './operated.ts';

/** Replicas of one operator in this process, each with connections and a clock of its own, which can be killed. */

export interface Replica extends Composition {
  readonly name: string;
  /** Bytes that came by watches of credentials. */
  readonly received: number;
  /** As a power cut: no drain, nothing written, nothing heard of it again. */
  kill(): Promise<void>;
}

const FAST = [
  '--leader-elect-lease-duration=3s',
  '--leader-elect-renew-deadline=2s',
  '--leader-elect-retry-period=500ms',
];

export function replica(
  plane: Pick<ControlPlane, 'url' | 'ca'>,
  options: {
    readonly name: string;
    readonly token: string;
    readonly flags: readonly string[];
    /** Answers what it asks of a provider, at any origin. */
    readonly provider: (request: WireRequest) => WireResponse;
    readonly origin: string;
    readonly logs: string[];
  },
): Replica {
  const { name, token, flags, provider, origin, logs } = options;
  const parsed = parseConfig(['--leader-elect', ...FAST, ...flags], { HOME: '/nonexistent' });
  if (parsed.kind !== 'run') throw new Error(parsed.text);
  let received = 0;
  let dead = false;
  const connect = { ca: plane.ca };
  const calls = new Agent({ connect, bodyTimeout: 0, connections: 4 });
  const watches = new Agent({ connect, bodyTimeout: 0 });
  const clock = new MortalClock(systemClock, new Life());
  const providers = new WireDispatcher({
    route: routes({ [origin]: request => provider({ ...request, sender: name }) }),
  });
  const composition = compose(parsed.config, {
    clock,
    random: seeded(name),
    endpoint: fixedEndpoint(plane.url, calls, {
      watchDispatcher: watches.compose(
        counting(
          path => path.includes('/providercredentials'),
          bytes => {
            received += bytes;
          },
        ),
      ),
      headers: { authorization: `Bearer ${token}` },
    }),
    operatorNamespace: NAMESPACE,
    instance: name,
    providerDispatcher: providers,
    write: line => {
      if (!dead) logs.push(`${name} ${line}`);
    },
  });
  return {
    ...composition,
    name,
    get received() {
      return received;
    },
    kill: async () => {
      dead = true;
      clock.die();
      await Promise.all([calls.destroy(), watches.destroy(), providers.destroy()]);
    },
  };
}

/** Tells of each chunk of an answer's body. */
function counting(
  counts: (path: string) => boolean,
  tell: (bytes: number) => void,
): Dispatcher.DispatcherComposeInterceptor {
  return dispatch => (options, handler) => {
    if (!counts(options.path)) return dispatch(options, handler);
    return dispatch(options, {
      onRequestStart: (...args) => handler.onRequestStart?.(...args),
      onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
      onResponseStart: (...args) => handler.onResponseStart?.(...args),
      onResponseData: (controller, chunk) => {
        tell(chunk.length);
        handler.onResponseData?.(controller, chunk);
      },
      onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
      onResponseError: (...args) => handler.onResponseError?.(...args),
    });
  };
}

const Leases = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({ holderIdentity: z.string().optional() }),
    }),
  ),
});

/** Name of a Lease to the name of its holder; empty: nobody's. */
export function holders(list: unknown): Map<string, string> {
  return new Map(
    Leases.parse(list).items.map(({ metadata, spec }) => [
      metadata.name,
      (spec.holderIdentity ?? '').replace(/_[0-9a-f]{16}$/, ''),
    ]),
  );
}
