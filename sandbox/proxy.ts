import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

export interface SandboxProxy {
  /** For `HTTPS_PROXY`. */
  readonly url: string;
  /** What was asked for, `host:port`, with whether it was let through. */
  readonly asked: { readonly authority: string; readonly allowed: boolean }[];
  close(): Promise<void>;
}

/**
 * A CONNECT proxy on loopback that leads known `host:port` pairs to loopback ports and refuses all others.
 * It never resolves a name, so that definitions with real hosts run unchanged and nothing leaves the machine.
 *
 * @param portOf the loopback port that stands for an authority such as `api.example.com:443`.
 */
export async function startProxy(portOf: (authority: string) => number | undefined): Promise<SandboxProxy> {
  const asked: SandboxProxy['asked'] = [];
  const open = new Set<Duplex>();
  const server = createServer((_request, response) => {
    response.writeHead(403).end('the sandbox proxy knows CONNECT only\n');
  });
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    const authority = request.url ?? '';
    const port = portOf(authority);
    asked.push({ authority, allowed: port !== undefined });
    track(open, client);
    if (port === undefined) {
      client.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    track(open, upstream);
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of open) socket.destroy();
      }),
  };
}

/** A socket that breaks is no error of the proxy. */
function track(open: Set<Duplex>, socket: Duplex): void {
  open.add(socket);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => open.delete(socket));
}
