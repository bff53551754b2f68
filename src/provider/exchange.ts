import type { Dispatcher } from 'undici';
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
  url: URL,
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
          origin: url.origin,
          path: url.pathname + url.search,
          method: request.method,
          headers: { ...request.headers },
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
  readonly #signal: AbortSignal;
  readonly #deadline: Timer;
  /** How long is left; a timer may fire late. */
  readonly #mayStart: () => boolean;
  readonly #onAbort = (): void => this.stop();
  #controller: Dispatcher.DispatchController | undefined;
  #settled = false;
  #status = 0;
  #headers: Readonly<Record<string, string>> = {};
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(resolve: (sent: Sent) => void, limits: Limits) {
    this.#resolve = resolve;
    this.#signal = limits.signal;
    const until = limits.clock.monotonic() + limits.timeoutMs;
    this.#mayStart = () => {
      const left = until - limits.clock.monotonic();
      return left > 0 && limits.mayStart(left);
    };
    this.#deadline = limits.clock.after(limits.timeoutMs, () =>
      this.#giveUp({ ok: false, failure: timedOut(limits.timeoutMs, this.#started) }),
    );
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
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
    this.#settle({ ok: true, answer: this.#answer(Buffer.concat(this.#chunks)) });
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
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#resolve(sent);
  }
}

function joined(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Readonly<Record<string, string>> {
  const entries: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined)
      entries.push([name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]);
  }
  return Object.fromEntries(entries);
}
