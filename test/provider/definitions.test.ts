import { describe, expect, it } from 'vitest';
import {
  account,
  answer,
  definition,
  engine,
  failureOf,
  grantOf,
  jwt,
  like,
  login,
  NOW,
  problem,
  problemsOf,
  read,
  seconds,
  value,
} from './engine-support.ts';

/** The five providers, to the letter of their documentation. */

const S = seconds(NOW);
const body = (request: { body?: string }): unknown => JSON.parse(request.body ?? '');
const header = (of: Parameters<typeof engine.render>[0], token: string, tokenType?: string) => {
  const grant = tokenType === undefined ? { token, outputs: {} } : { token, tokenType, outputs: {} };
  const data = value(engine.render(of, grant, undefined, undefined));
  return `${data.header_name}: ${data.header_value}`;
};

describe('admintotal', () => {
  const provider = definition('admintotal');
  const parameters = { clave: 'acme' };
  const jwtFlow = account(provider, { parameters });
  const keyFlow = account(provider, { parameters, flow: 'api-key' });
  const LOGIN = { username: 'ana', password: 'p"w' };

  it('takes the subdomain as a parameter: one DNS label, never free text', () => {
    expect(jwtFlow.origin).toBe('https://acme.admintotal.com');
    for (const clave of ['evil.com/', 'a.b', 'evil.com#', 'a@b', 'A_B', '-a', '..', '', 'a'.repeat(64)]) {
      expect(problem(engine.resolve(provider, { parameters: { clave } })).reason).toBe('ParameterInvalid');
    }
    expect(problem(engine.resolve(provider, { parameters: {} })).message).toMatch(/clave is required/);
  });

  it('asks at paths that end in a slash', () => {
    expect(login(jwtFlow, LOGIN)).toMatchObject({
      method: 'POST',
      url: 'https://acme.admintotal.com/api/v2/token/',
    });
    expect(login(keyFlow, LOGIN).url).toBe('https://acme.admintotal.com/api/v2/usuarios/login_usuario/');
    expect(value(engine.fillRefresh(jwtFlow, LOGIN, 'r')).url).toBe(
      'https://acme.admintotal.com/api/v2/refresh/',
    );
    expect(body(login(jwtFlow, LOGIN))).toEqual({ username: 'ana', password: 'p"w' });
    expect(body(value(engine.fillRefresh(jwtFlow, LOGIN, 'r')))).toEqual({ refresh: 'r' });
  });

  it('api-key: reads the nested key, which has no stated expiry', () => {
    const from = answer({ ok: true, usuario: { id: 104, api_key: 'key-1', username: 'ana' } });
    expect(grantOf(read(keyFlow, from))).toEqual({ token: 'key-1', outputs: {} });
    expect(header(keyFlow, 'key-1')).toBe('Api-key: key-1');
  });

  it('api-key: "ok": false in a 200 is no login', () => {
    const from = answer({ ok: false, usuario: { api_key: 'key-1' } });
    expect(failureOf(read(keyFlow, from))).toMatchObject({ class: 'Rejected' });
    expect(failureOf(read(keyFlow, answer({ usuario: { api_key: 'key-1' } })))).toMatchObject({
      class: 'Rejected',
    });
    expect(failureOf(read(keyFlow, answer('<html>maintenance')))).toMatchObject({ class: 'Unusable' });
  });

  it("jwt: lives as long as the token's own exp, for nothing else states it", () => {
    const access = jwt({ exp: S + 300, iat: S });
    expect(grantOf(read(jwtFlow, answer({ access, refresh: 'r-1' })))).toEqual({
      token: access,
      refreshToken: 'r-1',
      outputs: {},
      lifetimeMs: 300_000,
    });
    expect(header(jwtFlow, 'a')).toBe('Authorization: Bearer a');
    expect(jwtFlow.flow.refreshable).toBe(true);
  });

  it('jwt: a refresh answers with the access token alone, or rotates the refresh token', () => {
    const access = jwt({ exp: S + 300 });
    expect(grantOf(read(jwtFlow, answer({ access }), 'refresh'))).not.toHaveProperty('refreshToken');
    expect(grantOf(read(jwtFlow, answer({ access, refresh: 'r-2' }), 'refresh')).refreshToken).toBe('r-2');
    expect(read(jwtFlow, answer({ refresh: 'r-2' }), 'refresh')).toMatchObject({
      ok: false,
      refreshToken: 'r-2',
    });
  });

  it('jwt: a dead refresh token is no rejected password', () => {
    const dead = answer({ detail: 'Token is invalid or expired', code: 'token_not_valid' }, 401);
    expect(failureOf(read(jwtFlow, dead, 'refresh')).reason).toBe('RefreshTokenRejected');
    expect(failureOf(read(jwtFlow, dead)).reason).toBe('Rejected');
  });

  it('redirected is no login', () => {
    const moved = answer('', 301, { location: '/api/v2/token/' });
    expect(failureOf(read(jwtFlow, moved))).toMatchObject({ class: 'Invalid', reason: 'Redirected' });
  });

  it('has jwt as its default', () => {
    expect(jwtFlow.flow.name).toBe('jwt');
    expect([...provider.flows.keys()].sort()).toEqual(['api-key', 'jwt']);
  });
});

describe('ventiapp', () => {
  const provider = definition('ventiapp');
  const of = account(provider);
  it('is sent a form, over https alone', () => {
    const request = login(of, { username: 'ana@x.cl', password: 'a&b=c' });
    expect(request).toMatchObject({ method: 'POST', url: 'https://ventiapi.azurewebsites.net/login' });
    expect(request.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(Object.fromEntries(new URLSearchParams(request.body))).toEqual({
      grant_type: 'password',
      username: 'ana@x.cl',
      password: 'a&b=c',
    });
    expect(provider.spec.network).toEqual({ allowCIDRs: [], allowHTTP: false });
    const environments = [{ name: 'production', baseUrl: 'http://ventiapi.azurewebsites.net' }];
    expect(problemsOf({ ...provider.spec, environments })[0]?.message).toMatch(/must be https/);
  });
  it('answers with an opaque token for a week', () => {
    const from = answer({ access_token: 'opaque', token_type: 'bearer', expires_in: 604799 });
    expect(grantOf(read(of, from))).toEqual({
      token: 'opaque',
      tokenType: 'bearer',
      outputs: {},
      lifetimeMs: 604_799_000,
    });
    expect(header(of, 'opaque', 'bearer')).toBe('Authorization: Bearer opaque');
    expect(of.flow.name).toBe('password');
  });
  it('refuses a password with a 400', () => {
    const wrong = answer({ error: 'invalid_grant', error_description: 'CANARY' }, 400);
    const failure = failureOf(read(of, wrong));
    expect(failure).toMatchObject({
      class: 'Rejected',
      message: like('login.response.rejected'),
    });
    expect(failure.message).not.toContain('CANARY');
  });
});

describe('sendfact', () => {
  const provider = definition('sendfact');
  const of = account(provider);
  it('answers with two minutes, as a string, and calls its bearer token a JWT', () => {
    const from = answer({ access_token: 'tok', token_type: 'JWT', expires_in: '120' });
    expect(grantOf(read(of, from))).toEqual({
      token: 'tok',
      tokenType: 'JWT',
      outputs: {},
      lifetimeMs: 120_000,
    });
    expect(header(of, 'tok', 'JWT')).toBe('Authorization: Bearer tok');
  });
  it('is asked in its demo environment; production is documented and unavailable', () => {
    expect(of.environment.name).toBe('demo');
    expect(login(of, { username: 'u', password: 'p' }).url).toBe(
      'https://demo-api.sendfact.com/api/auth/token',
    );
    expect(problem(engine.resolve(provider, { environment: 'production', parameters: {} }))).toEqual({
      reason: 'EnvironmentUnavailable',
      message: like(/production of sendfact.*not available/),
    });
    expect(provider.environments.get('production')?.unavailable).toBeTruthy();
  });
});

describe('firmeasy', () => {
  const of = account(definition('firmeasy'));
  const LOGIN = { email: 'a@b.cl', password: 'pw', user_integration_token: 'CANARY/+? é%2F' };

  it('is given the integration token in its path, encoded', () => {
    const request = login(of, LOGIN);
    expect(request.url).toBe('https://app.firmeasy.legal/api/v1/auth/CANARY%2F%2B%3F%20%C3%A9%252F/login');
    expect(body(request)).toEqual({ email: 'a@b.cl', password: 'pw' });
    expect(of.flow.inputs).toEqual(['email', 'password', 'user_integration_token']);
  });

  it('never shows it', () => {
    expect(JSON.stringify([of.origin, of.baseUrl, of.parameters])).not.toContain('CANARY');
    const failures = [
      answer('', 302, { location: login(of, LOGIN).url }),
      answer('', 302, { location: 'https://other.example.com/CANARY' }),
      answer({ access: null }),
      answer({ detail: 'CANARY' }, 400),
      answer('CANARY', 500),
    ].map(from => failureOf(read(of, from)));
    expect(JSON.stringify(failures)).not.toContain('CANARY');
    for (const user_integration_token of ['..', 'CANARY\n', 'CANARY/../x']) {
      const refused = problem(engine.fillLogin(of, { ...LOGIN, user_integration_token }));
      expect(refused.message).toContain('user_integration_token');
      expect(refused.message).not.toContain('CANARY');
    }
  });

  it("served_from_cache: the token's own exp is the truth", () => {
    const access = jwt({ iat: S - 3000, exp: S + 600 });
    const from = answer({ access, token_type: 'bearer', expires_in: 3600, served_from_cache: true });
    expect(grantOf(read(of, from)).lifetimeMs).toBe(600_000);
    const fresh = answer({
      access: jwt({ iat: S, exp: S + 7200 }),
      expires_in: 3600,
      served_from_cache: false,
    });
    expect(grantOf(read(of, fresh)).lifetimeMs).toBe(3_600_000);
  });
});

describe('pgf', () => {
  const provider = definition('pgf');
  const of = account(provider);
  const tokens = (parameters: Record<string, string> = {}) =>
    account(provider, { flow: 'login-token', parameters });

  it('has two environments and two flows', () => {
    expect(login(of, { username: 'u', password: 'p' }).url).toBe('https://api.pgf.cl/login');
    const development = account(provider, { environment: 'development' });
    expect(login(development, { username: 'u', password: 'p' }).url).toBe('https://api-dev.pgf.cl/login');
    expect(of).toMatchObject({ flow: { name: 'login' }, environment: { name: 'production' } });
  });

  it('login: parameters in a JSON body; a 400 is a refused login', () => {
    const request = login(of, { username: 'u', password: 'p' });
    expect(request.headers['content-type']).toBe('application/json');
    expect(body(request)).toEqual({ username: 'u', password: 'p' });
    const wrong = answer({ error: 'Wrong email or password.' }, 400);
    expect(failureOf(read(of, wrong))).toMatchObject({ class: 'Rejected', reason: 'Rejected' });
    const from = answer({ access_token_jwt: 'tok', token_type: 'Bearer', expires_in: 86400 });
    expect(grantOf(read(of, from))).toMatchObject({
      token: 'tok',
      tokenType: 'Bearer',
      lifetimeMs: 86_400_000,
    });
  });

  it('login-token: the auth token in a header, expDate as a number or not at all', () => {
    const plain = login(tokens(), { auth_token: 'CANARY' });
    expect(plain).toMatchObject({ method: 'POST', url: 'https://api.pgf.cl/loginToken' });
    expect(plain.headers.authorization).toBe('Bearer CANARY');
    expect(plain.body).toBe('{}');
    expect(login(tokens({ expDate: '1798761600' }), { auth_token: 'x' }).body).toBe('{"expDate":1798761600}');
    for (const expDate of ['soon', '1.5', '-1', '1798761600000000']) {
      const refused = engine.resolve(provider, { flow: 'login-token', parameters: { expDate } });
      expect(problem(refused).message).toMatch(/^spec\.parameters\.expDate/);
    }
  });

  it('login-token: lives for a year; 400 and 403 are refusals', () => {
    const from = answer({ access_token_jwt: 'tok', expires_in: 31_536_000 });
    expect(grantOf(read(tokens(), from))).toEqual({ token: 'tok', outputs: {}, lifetimeMs: 31_536_000_000 });
    for (const [status, error] of [
      [400, 'Invalid Authorization Header'],
      [403, 'Not a valid or expired token'],
    ] as const) {
      expect(failureOf(read(tokens(), answer({ error }, status)))).toMatchObject({ class: 'Rejected' });
    }
  });
});
