import { Dispatcher, errors } from 'undici';
import type { Clock } from '../src/loop/clock.ts';
import { Exchange } from './exchange.ts';
import type { Route } from './routes.ts';

export interface WireDispatcherOptions {
  readonly route: Route;
  /** Holds a request back before its handler sees it, `ms(origin)` on `clock`. */
  readonly latency?: { readonly clock: Clock; ms(origin: string): number };
  /** A handler threw: a mistake in the sandbox. The client gets a 500; by default the process learns of it too. */
  readonly onBug?: (error: unknown) => void;
  /**
   * Asked for each chunk of a stream: whether it arrives before the answer that is given in the same moment has had
   * its effect, which is the default; or after, as the event of a write mostly does.
   */
  readonly streamsFirst?: () => boolean;
  /** Who sends all of it. */
  readonly sender?: string;
}

/**
 * An undici Dispatcher whose other end is a function: no socket, timer or thread, so that it works under a virtual clock.
 *
 * What it leaves out: backpressure, pools, TLS, undici's own time-outs and size limits. An address that is refused
 * or unknown errs after `onRequestStart`, where a socket errs before it; `request()` cannot tell the two apart.
 */
export class WireDispatcher extends Dispatcher {
  /** Requests sent so far, by origin; unknown origins included. */
  readonly sent = new Map<string, number>();
  readonly #options: WireDispatcherOptions;
  readonly #open = new Set<Exchange>();
  #closed: (() => void)[] | undefined;
  #destroyed = false;

  constructor(options: WireDispatcherOptions) {
    super();
    this.#options = options;
  }

  /** Requests under way: streams that are open, answers that are waited for. */
  get open(): number {
    return this.#open.size;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.#destroyed || this.#closed !== undefined) {
      const Refused = this.#destroyed ? errors.ClientDestroyedError : errors.ClientClosedError;
      // undici's own dispatchers err without a controller here
      handler.onResponseError?.(undefined as unknown as Dispatcher.DispatchController, new Refused());
      return false;
    }
    const origin = String(options.origin ?? '').replace(/\/$/, '');
    this.sent.set(origin, (this.sent.get(origin) ?? 0) + 1);
    const exchange = new Exchange({
      origin,
      request: options,
      handler,
      server: this.#options.route(origin),
      onBug: this.#options.onBug ?? rethrow,
      onDone: () => this.#done(exchange),
      streamsFirst: this.#options.streamsFirst ?? (() => true),
      sender: this.#options.sender,
    });
    this.#open.add(exchange);
    exchange.start(this.#options.latency?.clock, this.#options.latency?.ms(origin) ?? 0);
    return true;
  }

  /** Ends when nothing is under way; new requests are refused. */
  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | undefined {
    return promised(callback, done => {
      this.#closed ??= [];
      if (this.#open.size === 0) done();
      else this.#closed.push(done);
    });
  }

  /** Errs everything that is under way. */
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(callback: () => void): void;
  override destroy(error?: Error | null): Promise<void>;
  override destroy(
    errorOrCallback?: Error | null | (() => void),
    callback?: () => void,
  ): Promise<void> | undefined {
    const error = typeof errorOrCallback === 'function' ? null : errorOrCallback;
    return promised(typeof errorOrCallback === 'function' ? errorOrCallback : callback, done => {
      this.#destroyed = true;
      for (const exchange of this.#open) exchange.fail(error ?? new errors.ClientDestroyedError());
      done();
    });
  }

  #done(exchange: Exchange): void {
    this.#open.delete(exchange);
    if (this.#open.size > 0) return;
    for (const done of this.#closed?.splice(0) ?? []) done();
  }
}

function promised(
  callback: (() => void) | undefined,
  run: (done: () => void) => void,
): Promise<void> | undefined {
  if (callback === undefined) return new Promise(resolve => run(resolve));
  run(() => queueMicrotask(callback));
  return undefined;
}

function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
