import type { Dispatcher } from 'undici';
import { onAbort } from '../loop/abort.ts';
import type { Clock, Timer } from '../loop/clock.ts';
import { failureOf, MAX_BODY_BYTES, stopped, timedOut, tooLarge } from './failures.ts';
import type { ProviderAnswer, ProviderRequest, Sent } from './types.ts';

interface Limits {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly mayStart: (leftMs: number) => boolean;
}

/**
 * One request and its whole answer over an undici dispatcher.
 *
 * undici's `request` does not settle while a connection is being made, whatever its signal says, and doesn't tell whether
 * the request was written. As a handler of our own both are plain: undici calls `onRequestStart` just before it writes.
 */
export function exchange(
  dispatcher: Dispatcher,
  { origin, path }: { readonly origin: string; readonly path: string },
  request: ProviderRequest,
  limits: Limits,
): Promise<Sent> {
  return new Promise(resolve => {
    const handler = new AnswerHandler(resolve, limits);
    if (limits.signal.aborted) {
      handler.stop();
      return;
    }
    try {
      dispatcher.dispatch(
        {
          origin,
          path,
          method: request.method,
          headers: request.headers,
          body: request.body ?? null,
          // undici may send an idempotent request again; nothing that logs in is one
          idempotent: false,
          headersTimeout: 0,
          bodyTimeout: 0,
        },
        handler,
      );
    } catch (error) {
      handler.onResponseError(null, error);
    }
  });
}

class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #resolve: (sent: Sent) => void;
  readonly #limits: Limits;
  /** Monotonic ms. */
  readonly #until: number;
  readonly #deadline: Timer;
  readonly #unheed: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #settled = false;
  #status = 0;
  #headers: Readonly<Record<string, string>> = {};
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(resolve: (sent: Sent) => void, limits: Limits) {
    this.#resolve = resolve;
    this.#limits = limits;
    this.#until = limits.clock.monotonic() + limits.timeoutMs;
    this.#deadline = limits.clock.after(limits.timeoutMs, () =>
      this.#giveUp({ ok: false, failure: timedOut(limits.timeoutMs, this.#started) }),
    );
    this.#unheed = onAbort(limits.signal, () => this.stop());
  }

  /** How long is left; a timer may fire late. */
  #mayStart(): boolean {
    const left = this.#until - this.#limits.clock.monotonic();
    return left > 0 && this.#limits.mayStart(left);
  }

  get #started(): boolean {
    return this.#controller !== undefined;
  }

  stop(): void {
    this.#giveUp({ ok: false, failure: stopped(this.#started) });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // given up while connecting, or no longer allowed: it must not be sent now
    if (!this.#settled && !this.#mayStart()) this.stop();
    if (this.#settled) controller.abort(new Error('given up'));
    this.#controller = controller;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200 || this.#settled) return;
    this.#status = status;
    this.#headers = joined(headers);
    if (Number(this.#headers['content-length']) > MAX_BODY_BYTES) this.#cutOff();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) return;
    this.#size += chunk.length;
    if (this.#size > MAX_BODY_BYTES) this.#cutOff();
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    const [only] = this.#chunks;
    const whole = only !== undefined && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks);
    this.#settle({ ok: true, answer: this.#answer(whole) });
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: unknown): void {
    this.#settle({ ok: false, failure: failureOf(error, this.#started) });
  }

  /** What isn't a 2xx is judged by its status: a refusal with a huge page must still count as one. */
  #cutOff(): void {
    const ok = this.#status < 200 || this.#status > 299;
    this.#giveUp(ok ? { ok, answer: this.#answer(new Uint8Array()) } : { ok, failure: tooLarge() });
  }

  #answer(body: Uint8Array): ProviderAnswer {
    return { status: this.#status, headers: this.#headers, body };
  }

  #giveUp(sent: Sent): void {
    this.#settle(sent);
    this.#controller?.abort(new Error('given up'));
  }

  #settle(sent: Sent): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#chunks = [];
    this.#deadline.cancel();
    this.#unheed();
    this.#resolve(sent);
  }
}

function joined(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Readonly<Record<string, string>> {
  const all: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value !== undefined) all[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return all;
}
