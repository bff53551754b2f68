import type { WireHandler, WireRequest } from '../wire.ts';
import { json, jsonFields, textOf } from './answers.ts';
import { type Handled, NOT_FOUND, SimulatedProvider, type Surroundings } from './simulated.ts';

export interface PgfOptions {
  /** Seconds; documented as a day. */
  expiresIn?: number;
  /** Seconds, for loginToken without `expDate`; documented as a year. */
  tokenExpiresIn?: number;
  lockAfter?: number;
}

/** Whom refusals of an auth token that nobody has are counted for. */
const NOBODY = 'unknown auth token';

/**
 * Two environments with accounts of their own, called `production/…` and `development/…`.
 * An auth token is the password of the account that stands for it.
 */
export class Pgf extends SimulatedProvider {
  readonly origins: Readonly<Record<string, WireHandler>>;
  readonly options: { expiresIn: number; tokenExpiresIn: number };

  constructor(around: Surroundings, options: PgfOptions = {}) {
    super('pgf', around, options);
    this.options = {
      expiresIn: options.expiresIn ?? 86_400,
      tokenExpiresIn: options.tokenExpiresIn ?? 31_536_000,
    };
    this.origins = {
      'https://api.pgf.cl': this.#environment('production'),
      'https://api-dev.pgf.cl': this.#environment('development'),
    };
  }

  #environment(environment: string): WireHandler {
    return this.handler({
      describe: ({ url }) => ({
        flow: url.pathname === '/loginToken' ? 'login-token' : 'login',
        step: 'login',
      }),
      handle: request => {
        if (request.method !== 'POST') return NOT_FOUND;
        if (request.url.pathname === '/login') return this.#login(request, environment);
        if (request.url.pathname === '/loginToken') return this.#loginToken(request, environment);
        return NOT_FOUND;
      },
    });
  }

  #login(request: WireRequest, environment: string): Handled {
    const fields = jsonFields(request);
    const username = textOf(fields, 'username');
    const password = textOf(fields, 'password');
    if (username === undefined || password === undefined)
      return { outcome: 'malformed', response: json(400, { error: 'Missing username or password.' }) };
    const account = `${environment}/${username}`;
    const refused = this.refusal(account, password, json(400, { error: 'Wrong email or password.' }));
    return refused ?? this.#grant(account, this.now() + this.options.expiresIn * 1000);
  }

  #loginToken(request: WireRequest, environment: string): Handled {
    const authToken = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (authToken === undefined)
      return { outcome: 'refused', response: json(400, { error: 'Invalid Authorization Header' }) };
    const owner = this.accounts.withPassword(authToken)?.id;
    const account = owner?.startsWith(`${environment}/`) ? owner : NOBODY;
    const refused = this.refusal(account, authToken, json(403, { error: 'Not a valid or expired token' }));
    if (refused !== undefined) return refused;
    // a body that is no JSON object is as wrong as an expDate that is no number
    const expDate =
      request.body.length === 0 ? undefined : (jsonFields(request) ?? { expDate: null }).expDate;
    if (expDate !== undefined && !Number.isInteger(expDate)) {
      const response = json(400, { error: 'expDate must be a number' });
      return { account, outcome: 'malformed', response };
    }
    const end = expDate === undefined ? this.now() / 1000 + this.options.tokenExpiresIn : Number(expDate);
    return this.#grant(account, end * 1000);
  }

  /** An end that has passed gives a dead token: nothing in the documentation says that it is refused. */
  #grant(account: string, expiresAt: number): Handled {
    const body = {
      access_token_jwt: this.tokens.jwt(account, expiresAt),
      token_type: 'Bearer',
      expires_in: Math.floor((expiresAt - this.now()) / 1000),
    };
    return { account, outcome: 'granted', response: json(200, body) };
  }
}
