import type { WireHandler } from './wire.ts';

/** Finds who answers at an origin: `https://api.example.com`, `http://127.0.0.1:8080`. */
export type Route = (origin: string) => WireHandler | undefined;

/** @param table origin to handler; `https://*.example.com` stands for any one label. */
export function routes(table: Readonly<Record<string, WireHandler>>): Route {
  const exact = new Map<string, WireHandler>();
  const wild = new Map<string, WireHandler>();
  for (const [origin, handler] of Object.entries(table)) {
    if (origin.includes('//*.')) wild.set(origin.replace('//*.', '//'), handler);
    else exact.set(origin, handler);
  }
  return origin => exact.get(origin) ?? wild.get(origin.replace(/\/\/[^.]+\./, '//'));
}

/** The first of several that knows the origin. */
export function firstOf(...all: readonly Route[]): Route {
  return origin => {
    for (const route of all) {
      const handler = route(origin);
      if (handler !== undefined) return handler;
    }
    return undefined;
  };
}
