import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createRelay, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Authority } from '../../sandbox/certificates.ts';
import type { Providers } from '../../sandbox/providers/index.ts';
import { startOutside } from '../e2e/outside.ts';
import type { Sighting } from './sightings.ts';

/** What pods reach on the node: the simulated providers' proxy, and who tells a reader whether its token is alive. */
export interface Surroundings {
  readonly providers: Providers;
  /** Ports on every address of this machine: the pods' gateway gets its address with the first pod. */
  readonly proxyPort: number;
  readonly askPort: number;
  /** What each reader saw, by its name. */
  readonly seen: ReadonlyMap<string, readonly Sighting[]>;
  close(): Promise<void>;
}

export async function surroundings(authority: Authority): Promise<Surroundings> {
  const outside = await startOutside(authority, 'cluster');
  const { providers } = outside;
  const proxy = new URL(outside.env.HTTPS_PROXY ?? '');
  const relay = createRelay(client => {
    const upstream = connect(Number(proxy.port), proxy.hostname);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      one.on('error', () => other.destroy()).pipe(other);
  });
  const seen = new Map<string, Sighting[]>();
  const asked = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    void text(request).then(token => {
      const name = url.pathname.slice(1);
      const sightings = seen.get(name) ?? [];
      seen.set(name, sightings);
      sightings.push({
        at: Date.now(),
        token,
        live: providers.isLive(token),
        expiresAt: providers.sendfact.tokens.expiresAt(token) ?? Number.NaN,
        reads: Number(url.searchParams.get('reads')),
        failedReads: Number(url.searchParams.get('failedReads')),
      });
      response.writeHead(204).end();
    });
  });
  const [proxyPort, askPort] = await Promise.all([listen(relay), listen(asked)]);
  return {
    providers,
    proxyPort,
    askPort,
    seen,
    close: async () => {
      relay.close();
      asked.close();
      asked.closeAllConnections();
      await outside.close();
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '0.0.0.0', () => resolve((server.address() as AddressInfo).port));
  });
}
