import type { Dispatcher } from 'undici';
import { KubeError, type Sent } from './kube-error.ts';

export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface Outgoing {
  /** For errors: `apply secrets`. */
  readonly what: string;
  readonly origin: string;
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Gives up when it aborts; a KubeError as its reason is the failure. */
  readonly signal?: AbortSignal | undefined;
}

/** What throws here ends the exchange with that error. */
export interface Receiver {
  head(status: number, headers: AnswerHeaders): void;
  data(chunk: Buffer): void;
}

/** Failures of these kinds come before anything is written to a connection. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']);

/**
 * One request and its answer, over any undici Dispatcher. Leaner than `request()` (no stream), able to give up while
 * it waits for a connection, and it knows whether anything was sent.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  /** Resolves at the end of the answer; rejects with a KubeError, or what the receiver threw. Nothing is received after. */
  readonly done: Promise<void>;
  readonly #what: string;
  readonly #receiver: Receiver;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.abort(this.#signal?.reason);
  #controller: Dispatcher.DispatchController | undefined;
  #settled = false;
  #sent: Sent = 'no';
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(dispatcher: Dispatcher, outgoing: Outgoing, receiver: Receiver) {
    this.#what = outgoing.what;
    this.#receiver = receiver;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { origin, method, path, headers, body, signal } = outgoing;
    this.#signal = signal;
    if (signal?.aborted) {
      this.#onAbort();
      return;
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    try {
      dispatcher.dispatch({ origin, method, path, headers, body: body ?? null }, this);
    } catch (error) {
      this.onResponseError(undefined, error);
    }
  }

  /** Gives up: with `reason` where that is a KubeError. */
  abort(reason?: unknown): void {
    this.#fail(reason instanceof KubeError ? reason : this.#unanswered('Aborted'));
  }

  timeOut(): void {
    this.#fail(this.#unanswered('Timeout'));
  }

  /** Takes a step that belongs to the answer, though it comes later: as of the receiver, what it throws is the failure. */
  attempt(step: () => void): void {
    if (!this.#settled) this.#receive(step);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Given up while the request waited for a connection: stop it before a byte is written.
    if (this.#settled) controller.abort(abandoned());
    else this.#sent = 'maybe';
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    if (this.#settled || status < 200) return;
    this.#sent = 'yes';
    this.#receive(() => this.#receiver.head(status, headers));
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#settled) this.#receive(() => this.#receiver.data(chunk));
  }

  onResponseEnd(): void {
    if (this.#settle()) this.#resolve();
  }

  onResponseError(_: unknown, error: unknown): void {
    if (this.#settled) return;
    const reason = codeOf(error) ?? 'ConnectionFailed';
    if (this.#sent === 'maybe' && NEVER_SENT.has(reason)) this.#sent = 'no';
    this.#fail(this.#unanswered(reason));
  }

  #unanswered(reason: string): KubeError {
    return new KubeError({ what: this.#what, code: 0, reason, sent: this.#sent });
  }

  #receive(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#settle()) return;
    this.#reject(error);
    this.#controller?.abort(abandoned());
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}

function abandoned(): Error {
  return new Error('abandoned');
}

/** A library's error code (`ECONNRESET`, `CERT_HAS_EXPIRED`); never its message, which may quote anything. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const { code } = error;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : undefined;
}
