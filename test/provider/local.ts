import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Server as NetServer, type Socket } from 'node:net';
import { generate } from 'selfsigned';
import type { NetworkSpec } from '../../src/provider/guard.ts';
import type { Account, CompiledProvider, ProviderRequest } from '../../src/provider/types.ts';

/** Real servers on loopback, with certificates made on the spot. */

export interface Authority {
  readonly cert: string;
  readonly key: string;
}

export async function authority(name = 'test authority'): Promise<Authority> {
  const made = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  return { cert: made.cert, key: made.private };
}

/** A server's certificate for `names` and for 127.0.0.1. */
export async function certificate(
  ca: Authority,
  names: readonly string[] = ['provider.test', 'localhost'],
  validity: { notBeforeDate?: Date; notAfterDate?: Date } = {},
): Promise<{ cert: string; key: string }> {
  const made = await generate([{ name: 'commonName', value: names[0] ?? 'test' }], {
    ...validity,
    keyType: 'ec',
    algorithm: 'sha256',
    ca: { cert: ca.cert, key: ca.key },
    extensions: [
      { name: 'basicConstraints', cA: false },
      {
        name: 'subjectAltName',
        altNames: [...names.map(value => ({ type: 2, value }) as const), { type: 7, ip: '127.0.0.1' }],
      },
    ],
  });
  return { cert: made.cert, key: made.private };
}

export interface Local {
  readonly port: number;
  /** TCP connections accepted so far. */
  connections(): number;
  close(): Promise<void>;
}

export async function listen(server: NetServer | Server): Promise<Local> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export const tlsServer = (cert: { cert: string; key: string }, listener: RequestListener): Promise<Local> =>
  listen(createHttpsServer(cert, listener));

export const plainServer = (listener: RequestListener): Promise<Local> => listen(createHttpServer(listener));

export interface LocalProxy extends Local {
  /** What it was asked to connect to, or to forward, and with which Proxy-Authorization. */
  readonly asked: { target: string; authorization: string | undefined }[];
}

/** A proxy that sends every tunnel to `targetPort` on loopback, whatever name was asked for. */
export async function connectProxy(targetPort: number, status = 200, tls?: Authority): Promise<LocalProxy> {
  const asked: LocalProxy['asked'] = [];
  const server = tls === undefined ? createHttpServer() : createHttpsServer(tls);
  server.on('request', (request, response) => {
    asked.push({ target: request.url ?? '', authorization: request.headers['proxy-authorization'] });
    response.end('{}');
  });
  server.on('connect', (request, socket, head) => {
    asked.push({ target: request.url ?? '', authorization: request.headers['proxy-authorization'] });
    socket.on('error', () => {});
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} no\r\ncontent-length: 0\r\n\r\n`);
    const onward = connect(targetPort, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
  });
  const local = await listen(server);
  return { ...local, asked };
}

export const LOOPBACK: NetworkSpec = { allowCIDRs: ['127.0.0.0/8'], allowHTTP: false };

export function account(network: NetworkSpec, timeoutMs = 5000): Account {
  const limits = { concurrency: 4, timeoutMs };
  const environment = { name: 'production' };
  const flow = {
    name: 'login',
    inputs: [],
    outputs: [],
    maxRejections: 3,
    refreshable: false,
    loginFingerprint: '',
  };
  const provider: CompiledProvider = {
    name: 'test',
    spec: {
      allowedNamespaces: { from: 'All' },
      parameters: [],
      environments: [],
      network,
      limits: { concurrency: 4, timeout: `${timeoutMs}ms` },
      flows: [],
    },
    flows: new Map([['login', flow]]),
    environments: new Map([['production', environment]]),
    parameters: new Map(),
    limits,
    fingerprint: '',
  };
  return { provider, flow, environment, origin: '', baseUrl: '', parameters: {} };
}

export function post(url: string, more: Partial<ProviderRequest> = {}): ProviderRequest {
  return {
    step: 'login',
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json' },
    body: '{"password":"canary-body"}',
    ...more,
  };
}

export const never = (): AbortSignal => new AbortController().signal;
