/**
 * HTTP without a transport: a server here is one function. `serve.ts` puts it on a socket,
 * `dispatcher.ts` puts it behind an undici Dispatcher in memory, so that tests, the demo and a simulated year run the same code.
 */
export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /** Which of several operators sent it: `operator-2`. */
  readonly sender?: string;
}

export interface WireResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** In place of `body`: a stream that stays open until `end` or the request's signal. Called once, after the head was sent. */
  readonly stream?: (sink: WireSink) => void;
  /** In place of an answer: `refuse` never connects, `reset` breaks after the request was read, `hang` never answers. */
  readonly fault?: 'refuse' | 'reset' | 'hang';
}

export interface WireSink {
  /** @param taken called once the client's side has taken it, or never will: whoever has much to say waits for that. */
  write(chunk: string | Uint8Array, taken?: () => void): void;
  end(): void;
  /** Breaks the connection in the middle. */
  reset(): void;
}

export type WireHandler = (request: WireRequest) => WireResponse | Promise<WireResponse>;
