const heeded = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back once the signal aborts. A signal that very many wait for gets one listener: to add and remove one of its own
 * for each request costs more than all else that a request needs to be given up.
 * @returns to be called when that is no longer wanted.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = heeded.get(signal);
  if (callbacks === undefined) {
    const all = new Set<() => void>();
    callbacks = all;
    heeded.set(signal, all);
    const tell = (): void => {
      for (const each of all) each();
    };
    signal.addEventListener('abort', tell, { once: true });
  }
  const waiting = callbacks;
  waiting.add(callback);
  return () => waiting.delete(callback);
}
