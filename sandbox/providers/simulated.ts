import { createHmac } from 'node:crypto';
import type { Clock, Random } from '../../src/loop/clock.ts';
import type { WireHandler, WireRequest, WireResponse } from '../wire.ts';
import { Accounts } from './accounts.ts';
import { json } from './answers.ts';
import { type Behaviour, delay, healthy, outage, Throttle } from './behaviour.ts';
import type { LogEntry, RequestLog } from './log.ts';
import { Tokens } from './tokens.ts';

/** What every provider gets. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: RequestLog;
}

/** An answer, and what the log says of the request. */
export interface Handled extends Pick<LogEntry, 'outcome'> {
  readonly response: WireResponse;
  readonly account?: string;
}

/** A server's own code, without what befalls any server. */
export interface Application {
  /** What a request is for, told by its address alone: known also when nothing is answered. */
  describe(request: WireRequest): Pick<LogEntry, 'flow' | 'step'>;
  handle(request: WireRequest): Handled;
}

/** What all providers are made of: accounts, tokens, how well it is, and one handler that puts them before its application. */
export class SimulatedProvider {
  readonly name: string;
  readonly behaviour: Behaviour = healthy();
  readonly accounts: Accounts;
  readonly tokens: Tokens;
  readonly #around: Surroundings;
  readonly #throttle = new Throttle();

  constructor(name: string, around: Surroundings, options: { lockAfter?: number } = {}) {
    this.name = name;
    this.#around = around;
    this.accounts = new Accounts(options.lockAfter);
    // a key that repeats with the seed: then so do all tokens
    const key = createHmac('sha256', String(around.random.next())).update(name).digest();
    this.tokens = new Tokens(name, key, () => this.now());
  }

  /** The provider's own time, milliseconds since 1970. */
  now(): number {
    return this.#around.clock.wall() + this.behaviour.clockSkewMs;
  }

  /** @returns what is wrong with a login, told by `response`; undefined when it is right. Counts what is refused. */
  protected refusal(account: string, password: string, response: WireResponse): Handled | undefined {
    const verdict = this.accounts.check(account, password, this.#around.clock.wall());
    if (verdict === 'ok') return undefined;
    return { account, outcome: verdict === 'locked' ? 'locked' : 'refused', response };
  }

  /** The application as seen over the wire: down, throttled, slow, or as it is. */
  protected handler(application: Application): WireHandler {
    const { clock, random, log } = this.#around;
    return request => {
      const at = clock.wall();
      const handled = this.#handle(application, request, at);
      const { outcome, account = '' } = handled;
      log.add({ at, provider: this.name, ...application.describe(request), account, outcome });
      const response: WireResponse =
        outcome !== 'down' && this.behaviour.answerLost(at)
          ? { status: 0, fault: 'reset' }
          : {
              ...handled.response,
              headers: { date: new Date(this.now()).toUTCString(), ...handled.response.headers },
            };
      const { latencyMs, jitterMs } = this.behaviour;
      if (latencyMs + jitterMs === 0) return response;
      return delay(this.behaviour, clock, random, request.signal).then(() => response);
    };
  }

  #handle(application: Application, request: WireRequest, at: number): Handled {
    const down = outage(this.behaviour, at);
    if (down !== undefined) return { outcome: 'down', response: down };
    const seconds = this.#throttle.retryAfter(this.behaviour.throttle, at);
    if (seconds === undefined) return application.handle(request);
    const body = { detail: `Request was throttled. Expected available in ${seconds} seconds.` };
    return { outcome: 'throttled', response: json(429, body, { 'retry-after': String(seconds) }) };
  }
}

export const NOT_FOUND: Handled = {
  outcome: 'not-found',
  response: json(404, { detail: 'Not found.' }),
};
