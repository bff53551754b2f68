import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Agent } from 'undici';
import type { Log } from '../../src/api/log.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { type Endpoint, fixedEndpoint } from '../../src/kube/endpoint.ts';
import { ServerTime } from '../../src/kube/server-time.ts';
import type { Clock } from '../../src/loop/clock.ts';

/** One request as a scripted API server sees it, and the ways to answer. */
export class Call {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly #response: ServerResponse;

  constructor(
    method: string,
    url: URL,
    headers: IncomingHttpHeaders,
    body: string,
    response: ServerResponse,
  ) {
    this.method = method;
    this.url = url;
    this.headers = headers;
    this.body = body;
    this.#response = response;
  }

  /** The common name of the client's certificate. */
  get clientName(): string | undefined {
    const { socket } = this.#response;
    const name = socket instanceof TLSSocket ? socket.getPeerCertificate().subject?.CN : undefined;
    return typeof name === 'string' ? name : undefined;
  }

  param(name: string): string | null {
    return this.url.searchParams.get(name);
  }

  get closed(): boolean {
    return this.#response.destroyed;
  }

  json(status: number, body: unknown, headers: Record<string, string> = {}): void {
    this.#response.writeHead(status, { 'content-type': 'application/json', ...headers });
    this.#response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  status(code: number, reason: string, extra: Record<string, unknown> = {}, headers = {}): void {
    this.json(code, { kind: 'Status', status: 'Failure', code, reason, ...extra }, headers);
  }

  list(version: string, items: readonly unknown[], next?: string): void {
    this.json(200, { metadata: { resourceVersion: version, continue: next }, items });
  }

  /** Accepts a watch. */
  open(): this {
    this.#response.writeHead(200, { 'content-type': 'application/json' });
    this.#response.flushHeaders();
    return this;
  }

  event(type: string, object: unknown): this {
    return this.raw(`${JSON.stringify({ type, object })}\n`);
  }

  bookmark(version: string, initialEnd = false): this {
    const annotations = initialEnd ? { 'k8s.io/initial-events-end': 'true' } : undefined;
    return this.event('BOOKMARK', { metadata: { resourceVersion: version, annotations } });
  }

  raw(bytes: string | Buffer): this {
    this.#response.write(bytes);
    return this;
  }

  end(): void {
    this.#response.end();
  }

  reset(): void {
    this.#response.socket?.resetAndDestroy();
  }
}

/** An API server that does what a test tells it: requests queue up, and the test answers them one by one. */
export class FakeApi {
  readonly calls: Call[] = [];
  readonly server: ReturnType<typeof createServer> | Server;
  readonly #scheme: string;
  #taken = 0;

  private constructor(tls: ServerOptions | undefined) {
    this.#scheme = tls === undefined ? 'http' : 'https';
    const listener: RequestListener = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const url = new URL(request.url ?? '/', 'http://api');
        const body = Buffer.concat(chunks).toString('utf8');
        this.calls.push(new Call(request.method ?? '', url, request.headers, body, response));
      });
    };
    this.server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  }

  static async start(tls?: ServerOptions): Promise<FakeApi> {
    const api = new FakeApi(tls);
    await new Promise<void>(resolve => api.server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The next request that came or will come. */
  async next(): Promise<Call> {
    await until(() => this.calls.length > this.#taken, 'a request');
    const call = this.calls[this.#taken++];
    if (call === undefined) throw new Error('unreachable');
    return call;
  }

  /** Requests that came and were not taken. */
  get waiting(): number {
    return this.calls.length - this.#taken;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
  }
}

/** Waits for what sockets bring, in real time; the product's own waits are virtual. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}

export function clientOf(
  server: string,
  clock: Clock,
  options: Partial<ConstructorParameters<typeof KubeClient>[0]> & { headers?: Record<string, string> } = {},
): { client: KubeClient; endpoint: Endpoint; serverTime: ServerTime } {
  const serverTime = new ServerTime(clock);
  const endpoint = options.endpoint ?? fixedEndpoint(server, new Agent({ allowH2: false }));
  return { client: new KubeClient({ clock, serverTime, ...options, endpoint }), endpoint, serverTime };
}

/** A log that can be searched. */
export class MemoryLog implements Log {
  readonly lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  debug(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'debug', fields, message });
  }
  info(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }
  warn(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }
  error(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }
  get text(): string {
    return JSON.stringify(this.lines);
  }
}
