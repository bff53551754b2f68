import type { WireHandler, WireRequest } from '../wire.ts';
import { formFields, json, textOf } from './answers.ts';
import { type Handled, NOT_FOUND, SimulatedProvider, type Surroundings } from './simulated.ts';

export interface VentiappOptions {
  /** Seconds; documented as a week less one second. */
  expiresIn?: number;
  lockAfter?: number;
}

const REFUSAL = json(400, {
  error: 'invalid_grant',
  error_description: 'The user name or password is incorrect.',
});

/** An ASP.NET OAuth server: forms alone, opaque tokens. Accounts are e-mail addresses. */
export class Ventiapp extends SimulatedProvider {
  readonly origins: Readonly<Record<string, WireHandler>>;
  readonly options: { expiresIn: number };

  constructor(around: Surroundings, options: VentiappOptions = {}) {
    super('ventiapp', around, options);
    this.options = { expiresIn: options.expiresIn ?? 604_799 };
    this.origins = {
      'https://ventiapi.azurewebsites.net': this.handler({
        describe: () => ({ flow: 'password', step: 'login' }),
        handle: request => this.#login(request),
      }),
    };
  }

  #login(request: WireRequest): Handled {
    if (request.url.pathname !== '/login' || request.method !== 'POST') return NOT_FOUND;
    const fields = formFields(request);
    // whatever is no form has no grant_type either
    if (textOf(fields, 'grant_type') !== 'password')
      return { outcome: 'malformed', response: json(400, { error: 'unsupported_grant_type' }) };
    const account = textOf(fields, 'username') ?? '';
    const refused = this.refusal(account, textOf(fields, 'password') ?? '', REFUSAL);
    if (refused !== undefined) return refused;
    const { expiresIn } = this.options;
    const body = {
      access_token: this.tokens.opaque(account, this.now() + expiresIn * 1000),
      token_type: 'bearer',
      expires_in: expiresIn,
    };
    return { account, outcome: 'granted', response: json(200, body) };
  }
}
