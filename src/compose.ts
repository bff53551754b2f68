import { randomBytes as systemRandomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Dispatcher } from 'undici';
import type { Log } from './api/log.ts';
import type { Config } from './config.ts';
import { type Access, AccessReviewer } from './kube/access-review.ts';
import { KubeClient } from './kube/client.ts';
import type { Endpoint } from './kube/endpoint.ts';
import { Outage } from './kube/outage.ts';
import { ServerTime } from './kube/server-time.ts';
import { WriteBudget } from './kube/write-budget.ts';
import { elect, identify, type Lead } from './lead/elect.ts';
import { Shards } from './lead/shards.ts';
import { Share } from './lead/share.ts';
import type { Clock, Random } from './loop/clock.ts';
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
  /** Does it a turn of the event loop later. @see KubeClient, Gate */
  readonly later?: (step: () => void) => void;
  /** In place of connections to providers. */
  readonly providerDispatcher?: Dispatcher;
  readonly write?: (line: string) => void;
  /** Whether the process's own metrics are collected; a second operator in one process has none. */
  readonly processMetrics?: boolean;
  /** @see OperatorOptions */
  readonly readAtStart?: number;
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
  const outage = new Outage(clock, () => operator.hasten());
  const client = new KubeClient({
    endpoint,
    clock,
    serverTime,
    later: ports.later,
    onCall: ({ verb, code }) => {
      metrics.apiRequest(verb, code);
      outage.heard(code);
    },
    budget:
      config.kubeApiQps === 0 ? undefined : new WriteBudget({ clock, perSecond: config.kubeApiQps, log }),
  });
  const transport = createTransport({
    clock,
    proxy: config.proxy,
    ...(ports.providerDispatcher === undefined ? {} : { dispatcher: ports.providerDispatcher }),
  });
  const instance = ports.instance ?? hostname();
  const randomBytes = ports.randomBytes ?? (size => systemRandomBytes(size));
  const deposed = Promise.withResolvers<void>();
  const share = config.shards > 1 ? new Share(config.shards) : undefined;
  const lead = config.leaderElect ? makeLead() : undefined;
  metrics.shards(config.shards);
  metrics.owned(lead === undefined ? 1 : 0);
  const operator = new Operator({
    ...(lead === undefined ? {} : { ownership: lead }),
    ...(share === undefined ? {} : { share, leaveMs: config.shutdownTimeoutMs }),
    settings: {
      operatorNamespace: ports.operatorNamespace,
      propagationMarginMs: config.propagationMarginMs,
      rejectionDelaysMs: config.rejectionDelaysMs,
    },
    ...(ports.readAtStart === undefined ? {} : { readAtStart: ports.readAtStart }),
    watchNamespaces: config.watchNamespaces,
    maxConcurrentReconciles: config.maxConcurrentReconciles,
    instance,
    clock,
    random,
    randomBytes,
    client,
    serverTime,
    later: ports.later,
    engine: createEngine(),
    transport,
    metrics,
    log,
  });
  const expose = (accept?: string): Exposition => {
    operator.observeInto(metrics);
    return metrics.expose(accept);
  };
  function makeLead(): Lead {
    const options = {
      client,
      namespace: ports.operatorNamespace,
      name: config.leaseName,
      identity: identify(instance, randomBytes),
      times: {
        durationMs: config.leaseDurationMs,
        renewDeadlineMs: config.renewDeadlineMs,
        retryMs: config.retryPeriodMs,
      },
      clock,
      random,
      serverTime,
      log,
      onDeposed: () => deposed.resolve(),
    };
    if (share === undefined) {
      return elect({
        ...options,
        onLeading: leads => metrics.owned(leads ? 1 : 0),
        onRenewed: () => operator.ownershipRenewed(),
      });
    }
    return new Shards({
      ...options,
      shards: share.shards,
      onOwned: owned => metrics.owned(owned),
      worker: {
        gain: shard => operator.gain(shard),
        renewed: () => operator.ownershipRenewed(),
        leave: shard => operator.leave(shard),
      },
    });
  }
  const reviewer = new AccessReviewer(client, clock, log);
  let stopping = false;
  return {
    operator,
    metrics,
    log,
    expose,
    scrape: () => wholeText(expose()),
    mayScrape: authorization => reviewer.review(authorization, '/metrics', 'get'),
    healthy: () => lead?.notHealthy() ?? operator.notHealthy(),
    ready: () => (lead?.ledOnce === false ? asStandby(lead) : operator.notReady()),
    start: async () => {
      lead?.start();
      try {
        await lead?.begun;
      } catch (error) {
        await lead?.stop(true);
        throw error;
      }
      if (stopping) return;
      try {
        // Only now: what is listed is no older than our lease.
        await operator.start();
      } catch (error) {
        await lead?.stop(true);
        throw error;
      }
    },
    deposed: deposed.promise,
    stop: async () => {
      stopping = true;
      const drained = await operator.stop(config.shutdownTimeoutMs);
      await lead?.stop(drained);
      await transport.close();
      await endpoint.close();
    },
  };
}

/** A standby is ready to take over, and says so. */
function asStandby(lead: Lead): string | { readonly note: string } {
  const { leader } = lead;
  return lead.notReady() ?? { note: leader === undefined ? 'standby' : `standby, ${leader} leads` };
}
