import { STATUS_CODES } from 'node:http';
import { type Dispatcher, errors } from 'undici';
import type { Clock, Timer } from '../src/loop/clock.ts';
import { remembering } from './remember.ts';
import type { WireHandler, WireRequest, WireResponse, WireSink } from './wire.ts';

/** What a client may not put into a request; undici refuses it before anything is sent. */
const BAD_HEADER = /[^\t\x20-\x7e\x80-\xff]/;
const BAD_PATH = /[^\x21-\xff]/;

interface ExchangeOptions {
  readonly origin: string;
  readonly request: Dispatcher.DispatchOptions;
  readonly handler: Dispatcher.DispatchHandler;
  readonly server: WireHandler | undefined;
  readonly onBug: (error: unknown) => void;
  readonly onDone: () => void;
  /** See `WireDispatcherOptions`. */
  readonly streamsFirst: () => boolean;
  readonly sender: string | undefined;
}

/** One request and its answer, between an undici handler and a `WireHandler`. Also the handler's controller. */
export class Exchange implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders: null = null;
  rawTrailers: null = null;
  readonly #options: ExchangeOptions;
  #request: Sent | undefined;
  #delay: Timer | undefined;
  #over = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** @param delayMs how long the request takes to arrive. */
  start(clock: Clock | undefined, delayMs: number): void {
    let request: Sent;
    try {
      request = new Sent(this.#options);
      this.#request = request;
      this.#options.handler.onRequestStart?.(this, {});
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    if (clock !== undefined && delayMs > 0) this.#delay = clock.after(delayMs, () => this.#serve(request));
    else queueMicrotask(() => this.#serve(request));
  }

  abort(reason?: Error): void {
    if (this.#over) return;
    this.aborted = true;
    this.reason = reason ?? new errors.RequestAbortedError();
    this.fail(this.reason);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  /** The client learns of an error; whoever answers learns that the client has gone. */
  fail(error: Error): void {
    if (this.#over) return;
    this.#end();
    this.#request?.leave();
    this.#options.handler.onResponseError?.(this, error);
  }

  #end(): void {
    this.#over = true;
    this.#delay?.cancel();
    this.#options.onDone();
  }

  #serve(request: Sent): void {
    if (this.#over) return;
    const { server, origin, onBug } = this.#options;
    if (server === undefined) {
      this.fail(networkError('ENOTFOUND', 'getaddrinfo', new URL(origin)));
      return;
    }
    const broken = (error: unknown): void => {
      onBug(error);
      this.#answer({ status: 500, body: 'the sandbox failed' });
    };
    try {
      const answer = server(request);
      if (answer instanceof Promise) answer.then(response => this.#answer(response), broken);
      else this.#answer(answer);
    } catch (error) {
      broken(error);
    }
  }

  #answer(response: WireResponse): void {
    if (this.#over) return;
    switch (response.fault) {
      case 'hang':
        return;
      case 'refuse':
        this.fail(networkError('ECONNREFUSED', 'connect', new URL(this.#options.origin)));
        return;
      case 'reset':
        this.#receive('reset');
        return;
      case undefined:
    }
    const body = response.stream === undefined ? Buffer.from(response.body ?? '') : undefined;
    this.#toHandler(handler => {
      handler.onResponseStart?.(
        this,
        response.status,
        headersOf(response, body),
        STATUS_CODES[response.status] ?? '',
      );
    });
    if (response.stream !== undefined) {
      response.stream(new Sink(chunk => this.#receive(chunk), this.#options.streamsFirst));
    } else {
      if (body !== undefined && body.length > 0 && this.#options.request.method !== 'HEAD')
        this.#receive(body);
      this.#receive('end');
    }
  }

  #receive(chunk: Chunk): void {
    if (this.#over) return;
    if (chunk === 'reset') {
      this.fail(new errors.SocketError('other side closed'));
    } else if (chunk === 'end') {
      this.#end();
      this.#options.handler.onResponseEnd?.(this, {});
    } else {
      this.#toHandler(handler => handler.onResponseData?.(this, chunk));
    }
  }

  /** A handler that throws breaks its own request, as over a socket. */
  #toHandler(call: (handler: Dispatcher.DispatchHandler) => void): void {
    try {
      call(this.#options.handler);
    } catch (error) {
      this.fail(error as Error);
    }
  }
}

/** Addresses come again: what is made of one is shared, and changed by nobody. */
const urlOf = remembering(address => new URL(address));

/** A request as its server sees it. */
class Sent implements WireRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly sender?: string;
  #gone = false;
  #abort: AbortController | undefined;

  /** Throws what undici does of a request that cannot be sent. */
  constructor({ origin, request, sender }: ExchangeOptions) {
    if (BAD_PATH.test(request.path)) throw new errors.InvalidArgumentError('invalid request path');
    const headers = readHeaders(origin.slice(origin.indexOf('//') + 2), request.headers);
    const body = bodyOf(request.body);
    if (body.length > 0) headers['content-length'] = String(body.length);
    const query = request.query === undefined ? '' : `?${new URLSearchParams(request.query)}`;
    this.method = request.method;
    this.url = urlOf(`${origin}${request.path}${query}`);
    this.headers = headers;
    this.body = body;
    if (sender !== undefined) this.sender = sender;
  }

  /** Made only when asked for: most servers answer at once. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#gone) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  /** Its client has gone. */
  leave(): void {
    this.#gone = true;
    this.#abort?.abort();
  }
}

type Chunk = Buffer | 'end' | 'reset';

/** Chunks arrive later than they are written, in order: a writer is never called back from within its own write. */
class Sink implements WireSink {
  readonly #receive: (chunk: Chunk) => void;
  readonly #first: () => boolean;
  readonly #queue: { readonly chunk: Chunk; readonly taken: (() => void) | undefined }[] = [];

  constructor(receive: (chunk: Chunk) => void, first: () => boolean) {
    this.#receive = receive;
    this.#first = first;
  }

  write(chunk: string | Uint8Array, taken?: () => void): void {
    this.#later(Buffer.from(chunk), taken);
  }

  end(): void {
    this.#later('end');
  }

  reset(): void {
    this.#later('reset');
  }

  /** Each call brings one chunk, the oldest. A tick comes when all microtasks are done, and so what an answer sets off. */
  #later(chunk: Chunk, taken?: () => void): void {
    this.#queue.push({ chunk, taken });
    if (this.#first()) queueMicrotask(this.#next);
    else process.nextTick(this.#next);
  }

  readonly #next = (): void => {
    const oldest = this.#queue.shift();
    if (oldest === undefined) return;
    if (oldest.chunk.length > 0) this.#receive(oldest.chunk);
    oldest.taken?.();
  };
}

function headersOf(response: WireResponse, body: Buffer | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  const given = response.headers ?? {};
  for (const name of Object.keys(given)) headers[name.toLowerCase()] = given[name] ?? '';
  if (body !== undefined) headers['content-length'] = String(body.length);
  return headers;
}

function readHeaders(host: string, given: Dispatcher.DispatchOptions['headers']): Record<string, string> {
  const headers: Record<string, string> = { host };
  const add = (name: string, value: string): void => {
    if (BAD_HEADER.test(value)) throw new errors.InvalidArgumentError(`invalid ${name} header`);
    headers[name.toLowerCase()] = value;
  };
  if (given === null || given === undefined) return headers;
  if (Array.isArray(given)) {
    for (let index = 0; index + 1 < given.length; index += 2) {
      add(String(given[index]), String(given[index + 1]));
    }
    return headers;
  }
  const pairs =
    Symbol.iterator in given
      ? (given as Iterable<[string, string | string[] | undefined]>)
      : Object.entries(given);
  for (const [name, value] of pairs) {
    if (value !== undefined) add(name, Array.isArray(value) ? value.join(', ') : `${value}`);
  }
  return headers;
}

const NOTHING = Buffer.alloc(0);

function bodyOf(body: Dispatcher.DispatchOptions['body']): Buffer {
  if (body === null || body === undefined) return NOTHING;
  if (typeof body === 'string') return Buffer.from(body);
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  throw new errors.InvalidArgumentError('the sandbox takes a string or bytes as a body');
}

function networkError(code: string, syscall: string, url: URL): Error {
  return Object.assign(new Error(`${syscall} ${code} ${url.hostname}`), {
    code,
    syscall,
    hostname: url.hostname,
  });
}
