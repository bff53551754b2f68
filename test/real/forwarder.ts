import { Agent, request as send } from 'undici';
import type { Authority } from '../../sandbox/certificates.ts';
import { serve } from '../../sandbox/serve.ts';
import type { WireHandler, WireRequest, WireResponse } from '../../sandbox/wire.ts';
import type { ControlPlane } from './control-plane.ts';

/** What becomes of a request: `hang` is never answered, `reset` breaks its connection; undefined goes on. */
type Fate = 'hang' | 'reset' | undefined;

/** Stands between a program and the real API server, over HTTPS. Its hooks may be assigned at any time. */
export interface Forwarder {
  readonly url: string;
  readonly port: number;
  /** Asked for each request, before the API server hears of it. */
  before: (request: WireRequest) => Fate;
  /** Asked when the API server has carried a request out, before its answer is passed on. Not asked for watches. */
  after: (request: WireRequest, status: number) => Fate;
  /** Told of each write that the API server has carried out. */
  committed: (request: WireRequest) => void;
  /** Which watches end in good order right after their head. */
  endsWatch: (request: WireRequest) => boolean;
  /** Ends all watches that are open, in good order. */
  endOpen(): void;
  close(): Promise<void>;
}

export function isWatch({ url }: WireRequest): boolean {
  return url.searchParams.get('watch') === 'true';
}

/** @param authority whose CA the program trusts. */
export async function startForwarder(
  plane: Pick<ControlPlane, 'url' | 'ca'>,
  authority: Authority,
): Promise<Forwarder> {
  const agent = new Agent({ connect: { ca: plane.ca }, headersTimeout: 0, bodyTimeout: 0 });
  const open = new Set<() => void>();
  const handler: WireHandler = async request => {
    const fate = forwarder.before(request);
    if (fate !== undefined) return { status: 0, fault: fate };
    try {
      return isWatch(request) ? await watch(request) : await exchange(request);
    } catch {
      return { status: 0, fault: 'reset' };
    }
  };
  const pass = ({ method, url, headers, body, signal }: WireRequest) => {
    const { host: _host, connection: _connection, 'content-length': _length, ...rest } = headers;
    return send(plane.url + url.pathname + url.search, {
      dispatcher: agent,
      method,
      headers: rest,
      body: body.length === 0 ? null : body,
      signal,
    });
  };
  const exchange = async (request: WireRequest): Promise<WireResponse> => {
    const answer = await pass(request);
    const body = Buffer.from(await answer.body.arrayBuffer());
    if (request.method !== 'GET' && answer.statusCode < 300) forwarder.committed(request);
    const fate = forwarder.after(request, answer.statusCode);
    if (fate !== undefined) return { status: 0, fault: fate };
    return { status: answer.statusCode, headers: plain(answer.headers), body };
  };
  const watch = async (request: WireRequest): Promise<WireResponse> => {
    const answer = await pass(request);
    const stream: WireResponse['stream'] = sink => {
      const end = (): void => {
        open.delete(end);
        answer.body.removeAllListeners('data').destroy();
        sink.end();
      };
      answer.body.on('data', (chunk: Buffer) => sink.write(chunk));
      answer.body.on('end', end);
      answer.body.on('error', () => open.delete(end) && sink.reset());
      open.add(end);
      if (forwarder.endsWatch(request)) end();
    };
    return { status: answer.statusCode, headers: plain(answer.headers), stream };
  };
  const served = await serve(handler, { tls: await authority.issue(['127.0.0.1']) });
  const forwarder: Forwarder = {
    url: served.url,
    port: served.port,
    before: () => undefined,
    after: () => undefined,
    committed: () => {},
    endsWatch: () => false,
    endOpen: () => {
      for (const end of [...open]) end();
    },
    close: async () => {
      await served.close();
      await agent.destroy();
    },
  };
  return forwarder;
}

const OWN_TO_A_CONNECTION = new Set(['connection', 'transfer-encoding', 'content-length', 'keep-alive']);

function plain(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || OWN_TO_A_CONNECTION.has(name) ? [] : [[name, String(value)]],
    ),
  );
}
