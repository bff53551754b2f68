import type { WireHandler, WireRequest } from '../wire.ts';
import { json, jsonFields, mediaType, textOf } from './answers.ts';
import { type Handled, NOT_FOUND, SimulatedProvider, type Surroundings } from './simulated.ts';

export interface FirmeasyOptions {
  /** Seconds; documented as an hour. */
  expiresIn?: number;
  /** How long an issued token is given again, in seconds. Default: half its life, so that a cached one has half left at least. */
  cacheSeconds?: number;
  lockAfter?: number;
}

const PATH = /^\/api\/v1\/auth\/([^/]+)\/login$/;

/** The integration's token stands in the path, and a cache gives the same JWT again. Accounts are e-mail addresses. */
export class Firmeasy extends SimulatedProvider {
  readonly origins: Readonly<Record<string, WireHandler>>;
  /** `cacheSeconds: Infinity` is a stubborn cache: the same token until it is dead. */
  readonly options: { expiresIn: number; cacheSeconds: number };
  readonly #integrations = new Map<string, string>();
  readonly #cache = new Map<string, { token: string; issuedAt: number }>();

  constructor(around: Surroundings, options: FirmeasyOptions = {}) {
    super('firmeasy', around, options);
    const expiresIn = options.expiresIn ?? 3600;
    this.options = { expiresIn, cacheSeconds: options.cacheSeconds ?? expiresIn / 2 };
    this.origins = {
      'https://app.firmeasy.legal': this.handler({
        describe: () => ({ flow: 'login', step: 'login' }),
        handle: request => this.#login(request),
      }),
    };
  }

  /** @param integrationToken what stands in the path for this account. */
  addUser(email: string, password: string, integrationToken: string): void {
    this.accounts.add(email, password);
    this.#integrations.set(email, integrationToken);
  }

  #login(request: WireRequest): Handled {
    const integration = PATH.exec(request.url.pathname)?.[1];
    if (integration === undefined || request.method !== 'POST') return NOT_FOUND;
    const fields = jsonFields(request);
    const account = textOf(fields, 'email');
    const password = textOf(fields, 'password');
    if (account === undefined || password === undefined) {
      const status = mediaType(request) === 'application/json' ? 400 : 415;
      const body = { message: 'email and password are required, as JSON' };
      return { outcome: 'malformed', response: json(status, body) };
    }
    // another integration's token is as wrong as a password
    const theirs = decoded(integration) === (this.#integrations.get(account) ?? '');
    const refused = this.refusal(
      account,
      theirs ? password : '',
      json(401, { message: 'Invalid credentials' }),
    );
    if (refused !== undefined) return refused;
    const cached = this.#cached(account);
    const body = {
      access: cached ?? this.#issue(account),
      token_type: 'bearer',
      // of the answer that was cached: it overstates what is left
      expires_in: this.options.expiresIn,
      served_from_cache: cached !== undefined,
    };
    return { account, outcome: cached === undefined ? 'granted' : 'cached', response: json(200, body) };
  }

  #cached(account: string): string | undefined {
    const cached = this.#cache.get(account);
    if (cached === undefined || !this.tokens.isLive(cached.token)) return undefined;
    return this.now() - cached.issuedAt < this.options.cacheSeconds * 1000 ? cached.token : undefined;
  }

  #issue(account: string): string {
    const issuedAt = this.now();
    const token = this.tokens.jwt(account, issuedAt + this.options.expiresIn * 1000);
    this.#cache.set(account, { token, issuedAt });
    return token;
  }
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
