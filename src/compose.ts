import { randomBytes as systemRandomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Dispatcher } from 'undici';
import type { Config } from './config.ts';
import { KubeClient } from './kube/client.ts';
import type { Endpoint } from './kube/endpoint.ts';
import { ServerTime } from './kube/server-time.ts';
import type { Clock, Random } from './loop/clock.ts';
import type { Log } from './loop/log.ts';
import { createLog } from './observe/log.ts';
import { Metrics } from './observe/metrics.ts';
import { Operator } from './operator.ts';
import { createEngine } from './provider/engine.ts';
import { createTransport } from './provider/transport.ts';

/** What the world gives: time, chance, the API server, the way to providers, where logs go. */
export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly endpoint: Endpoint;
  /** Where the digest key's Secret lives. */
  readonly operatorNamespace: string;
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
  /** What /metrics shows. */
  readonly scrape: () => Promise<string>;
  /** Drains and closes everything. */
  readonly stop: () => Promise<void>;
}

/** Wires the operator. Nothing is read or sent before `operator.start()`. */
export function compose(config: Config, ports: Ports): Composition {
  const { clock, random, endpoint } = ports;
  const log = createLog({
    clock,
    level: config.logLevel,
    format: config.logFormat,
    ...(ports.write === undefined ? {} : { write: ports.write }),
  });
  const metrics = new Metrics({
    perCredential: config.credentialMetrics,
    process: ports.processMetrics ?? false,
  });
  // One replica leads itself, until leases say who does.
  metrics.leader(true);
  const serverTime = new ServerTime(clock);
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
  const operator = new Operator({
    settings: {
      operatorNamespace: ports.operatorNamespace,
      propagationMarginMs: config.propagationMarginMs,
      rejectionDelaysMs: config.rejectionDelaysMs,
    },
    watchNamespaces: config.watchNamespaces,
    maxConcurrentReconciles: config.maxConcurrentReconciles,
    instance: hostname(),
    clock,
    random,
    randomBytes: ports.randomBytes ?? (size => systemRandomBytes(size)),
    client,
    serverTime,
    engine: createEngine(),
    transport,
    metrics,
    log,
  });
  return {
    operator,
    metrics,
    log,
    scrape: () => {
      operator.observeInto(metrics);
      return metrics.render();
    },
    stop: async () => {
      await operator.stop(config.shutdownTimeoutMs);
      await transport.close();
      await endpoint.close();
    },
  };
}
