const heeded = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back once the signal aborts. A signal that very many wait for gets one listener: to add and remove one of its own
 * for each request costs more than all else that a request needs to be given up.
 * @returns to be called when that is no longer wanted.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = heeded.get(signal);
  if (callbacks === undefined) {
    callbacks = new Set();
    heeded.set(signal, callbacks);
    signal.addEventListener('abort', telling(callbacks), { once: true });
  }
  const waiting = callbacks;
  waiting.add(callback);
  return () => waiting.delete(callback);
}

/** Made here, where there is nothing else that it could keep alive. */
const telling = (callbacks: ReadonlySet<() => void>) => (): void => {
  for (const each of callbacks) each();
};

/** Aborts with the first of the two. Of `AbortSignal.any` Node keeps each that is listened to, and all that listens, until it aborts. */
export function eitherOf(one: AbortSignal, other: AbortSignal): AbortSignal {
  const either = new AbortController();
  const abort = (): void => {
    forget();
    either.abort();
  };
  const [forgetOne, forgetOther] = [onAbort(one, abort), onAbort(other, abort)];
  const forget = (): void => {
    forgetOne();
    forgetOther();
  };
  if (one.aborted || other.aborted) abort();
  return either.signal;
}
