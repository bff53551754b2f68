import type { WireHandler, WireRequest } from '../wire.ts';
import { type Fields, formFields, json, jsonFields, mediaType, textOf } from './answers.ts';
import { type Handled, NOT_FOUND, SimulatedProvider, type Surroundings } from './simulated.ts';

/** Lifetimes in milliseconds: the provider names none; the defaults are SimpleJWT's. */
export interface AdmintotalOptions {
  accessMs?: number;
  refreshMs?: number;
  /** Whether a refresh gives a new refresh token and kills the old one. */
  rotate?: boolean;
  lockAfter?: number;
}

const LOGIN = '/api/v2/usuarios/login_usuario/';
const TOKEN = '/api/v2/token/';
const REFRESH = '/api/v2/refresh/';

/** A Django server with a tenant per subdomain. Accounts are called `clave/username`. */
export class Admintotal extends SimulatedProvider {
  readonly origins: Readonly<Record<string, WireHandler>>;
  /** May be assigned while it runs. */
  readonly options: Required<Omit<AdmintotalOptions, 'lockAfter'>>;
  readonly #keys = new Map<string, string>();
  /** Refresh tokens are told apart from access tokens, which are no good for a refresh. */
  readonly #refreshTokens = new Set<string>();
  readonly #routes: Readonly<Record<string, (request: WireRequest) => Handled>> = {
    [LOGIN]: request => this.#apiKey(request),
    [TOKEN]: request => this.#login(request),
    [REFRESH]: request => this.#refresh(request),
  };

  constructor(around: Surroundings, options: AdmintotalOptions = {}) {
    super('admintotal', around, options);
    this.options = {
      accessMs: options.accessMs ?? 5 * 60_000,
      refreshMs: options.refreshMs ?? 86_400_000,
      rotate: options.rotate ?? false,
    };
    this.origins = {
      'https://*.admintotal.com': this.handler({
        describe: ({ url }) => ({
          flow: url.pathname.includes('/usuarios/') ? 'api-key' : 'jwt',
          step: url.pathname === REFRESH ? 'refresh' : 'login',
        }),
        handle: request => this.#route(request),
      }),
    };
  }

  /** Kills an account's API key; the next login gives a new one. */
  replaceKey(account: string): void {
    this.tokens.revoke(this.#keys.get(account) ?? '');
    this.#keys.delete(account);
  }

  /** Whether a token is a refresh token that would still be accepted. */
  isLiveRefreshToken(token: string): boolean {
    return this.#refreshTokens.has(token) && this.tokens.isLive(token);
  }

  #route(request: WireRequest): Handled {
    const { pathname } = request.url;
    const route = this.#routes[pathname];
    if (route !== undefined) {
      if (request.method === 'POST') return route(request);
      const body = { detail: `Method "${request.method}" not allowed.` };
      return { outcome: 'malformed', response: json(405, body) };
    }
    // Django's APPEND_SLASH
    if (this.#routes[`${pathname}/`] === undefined) return NOT_FOUND;
    return { outcome: 'redirected', response: { status: 301, headers: { location: `${pathname}/` } } };
  }

  #apiKey(request: WireRequest): Handled {
    const fields = jsonFields(request) ?? formFields(request);
    const username = textOf(fields, 'username');
    const password = textOf(fields, 'password');
    if (username === undefined || password === undefined)
      return malformed(request, fields, ['username', 'password']);
    const account = accountOf(request, username);
    const refusal = json(200, { ok: false, mensaje: 'Usuario o contraseña incorrectos.' });
    const refused = this.refusal(account, password, refusal);
    if (refused !== undefined) return refused;
    const known = this.#keys.get(account);
    const key = known !== undefined && this.tokens.isLive(known) ? known : this.tokens.opaque(account);
    this.#keys.set(account, key);
    const usuario = { id: 104, api_key: key, username, email: `${username}@example.com`, activo: true };
    return { account, outcome: 'granted', response: json(200, { ok: true, usuario }) };
  }

  #login(request: WireRequest): Handled {
    const fields = jsonFields(request);
    const username = textOf(fields, 'username');
    const password = textOf(fields, 'password');
    if (username === undefined || password === undefined)
      return malformed(request, fields, ['username', 'password']);
    const account = accountOf(request, username);
    const refusal = {
      detail: 'No active account found with the given credentials',
      code: 'no_active_account',
    };
    const refused = this.refusal(account, password, json(401, refusal));
    if (refused !== undefined) return refused;
    const tokens = { refresh: this.#issueRefresh(account), access: this.#issueAccess(account) };
    return { account, outcome: 'granted', response: json(200, tokens) };
  }

  #refresh(request: WireRequest): Handled {
    const fields = jsonFields(request);
    const refresh = textOf(fields, 'refresh');
    if (refresh === undefined) return malformed(request, fields, ['refresh']);
    const account = this.#refreshTokens.has(refresh) ? this.tokens.ownerOf(refresh) : undefined;
    if (account === undefined) {
      this.#refreshTokens.delete(refresh);
      const body = { detail: 'Token is invalid or expired', code: 'token_not_valid' };
      return { outcome: 'refused', response: json(401, body) };
    }
    const access = this.#issueAccess(account);
    if (!this.options.rotate) return { account, outcome: 'granted', response: json(200, { access }) };
    this.tokens.revoke(refresh);
    this.#refreshTokens.delete(refresh);
    const rotated = { access, refresh: this.#issueRefresh(account) };
    return { account, outcome: 'granted', response: json(200, rotated) };
  }

  #issueAccess(account: string): string {
    return this.tokens.jwt(account, this.now() + this.options.accessMs, { token_type: 'access' });
  }

  #issueRefresh(account: string): string {
    const token = this.tokens.jwt(account, this.now() + this.options.refreshMs, { token_type: 'refresh' });
    this.#refreshTokens.add(token);
    return token;
  }
}

function accountOf(request: WireRequest, username: string): string {
  return `${request.url.hostname.split('.')[0]}/${username}`;
}

/** What Django REST Framework says to a body of the wrong type, to no JSON, and to a field left out. */
function malformed(request: WireRequest, fields: Fields | undefined, required: readonly string[]): Handled {
  if (fields !== undefined) {
    const missing = required.filter(name => textOf(fields, name) === undefined);
    const body = Object.fromEntries(missing.map(name => [name, ['This field is required.']]));
    return { outcome: 'malformed', response: json(400, body) };
  }
  const type = mediaType(request);
  if (type === 'application/json')
    return { outcome: 'malformed', response: json(400, { detail: 'JSON parse error - Expecting value' }) };
  const detail = `Unsupported media type "${type}" in request.`;
  return { outcome: 'malformed', response: json(415, { detail }) };
}
