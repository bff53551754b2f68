import { type Clock, type Random, sleep } from '../../src/loop/clock.ts';
import type { WireResponse } from '../wire.ts';

/** What an outage looks like from outside. */
export type Down = 'refuse' | 'hang' | 'reset' | 500 | 502 | 503;

/** How well a provider is. All can be assigned while it runs; times are the sandbox's, in milliseconds. */
export interface Behaviour {
  /** Out of order, before anything is looked at; a function is asked at each request, with the wall time. */
  down: Down | undefined | ((now: number) => Down | undefined);
  /** The request is carried out, but its answer is lost. */
  answerLost: (now: number) => boolean;
  /** How long an answer takes, after the request was carried out. */
  latencyMs: number;
  /** Up to so much more. */
  jitterMs: number;
  /** 429 with Retry-After beyond so many requests in a fixed window. */
  throttle: { requests: number; windowMs: number } | undefined;
  /** What the provider's own clock is ahead by: its Date, `iat`, `exp`, and when its tokens die. */
  clockSkewMs: number;
}

export function healthy(): Behaviour {
  return {
    down: undefined,
    answerLost: () => false,
    latencyMs: 0,
    jitterMs: 0,
    throttle: undefined,
    clockSkewMs: 0,
  };
}

export function outage(behaviour: Behaviour, now: number): WireResponse | undefined {
  const down = typeof behaviour.down === 'function' ? behaviour.down(now) : behaviour.down;
  if (down === undefined) return undefined;
  if (typeof down === 'string') return { status: 0, fault: down };
  const body = `<html><head><title>${down}</title></head><body><h1>Server Error</h1></body></html>`;
  return { status: down, headers: { 'content-type': 'text/html' }, body };
}

/** A fixed window: as blunt as most providers' throttles are. */
export class Throttle {
  #window = -1;
  #count = 0;

  /** @returns seconds to wait, when this request is one too many. */
  retryAfter(limit: Behaviour['throttle'], now: number): number | undefined {
    if (limit === undefined) return undefined;
    const window = Math.floor(now / limit.windowMs);
    if (window !== this.#window) this.#count = 0;
    this.#window = window;
    if (++this.#count <= limit.requests) return undefined;
    return Math.max(1, Math.ceil(((window + 1) * limit.windowMs - now) / 1000));
  }
}

/** Resolves when the answer would arrive, or when the client has gone. */
export async function delay(
  behaviour: Behaviour,
  clock: Clock,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  await sleep(clock, behaviour.latencyMs + random.next() * behaviour.jitterMs, signal).catch(() => undefined);
}
