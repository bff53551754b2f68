import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** What a network between us and the API server can do to connections, short of closing them in good order. */
export interface SilentProxy {
  readonly port: number;
  /** Connections that were ever made to it. */
  readonly accepted: number;
  /** Those that are open now pass no byte any more, either way, and are not closed either. New ones are served. */
  freeze(): void;
  /** The same for new ones, until it is `false` again. */
  silent: boolean;
  /** Resets all connections. */
  reset(): void;
  /** Milliseconds that each chunk takes, either way. */
  delayMs: number;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  frozen: boolean;
}

/** A TCP proxy on loopback to a loopback port. */
export async function startSilentProxy(to: number): Promise<SilentProxy> {
  const pairs = new Set<Pair>();
  let accepted = 0;
  const listener = createServer(client => {
    accepted += 1;
    const pair: Pair = { client, server: connect(to, '127.0.0.1'), frozen: proxy.silent };
    pairs.add(pair);
    lead(pair, client, pair.server);
    lead(pair, pair.server, client);
  });
  const lead = (pair: Pair, from: Socket, into: Socket): void => {
    const pass = (step: () => void): void => {
      if (pair.frozen) return;
      if (proxy.delayMs === 0) step();
      else setTimeout(() => pair.frozen || step(), proxy.delayMs);
    };
    from.on('data', (chunk: Buffer) => pass(() => into.write(chunk)));
    from.on('error', () => {}); // its close follows
    from.on('close', () => {
      pass(() => into.destroy());
      if (from === pair.client) pair.server.destroy();
      if (pair.client.destroyed) pairs.delete(pair);
    });
  };
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(0, '127.0.0.1', resolve);
  });
  const proxy: SilentProxy = {
    port: (listener.address() as AddressInfo).port,
    get accepted() {
      return accepted;
    },
    freeze: () => {
      for (const pair of pairs) pair.frozen = true;
    },
    silent: false,
    reset: () => {
      for (const { client } of pairs) client.resetAndDestroy();
    },
    delayMs: 0,
    close: () =>
      new Promise(resolve => {
        listener.close(() => resolve());
        for (const { client, server } of pairs) {
          client.destroy();
          server.destroy();
        }
      }),
  };
  return proxy;
}
