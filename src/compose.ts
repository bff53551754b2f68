import { randomBytes as systemRandomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Dispatcher } from 'undici';
import type { Config } from './config.ts';
import { type Access, AccessReviewer } from './kube/access-review.ts';
import { KubeClient } from './kube/client.ts';
import type { Endpoint } from './kube/endpoint.ts';
import { ServerTime } from './kube/server-time.ts';
import { elect } from './lead/elect.ts';
import type { Election } from './lead/election.ts';
import type { Clock, Random } from './loop/clock.ts';
import type { Log } from './api/log.ts';
import { createLog } from './observe/log.ts';
import { type Exposition, Metrics, wholeText } from './observe/metrics.ts';
import { Operator } from './operator.ts';
import { createEngine } from './provider/engine.ts';
import { createTransport } from './provider/transport.ts';

/** What the world gives: time, chance, the API server, the way to providers, where logs go. */
export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly endpoint: Endpoint;
  /** Where the digest key's Secret and the Lease live. */
  readonly operatorNamespace: string;
  /** This replica's name: the pod's, which is its host's. */
  readonly instance?: string;
  readonly randomBytes?: (size: number) => Uint8Array;
  /** In place of connections to providers. */
  readonly providerDispatcher?: Dispatcher;
  readonly write?: (line: string) => void;
  /** Whether the process's own metrics are collected; a second operator in one process has none. */
  readonly processMetrics?: boolean;
}

export interface Composition {
  readonly operator: Operator;
  readonly metrics: Metrics;
  readonly log: Log;
  /** What /metrics shows, in the format that the scraper's Accept header asks for. */
  readonly expose: (accept?: string) => Exposition;
  /** The same as one text. */
  readonly scrape: () => Promise<string>;
  /** Whether who sends this Authorization header may read /metrics. */
  readonly mayScrape: (authorization: string | undefined) => Promise<Access>;
  /** For `/healthz` and `/readyz`. */
  readonly healthy: () => string | undefined;
  readonly ready: () => string | { readonly note: string } | undefined;
  /**
   * Resolves when work has begun: with leader election, when this replica leads.
   * @throws Error, KubeError for what is for a person; and when stopped before.
   */
  readonly start: () => Promise<void>;
  /** Resolves when another replica was found to have led since this one did: then this one must end. */
  readonly deposed: Promise<void>;
  /** Drains, gives the Lease back when nothing is under way any more, and closes everything. */
  readonly stop: () => Promise<void>;
}

/** Wires the operator. Nothing is read or sent before `start()`. */
export function compose(config: Config, ports: Ports): Composition {
  const { clock, random, endpoint } = ports;
  const log = createLog({
    clock,
    level: config.logLevel,
    format: config.logFormat,
    ...(ports.write === undefined ? {} : { write: ports.write }),
  });
  const serverTime = new ServerTime(clock);
  const metrics = new Metrics({
    perCredential: config.metricsPerCredential,
    time: { now: () => serverTime.now(), monotonic: () => clock.monotonic() },
    version: config.version,
    process: ports.processMetrics ?? false,
  });
  const client = new KubeClient({
    endpoint,
    clock,
    serverTime,
    onCall: ({ verb, code }) => metrics.apiRequest(verb, code),
  });
  const transport = createTransport({
    clock,
    proxy: config.proxy,
    ...(ports.providerDispatcher === undefined ? {} : { dispatcher: ports.providerDispatcher }),
  });
  const instance = ports.instance ?? hostname();
  const randomBytes = ports.randomBytes ?? (size => systemRandomBytes(size));
  const deposed = Promise.withResolvers<void>();
  const election = config.leaderElect
    ? elect({
        client,
        namespace: ports.operatorNamespace,
        name: config.leaseName,
        instance,
        randomBytes,
        times: {
          durationMs: config.leaseDurationMs,
          renewDeadlineMs: config.renewDeadlineMs,
          retryMs: config.retryPeriodMs,
        },
        clock,
        random,
        serverTime,
        log,
        onLeading: leads => metrics.leader(leads),
        onRenewed: () => operator.ownershipRenewed(),
        onDeposed: () => deposed.resolve(),
      })
    : undefined;
  metrics.leader(election === undefined);
  const operator = new Operator({
    ...(election === undefined ? {} : { ownership: election }),
    settings: {
      operatorNamespace: ports.operatorNamespace,
      propagationMarginMs: config.propagationMarginMs,
      rejectionDelaysMs: config.rejectionDelaysMs,
    },
    watchNamespaces: config.watchNamespaces,
    maxConcurrentReconciles: config.maxConcurrentReconciles,
    instance,
    clock,
    random,
    randomBytes,
    client,
    serverTime,
    engine: createEngine(),
    transport,
    metrics,
    log,
  });
  const expose = (accept?: string): Exposition => {
    operator.observeInto(metrics);
    return metrics.expose(accept);
  };
  const reviewer = new AccessReviewer(client, clock, log);
  let stopping = false;
  return {
    operator,
    metrics,
    log,
    expose,
    scrape: () => wholeText(expose()),
    mayScrape: authorization => reviewer.review(authorization, '/metrics', 'get'),
    healthy: () => election?.notHealthy() ?? operator.notHealthy(),
    ready: () => (election?.ledOnce === false ? asStandby(election) : operator.notReady()),
    start: async () => {
      election?.start();
      await election?.elected;
      if (stopping) return;
      try {
        // Only now: what is listed is no older than our lease.
        await operator.start();
      } catch (error) {
        await election?.stop(true);
        throw error;
      }
    },
    deposed: deposed.promise,
    stop: async () => {
      stopping = true;
      const drained = await operator.stop(config.shutdownTimeoutMs);
      await election?.stop(drained);
      await transport.close();
      await endpoint.close();
    },
  };
}

/** A standby is ready to take over, and says so. */
function asStandby(election: Election): string | { readonly note: string } {
  const { leader } = election;
  return election.notReady() ?? { note: leader === undefined ? 'standby' : `standby, ${leader} leads` };
}
