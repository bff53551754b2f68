import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { BindAddress } from './bind-address.ts';
import type { Certificate } from './certificate.ts';
import type { Exposition } from './metrics.ts';

/** @returns why it fails, or undefined when all is well; a note is told beside `ok`. */
export type Check = () => string | { readonly note: string } | undefined;

export interface ObserveServerOptions {
  readonly metricsAddress: BindAddress | 'off';
  readonly probeAddress: BindAddress | 'off';
  readonly metrics: { expose(accept?: string): Exposition };
  /** For /metrics: TLS, and who may read them. Then probes have an address of their own. */
  readonly secure?: {
    readonly certificate: Certificate;
    /** @param authorization the header of who asks. */
    readonly may: (authorization: string | undefined) => Promise<Verdict>;
  };
  /** After which a scraper that does not read is cut off, ms. */
  readonly scrapeTimeoutMs?: number;
  /** By name, for `/healthz`: a failure means that a restart would help. */
  readonly healthy: Readonly<Record<string, Check>>;
  /** By name, for `/readyz`. */
  readonly ready: Readonly<Record<string, Check>>;
}

export type Verdict = 'allowed' | 'unauthenticated' | 'forbidden' | 'unavailable';

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body: string | AsyncIterable<string>;
}
const FAILED = { status: 500, body: 'failed\n' };
const REFUSED: Readonly<Record<Exclude<Verdict, 'allowed'>, Answer>> = {
  unauthenticated: { status: 401, body: 'unauthorized\n' },
  forbidden: { status: 403, body: 'forbidden\n' },
  unavailable: { status: 503, body: 'authorization is not available\n' },
};
/** Prometheus itself gives up after 10 s. */
const SCRAPE_TIMEOUT_MS = 30_000;
type Routes = Readonly<Record<string, (request: IncomingMessage) => Answer | Promise<Answer>>>;

/** Serves metrics and probes; at one address where both are given the same. */
export class ObserveServer {
  readonly #options: ObserveServerOptions;
  readonly #servers: Server[] = [];

  constructor(options: ObserveServerOptions) {
    this.#options = options;
  }

  /**
   * @returns where it listens really, as `host:port`; absent for what is off.
   * @throws Error naming the flag and the address when that is taken or not ours; then nothing listens.
   */
  async listen(): Promise<{ readonly metrics?: string; readonly probes?: string }> {
    const { metricsAddress, probeAddress } = this.#options;
    const metrics = { '/metrics': (request: IncomingMessage) => this.#metrics(request) };
    const probes = {
      '/healthz': () => report(this.#options.healthy),
      '/readyz': () => report(this.#options.ready),
    };
    try {
      if (
        metricsAddress !== 'off' &&
        this.#options.secure === undefined &&
        same(metricsAddress, probeAddress)
      ) {
        const both = await this.#open('--metrics-bind-address', metricsAddress, { ...metrics, ...probes });
        return { metrics: both, probes: both };
      }
      const open = async (
        flag: string,
        address: BindAddress | 'off',
        routes: Routes,
        certificate?: Certificate,
      ) => (address === 'off' ? undefined : await this.#open(flag, address, routes, certificate));
      const first = await open(
        '--metrics-bind-address',
        metricsAddress,
        metrics,
        this.#options.secure?.certificate,
      );
      const second = await open('--health-probe-bind-address', probeAddress, probes);
      return {
        ...(first !== undefined && { metrics: first }),
        ...(second !== undefined && { probes: second }),
      };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** For connections from now on. */
  certify(certificate: Certificate): void {
    for (const server of this.#servers)
      if (server instanceof TlsServer) server.setSecureContext({ ...certificate });
  }

  /** Ends what is being answered as well: a scrape is soon asked for again. */
  async close(): Promise<void> {
    await Promise.all(
      this.#servers.splice(0).map(async server => {
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        await closed;
      }),
    );
  }

  async #open(
    flag: string,
    address: BindAddress,
    routes: Routes,
    certificate?: Certificate,
  ): Promise<string> {
    const cutOffMs = this.#options.scrapeTimeoutMs ?? SCRAPE_TIMEOUT_MS;
    const limits = {
      headersTimeout: cutOffMs,
      requestTimeout: cutOffMs,
      connectionsCheckingInterval: Math.ceil(cutOffMs / 4),
    };
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      const late = setTimeout(() => response.destroy(), cutOffMs);
      response.once('close', () => clearTimeout(late));
      void respond(request, response, routes);
    };
    const server =
      certificate === undefined
        ? createServer(limits, serve)
        : createTlsServer({ ...limits, ...certificate, handshakeTimeout: cutOffMs }, serve);
    server.listen({ ...address });
    try {
      await once(server, 'listening');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      throw new Error(`cannot listen on ${show(address)} (${code}): choose another ${flag}`);
    }
    this.#servers.push(server);
    const bound = server.address();
    return show(typeof bound === 'object' && bound !== null ? { ...address, port: bound.port } : address);
  }

  async #metrics({ headers }: IncomingMessage): Promise<Answer> {
    const { accept, authorization } = headers;
    const verdict = (await this.#options.secure?.may(authorization)) ?? 'allowed';
    if (verdict !== 'allowed') return REFUSED[verdict];
    const { contentType, pieces } = this.#options.metrics.expose(accept);
    return { status: 200, type: contentType, body: pieces };
  }
}

/** One line a check, as Kubernetes' own components answer. */
function report(checks: Readonly<Record<string, Check>>): Answer {
  const results = Object.entries(checks).map(([name, check]) => ({ name, found: outcome(check) }));
  const lines = results.map(({ name, found }) => {
    if (typeof found === 'string') return `[-]${name} failed: ${found}\n`;
    return found === undefined ? `[+]${name} ok\n` : `[+]${name} ok: ${found.note}\n`;
  });
  const status = results.some(({ found }) => typeof found === 'string') ? 503 : 200;
  return { status, body: lines.join('') || 'ok\n' };
}

function outcome(check: Check): ReturnType<Check> {
  try {
    return check();
  } catch {
    return 'the check itself failed';
  }
}

async function respond(request: IncomingMessage, response: ServerResponse, routes: Routes): Promise<void> {
  const answer = await answerTo(request, routes);
  const head = ({ status, type }: Omit<Answer, 'body'>) =>
    response.writeHead(status, {
      'content-type': type ?? 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(status === 405 && { allow: 'GET, HEAD' }),
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    });
  if (typeof answer.body === 'string') {
    head(answer).end(answer.body);
    return;
  }
  try {
    if (request.method === 'HEAD') head(answer);
    else await write(answer.body, response, () => head(answer));
    response.end();
  } catch {
    // Halfway there is no other way to say so than to break off.
    if (response.headersSent) response.destroy();
    else head(FAILED).end(FAILED.body);
  }
}

/** At the reader's pace: what it has not taken is not made yet. @param begin is called once there is something to send. */
async function write(
  pieces: AsyncIterable<string>,
  response: ServerResponse,
  begin: () => void,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  for await (const piece of pieces) {
    if (!response.headersSent) begin();
    if (!response.write(piece)) await once(response, 'drain', { signal: gone.signal });
    gone.signal.throwIfAborted();
  }
}

async function answerTo(request: IncomingMessage, routes: Routes): Promise<Answer> {
  const [path = ''] = (request.url ?? '').split('?');
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return { status: 404, body: 'not found\n' };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, body: 'method not allowed\n' };
  try {
    return await route(request);
  } catch {
    return FAILED;
  }
}

function same(a: BindAddress, b: BindAddress | 'off'): boolean {
  return b !== 'off' && a.host === b.host && a.port === b.port;
}

function show({ host = '', port }: BindAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
