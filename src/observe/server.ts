import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { BindAddress } from './bind-address.ts';

/** @returns why it fails, or undefined when all is well. */
export type Check = () => string | undefined;

export interface ObserveServerOptions {
  readonly metricsAddress: BindAddress | 'off';
  readonly probeAddress: BindAddress | 'off';
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  /** By name, for `/healthz`: a failure means that a restart would help. */
  readonly healthy: Readonly<Record<string, Check>>;
  /** By name, for `/readyz`. */
  readonly ready: Readonly<Record<string, Check>>;
}

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
}
type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

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
    const metrics = { '/metrics': () => this.#metrics() };
    const probes = {
      '/healthz': () => report(this.#options.healthy),
      '/readyz': () => report(this.#options.ready),
    };
    try {
      if (metricsAddress !== 'off' && same(metricsAddress, probeAddress)) {
        const both = await this.#open('--metrics-bind-address', metricsAddress, { ...metrics, ...probes });
        return { metrics: both, probes: both };
      }
      const open = async (flag: string, address: BindAddress | 'off', routes: Routes) =>
        address === 'off' ? undefined : await this.#open(flag, address, routes);
      const first = await open('--metrics-bind-address', metricsAddress, metrics);
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

  async #open(flag: string, address: BindAddress, routes: Routes): Promise<string> {
    const server = createServer((request, response) => {
      void respond(request, response, routes);
    });
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

  async #metrics(): Promise<Answer> {
    const { metrics } = this.#options;
    return { status: 200, type: metrics.contentType, body: await metrics.render() };
  }
}

/** One line a check, as Kubernetes' own components answer. */
function report(checks: Readonly<Record<string, Check>>): Answer {
  const results = Object.entries(checks).map(([name, check]) => ({ name, reason: failure(check) }));
  const lines = results.map(({ name, reason }) =>
    reason === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${reason}\n`,
  );
  const status = results.every(({ reason }) => reason === undefined) ? 200 : 503;
  return { status, body: lines.join('') || 'ok\n' };
}

function failure(check: Check): string | undefined {
  try {
    return check();
  } catch {
    return 'the check itself failed';
  }
}

async function respond(request: IncomingMessage, response: ServerResponse, routes: Routes): Promise<void> {
  const answer = await answerTo(request, routes);
  response.writeHead(answer.status, {
    'content-type': answer.type ?? 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(answer.status === 405 && { allow: 'GET, HEAD' }),
  });
  response.end(answer.body);
}

async function answerTo(request: IncomingMessage, routes: Routes): Promise<Answer> {
  const [path = ''] = (request.url ?? '').split('?');
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return { status: 404, body: 'not found\n' };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, body: 'method not allowed\n' };
  try {
    return await route();
  } catch {
    return { status: 500, body: 'failed\n' };
  }
}

function same(a: BindAddress, b: BindAddress | 'off'): boolean {
  return b !== 'off' && a.host === b.host && a.port === b.port;
}

function show({ host = '', port }: BindAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
