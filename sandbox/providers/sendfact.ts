import type { WireHandler, WireRequest } from '../wire.ts';
import { json, jsonFields, mediaType, textOf } from './answers.ts';
import { type Handled, NOT_FOUND, SimulatedProvider, type Surroundings } from './simulated.ts';

export interface SendfactOptions {
  /** Seconds; documented as two minutes. */
  expiresIn?: number;
  lockAfter?: number;
}

const LOGIN = { flow: 'token', step: 'login' } as const;

/** Short-lived JWTs with their life as a text. Its production host is gone: it takes connections and says nothing. */
export class Sendfact extends SimulatedProvider {
  readonly origins: Readonly<Record<string, WireHandler>>;
  readonly options: { expiresIn: number };

  constructor(around: Surroundings, options: SendfactOptions = {}) {
    super('sendfact', around, options);
    this.options = { expiresIn: options.expiresIn ?? 120 };
    this.origins = {
      'https://demo-api.sendfact.com': this.handler({
        describe: () => LOGIN,
        handle: request => this.#login(request),
      }),
      'https://api.sendfact.com': this.handler({
        describe: () => LOGIN,
        handle: () => ({ outcome: 'down', response: { status: 0, fault: 'hang' } }),
      }),
    };
  }

  #login(request: WireRequest): Handled {
    if (request.url.pathname !== '/api/auth/token' || request.method !== 'POST') return NOT_FOUND;
    const fields = jsonFields(request);
    const account = textOf(fields, 'username');
    const password = textOf(fields, 'password');
    if (account === undefined || password === undefined) {
      const status = mediaType(request) === 'application/json' ? 400 : 415;
      const body = { error: 'username and password are required, as JSON' };
      return { outcome: 'malformed', response: json(status, body) };
    }
    const refused = this.refusal(account, password, json(401, { error: 'Invalid credentials' }));
    if (refused !== undefined) return refused;
    const { expiresIn } = this.options;
    const body = {
      access_token: this.tokens.jwt(account, this.now() + expiresIn * 1000),
      token_type: 'JWT',
      expires_in: String(expiresIn),
    };
    return { account, outcome: 'granted', response: json(200, body) };
  }
}
