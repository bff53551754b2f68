import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { WireHandler, WireRequest, WireResponse } from './wire.ts';

export interface Served {
  /** `http://127.0.0.1:PORT` or `https://…`. */
  readonly url: string;
  readonly port: number;
  /** Breaks what is open; the port is free afterwards. */
  close(): Promise<void>;
}

const LARGEST_BODY = 32 * 1024 * 1024;

/** Puts a handler on a real socket, on loopback only. `refuse` comes as near as a server can: the socket is closed unanswered. */
export async function serve(
  handler: WireHandler,
  options: { tls?: { key: string; cert: string }; port?: number } = {},
): Promise<Served> {
  const scheme = options.tls === undefined ? 'http' : 'https';
  const listener: RequestListener = (message, response) => {
    exchange(handler, scheme, message, response).catch((error: unknown) => {
      process.stderr.write(
        `sandbox: a handler failed: ${error instanceof Error ? error.stack : String(error)}\n`,
      );
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end('the sandbox failed');
    });
  };
  // longer than any client here keeps a connection: a server that closes first breaks a request now and then
  const patience = { keepAliveTimeout: 120_000, requestTimeout: 0 };
  const server =
    options.tls === undefined
      ? createServer(patience, listener)
      : createTlsServer({ ...patience, ...options.tls }, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function exchange(
  handler: WireHandler,
  scheme: string,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  const request = await read(scheme, message, gone.signal);
  if (request === undefined) {
    if (!gone.signal.aborted) response.writeHead(400).end();
    return;
  }
  answer(message, response, await handler(request));
}

async function read(
  scheme: string,
  message: IncomingMessage,
  signal: AbortSignal,
): Promise<WireRequest | undefined> {
  const { host } = message.headers;
  const url = URL.parse(`${scheme}://${host ?? '127.0.0.1'}${message.url ?? '/'}`);
  if (url === null) return undefined;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > LARGEST_BODY) return undefined;
      chunks.push(chunk);
    }
  } catch {
    // the client broke off
    return undefined;
  }
  return { method: message.method ?? 'GET', url, headers, body: Buffer.concat(chunks), signal };
}

function answer(message: IncomingMessage, response: ServerResponse, wire: WireResponse): void {
  switch (wire.fault) {
    case 'hang':
      return;
    case 'refuse':
      message.socket.destroy();
      return;
    case 'reset':
      breakOff(message.socket);
      return;
    case undefined:
  }
  if (wire.stream === undefined) {
    const body = Buffer.from(wire.body ?? '');
    response.writeHead(wire.status, { 'content-length': String(body.length), ...wire.headers }).end(body);
    return;
  }
  response.writeHead(wire.status, wire.headers);
  response.flushHeaders();
  /** Before an end, too: node would put the end of a corked answer before what it holds. */
  const send = (): void => {
    if (response.writableCorked > 0) response.uncork();
  };
  wire.stream({
    write: (chunk, taken) => {
      // what is written in one go is sent in one go: a list of thousands, streamed
      if (response.writableCorked === 0) {
        response.cork();
        process.nextTick(send);
      }
      response.write(chunk, taken);
    },
    end: () => {
      send();
      response.end();
    },
    reset: () => {
      send();
      breakOff(message.socket);
    },
  });
}

/** By a reset; a TLS socket knows none, and ends without a word. */
function breakOff(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
