import { describe, expect, test } from 'vitest';
import { createProviders, type Providers, type ProvidersOptions } from '../../sandbox/providers/index.ts';
import { seeded } from '../../sandbox/random.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import type { WireResponse } from '../../sandbox/wire.ts';

const START = Date.UTC(2026, 5, 1);
const ADMINTOTAL = 'https://acme.admintotal.com/api/v2';
const FIRMEASY = 'https://app.firmeasy.legal/api/v1/auth';

interface Answer extends WireResponse {
  /** The body as JSON, `{}` where there is none. */
  readonly json: Record<string, unknown>;
}

function sandbox(options: Partial<ProvidersOptions> = {}) {
  const clock = new VirtualClock({ startMs: START });
  const providers = createProviders({ clock, random: seeded(1), ...options });
  providers.admintotal.accounts.add('acme/ana', 'right');
  providers.ventiapp.accounts.add('ana@example.com', 'right');
  providers.sendfact.accounts.add('ana', 'right');
  providers.firmeasy.addUser('ana@example.com', 'right', 'inte/gration');
  providers.pgf.accounts.add('production/ana', 'right');
  providers.pgf.accounts.add('production/dashboard', 'auth-token');
  return { clock, providers };
}

async function send(
  providers: Providers,
  url: string,
  body: string,
  type: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const target = new URL(url);
  const handler = providers.route(target.origin);
  if (handler === undefined) throw new Error(`nobody at ${target.origin}`);
  const response = await handler({
    method: 'POST',
    url: target,
    headers: { 'content-type': type, ...headers },
    body: Buffer.from(body),
    signal: new AbortController().signal,
  });
  const text = String(response.body ?? '');
  return {
    ...response,
    json: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
  };
}

const json = (providers: Providers, url: string, body: unknown, headers: Record<string, string> = {}) =>
  send(providers, url, JSON.stringify(body), 'application/json', headers);
const form = (providers: Providers, url: string, body: Record<string, string>) =>
  send(providers, url, new URLSearchParams(body).toString(), 'application/x-www-form-urlencoded');

const RIGHT = { username: 'ana', password: 'right' };
const WRONG = { username: 'ana', password: 'wrong' };
const claims = (token: unknown): Record<string, unknown> =>
  JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >;
const outcomes = (providers: Providers) => providers.log.entries.map(entry => entry.outcome);

describe('admintotal', () => {
  test('api-key: a nested key without an expiry, the same each time', async () => {
    const { clock, providers } = sandbox();
    const url = `${ADMINTOTAL}/usuarios/login_usuario/`;
    const first = await json(providers, url, RIGHT);
    expect(first).toMatchObject({ status: 200, json: { ok: true, usuario: { username: 'ana' } } });
    const key = (first.json.usuario as { api_key: string }).api_key;
    await clock.advance(400 * 86_400_000);
    expect((await form(providers, url, RIGHT)).json).toMatchObject({ usuario: { api_key: key } });
    expect(providers.isLive(key)).toBe(true);
    providers.admintotal.replaceKey('acme/ana');
    expect(providers.isLive(key)).toBe(false);
    const next = (await json(providers, url, RIGHT)).json.usuario as { api_key: string };
    expect(next.api_key).not.toBe(key);
  });

  test('api-key: a wrong password is a 200 that is not ok', async () => {
    const { providers } = sandbox();
    const answer = await json(providers, `${ADMINTOTAL}/usuarios/login_usuario/`, WRONG);
    expect(answer).toMatchObject({ status: 200, json: { ok: false } });
    expect(answer.json).not.toHaveProperty('usuario');
    expect(providers.admintotal.accounts.refusedAt('acme/ana')).toEqual([START]);
  });

  test('jwt: two JWTs, their lives only in exp', async () => {
    const { providers } = sandbox({ admintotal: { accessMs: 60_000, refreshMs: 3_600_000 } });
    const { json: body } = await json(providers, `${ADMINTOTAL}/token/`, RIGHT);
    expect(Object.keys(body).sort()).toEqual(['access', 'refresh']);
    expect(claims(body.access)).toMatchObject({ iat: START / 1000, exp: START / 1000 + 60 });
    expect(claims(body.refresh)).toMatchObject({ exp: START / 1000 + 3600 });
  });

  test.each([
    ['a wrong password', WRONG, 401],
    ['an unknown user', { username: 'bob', password: 'right' }, 401],
    ['a field left out', { username: 'ana' }, 400],
  ])('jwt: %s', async (_name, body, status) => {
    const { providers } = sandbox();
    expect((await json(providers, `${ADMINTOTAL}/token/`, body)).status).toBe(status);
  });

  test('jwt: another tenant has other accounts', async () => {
    const { providers } = sandbox();
    expect((await json(providers, 'https://other.admintotal.com/api/v2/token/', RIGHT)).status).toBe(401);
  });

  test('jwt: JSON alone, and the slash matters', async () => {
    const { providers } = sandbox();
    expect((await form(providers, `${ADMINTOTAL}/token/`, RIGHT)).status).toBe(415);
    expect((await send(providers, `${ADMINTOTAL}/token/`, '{', 'application/json')).status).toBe(400);
    const redirect = await json(providers, `${ADMINTOTAL}/token`, RIGHT);
    expect(redirect).toMatchObject({ status: 301, headers: { location: '/api/v2/token/' } });
    expect(outcomes(providers)).toEqual(['malformed', 'malformed', 'redirected']);
    expect(providers.admintotal.accounts.refused.size).toBe(0);
  });

  test('refresh: access alone, the refresh token stays', async () => {
    const { clock, providers } = sandbox();
    const { json: login } = await json(providers, `${ADMINTOTAL}/token/`, RIGHT);
    for (let turn = 0; turn < 3; turn++) {
      await clock.advance(200_000);
      const answer = await json(providers, `${ADMINTOTAL}/refresh/`, { refresh: login.refresh });
      expect(Object.keys(answer.json)).toEqual(['access']);
      expect(providers.isLive(String(answer.json.access))).toBe(true);
    }
    expect(providers.isLive(String(login.access))).toBe(false);
    expect(providers.log.count({ step: 'refresh', outcome: 'granted' })).toBe(3);
  });

  test('refresh: rotated, the old one is dead', async () => {
    const { providers } = sandbox({ admintotal: { rotate: true } });
    const { json: login } = await json(providers, `${ADMINTOTAL}/token/`, RIGHT);
    const first = await json(providers, `${ADMINTOTAL}/refresh/`, { refresh: login.refresh });
    expect(Object.keys(first.json).sort()).toEqual(['access', 'refresh']);
    expect(providers.admintotal.isLiveRefreshToken(String(first.json.refresh))).toBe(true);
    expect(providers.admintotal.isLiveRefreshToken(String(login.refresh))).toBe(false);
    const again = await json(providers, `${ADMINTOTAL}/refresh/`, { refresh: login.refresh });
    expect(again).toMatchObject({ status: 401, json: { code: 'token_not_valid' } });
  });

  test('refresh: expired, or an access token in its place', async () => {
    const { clock, providers } = sandbox({ admintotal: { refreshMs: 60_000 } });
    const { json: login } = await json(providers, `${ADMINTOTAL}/token/`, RIGHT);
    const refresh = (token: unknown) => json(providers, `${ADMINTOTAL}/refresh/`, { refresh: token });
    expect((await refresh(login.access)).status).toBe(401);
    expect((await refresh(login.refresh)).status).toBe(200);
    await clock.advance(60_000);
    expect((await refresh(login.refresh)).status).toBe(401);
    // a dead refresh token is no refused login
    expect(providers.admintotal.accounts.refused.size).toBe(0);
  });
});

describe('ventiapp', () => {
  const ENDPOINT = 'https://ventiapi.azurewebsites.net/login';
  const login = (password: string) => ({
    username: 'ana@example.com',
    password,
    grant_type: 'password',
  });

  test('a form gives an opaque token for a week', async () => {
    const { clock, providers } = sandbox();
    const { json: body } = await form(providers, ENDPOINT, login('right'));
    expect(body).toMatchObject({ token_type: 'bearer', expires_in: 604_799 });
    expect(String(body.access_token)).not.toContain('.');
    await clock.advance(604_798_000);
    expect(providers.isLive(String(body.access_token))).toBe(true);
    await clock.advance(1000);
    expect(providers.isLive(String(body.access_token))).toBe(false);
  });

  test('JSON is no form, a wrong password is invalid_grant, and plain http is nobody', async () => {
    const { providers } = sandbox();
    expect(await json(providers, ENDPOINT, login('right'))).toMatchObject({
      status: 400,
      json: { error: 'unsupported_grant_type' },
    });
    expect(await form(providers, ENDPOINT, login('wrong'))).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    });
    expect(providers.route('http://ventiapi.azurewebsites.net')).toBeUndefined();
  });
});

describe('sendfact', () => {
  const ENDPOINT = 'https://demo-api.sendfact.com/api/auth/token';

  test('two minutes, told as a text', async () => {
    const { providers } = sandbox();
    const { json: body } = await json(providers, ENDPOINT, RIGHT);
    expect(body).toMatchObject({ token_type: 'JWT', expires_in: '120' });
    expect(claims(body.access_token).exp).toBe(START / 1000 + 120);
    expect((await form(providers, ENDPOINT, RIGHT)).status).toBe(415);
    expect((await json(providers, ENDPOINT, WRONG)).status).toBe(401);
  });

  test('production never answers', async () => {
    const { providers } = sandbox();
    const answer = await json(providers, 'https://api.sendfact.com/api/auth/token', RIGHT);
    expect(answer.fault).toBe('hang');
  });
});

describe('firmeasy', () => {
  const url = (integration: string) => `${FIRMEASY}/${encodeURIComponent(integration)}/login`;
  const login = { email: 'ana@example.com', password: 'right' };

  test('the cache gives the same token until half its life, and overstates what is left', async () => {
    const { clock, providers } = sandbox();
    const ask = async () => (await json(providers, url('inte/gration'), login)).json;
    const first = await ask();
    expect(first).toMatchObject({ token_type: 'bearer', expires_in: 3600, served_from_cache: false });
    await clock.advance(1_799_000);
    expect(await ask()).toEqual({ ...first, served_from_cache: true });
    await clock.advance(1000);
    const next = await ask();
    expect(next.served_from_cache).toBe(false);
    expect(next.access).not.toBe(first.access);
    expect(outcomes(providers)).toEqual(['granted', 'cached', 'granted']);
  });

  test('a stubborn cache gives it until it is dead', async () => {
    const { clock, providers } = sandbox({ firmeasy: { cacheSeconds: Number.POSITIVE_INFINITY } });
    const ask = async () => (await json(providers, url('inte/gration'), login)).json;
    const { access } = await ask();
    await clock.advance(3_599_000);
    expect((await ask()).access).toBe(access);
    await clock.advance(1000);
    expect((await ask()).access).not.toBe(access);
  });

  test.each([
    ['another integration', url('other'), login],
    ['an integration that is not encoded', `${FIRMEASY}/inte/gration/login`, login],
    ['a wrong password', url('inte/gration'), { ...login, password: 'wrong' }],
  ])('refuses %s', async (_name, target, body) => {
    const { providers } = sandbox();
    const { status } = await json(providers, target, body);
    expect(status === 401 || status === 404).toBe(true);
  });

  test('wants JSON', async () => {
    const { providers } = sandbox();
    expect((await form(providers, url('inte/gration'), login)).status).toBe(415);
  });
});

describe('pgf', () => {
  const bearer = { authorization: 'Bearer auth-token' };
  const loginToken = 'https://api.pgf.cl/loginToken';

  test('login for a day; wrong is a 400', async () => {
    const { providers } = sandbox();
    const { json: body } = await json(providers, 'https://api.pgf.cl/login', RIGHT);
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 86_400 });
    expect(claims(body.access_token_jwt).exp).toBe(START / 1000 + 86_400);
    expect(await json(providers, 'https://api.pgf.cl/login', WRONG)).toMatchObject({
      status: 400,
      json: { error: 'Wrong email or password.' },
    });
    expect((await form(providers, 'https://api.pgf.cl/login', RIGHT)).status).toBe(400);
    // the other environment has accounts of its own
    expect((await json(providers, 'https://api-dev.pgf.cl/login', RIGHT)).status).toBe(400);
  });

  test('loginToken for a year, without a body', async () => {
    const { providers } = sandbox();
    const { json: body } = await send(providers, loginToken, '', '', bearer);
    expect(body.expires_in).toBe(31_536_000);
  });

  test('expDate ends every answer at the same moment, also a past one', async () => {
    const { clock, providers } = sandbox();
    const expDate = START / 1000 + 1000;
    const { json: first } = await json(providers, loginToken, { expDate }, bearer);
    await clock.advance(400_000);
    const { json: second } = await json(providers, loginToken, { expDate }, bearer);
    expect([first.expires_in, second.expires_in]).toEqual([1000, 600]);
    expect(claims(second.access_token_jwt).exp).toBe(expDate);
    await clock.advance(700_000);
    const { json: dead } = await json(providers, loginToken, { expDate }, bearer);
    expect(dead.expires_in).toBe(-100);
    expect(providers.isLive(String(dead.access_token_jwt))).toBe(false);
  });

  test.each([
    ['expDate as a text', { expDate: '1800000000' }, bearer, 400],
    ['no header', {}, {}, 400],
    ['a header without Bearer', {}, { authorization: 'auth-token' }, 400],
    ['an unknown auth token', {}, { authorization: 'Bearer other' }, 403],
  ])('loginToken refuses %s', async (_name, body, headers, status) => {
    const { providers } = sandbox();
    expect((await json(providers, loginToken, body, headers as Record<string, string>)).status).toBe(status);
  });
});

describe('what befalls any of them', () => {
  const ENDPOINT = 'https://demo-api.sendfact.com/api/auth/token';

  test('an account locks after so many bad tries, and then refuses the right password too', async () => {
    const { clock, providers } = sandbox({ sendfact: { lockAfter: 3 } });
    for (let turn = 0; turn < 3; turn++) {
      await json(providers, ENDPOINT, WRONG);
      await clock.advance(1000);
    }
    expect((await json(providers, ENDPOINT, RIGHT)).status).toBe(401);
    expect(outcomes(providers)).toEqual(['refused', 'refused', 'locked', 'locked']);
    expect(providers.sendfact.accounts.refusedAt('ana')).toEqual([
      START,
      START + 1000,
      START + 2000,
      START + 3000,
    ]);
    providers.sendfact.accounts.unlock('ana');
    expect((await json(providers, ENDPOINT, RIGHT)).status).toBe(200);
  });

  test('a changed password, and good tries between bad ones', async () => {
    const { providers } = sandbox({ sendfact: { lockAfter: 2 } });
    await json(providers, ENDPOINT, WRONG);
    await json(providers, ENDPOINT, RIGHT);
    await json(providers, ENDPOINT, WRONG);
    expect((await json(providers, ENDPOINT, RIGHT)).status).toBe(200);
    providers.sendfact.accounts.get('ana').password = 'new';
    expect((await json(providers, ENDPOINT, RIGHT)).status).toBe(401);
  });

  test.each(['refuse', 'hang', 'reset'] as const)('down: %s', async down => {
    const { providers } = sandbox();
    providers.sendfact.behaviour.down = down;
    expect((await json(providers, ENDPOINT, WRONG)).fault).toBe(down);
    // nothing was looked at
    expect(providers.sendfact.accounts.refused.size).toBe(0);
    expect(providers.log.entries).toEqual([
      { at: START, provider: 'sendfact', flow: 'token', step: 'login', account: '', outcome: 'down' },
    ]);
  });

  test('down for a while', async () => {
    const { clock, providers } = sandbox();
    providers.sendfact.behaviour.down = now => (now < START + 5000 ? 503 : undefined);
    expect((await json(providers, ENDPOINT, RIGHT)).status).toBe(503);
    await clock.advance(5000);
    expect((await json(providers, ENDPOINT, RIGHT)).status).toBe(200);
  });

  test('an answer that is lost was carried out', async () => {
    const { providers } = sandbox();
    providers.sendfact.behaviour.answerLost = () => true;
    expect((await json(providers, ENDPOINT, WRONG)).fault).toBe('reset');
    expect(providers.sendfact.accounts.refusedAt('ana')).toHaveLength(1);
  });

  test('throttled beyond so many in a window, with the seconds to wait', async () => {
    const { clock, providers } = sandbox();
    providers.sendfact.behaviour.throttle = { requests: 2, windowMs: 60_000 };
    await clock.advance(15_500);
    const statuses = [];
    for (let turn = 0; turn < 3; turn++) statuses.push(await json(providers, ENDPOINT, RIGHT));
    expect(statuses.map(answer => answer.status)).toEqual([200, 200, 429]);
    expect(statuses[2]?.headers?.['retry-after']).toBe('45');
    await clock.advance(45_000);
    expect((await json(providers, ENDPOINT, RIGHT)).status).toBe(200);
    expect(providers.log.count({ outcome: 'throttled' })).toBe(1);
  });

  test('latency and jitter are on the clock', async () => {
    const { clock, providers } = sandbox();
    Object.assign(providers.sendfact.behaviour, { latencyMs: 100, jitterMs: 50 });
    const took: number[] = [];
    for (let turn = 0; turn < 20; turn++) {
      const sent = clock.monotonic();
      const answered = json(providers, ENDPOINT, RIGHT).then(() => took.push(clock.monotonic() - sent));
      await clock.runUntilIdle();
      await answered;
    }
    expect(Math.min(...took)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...took)).toBeLessThan(150);
    expect(new Set(took).size).toBeGreaterThan(10);
  });

  test('its own clock shows in Date, iat and exp, and its tokens die by it', async () => {
    const { clock, providers } = sandbox();
    providers.sendfact.behaviour.clockSkewMs = 3 * 3_600_000;
    const { headers, json: body } = await json(providers, ENDPOINT, RIGHT);
    expect(headers?.date).toBe('Mon, 01 Jun 2026 03:00:00 GMT');
    expect(claims(body.access_token).iat).toBe(START / 1000 + 3 * 3600);
    await clock.advance(119_000);
    expect(providers.isLive(String(body.access_token))).toBe(true);
    await clock.advance(1000);
    expect(providers.isLive(String(body.access_token))).toBe(false);
  });

  test('all that was issued can be searched for, and repeats with the seed', async () => {
    const issue = async () => {
      const { providers } = sandbox({ admintotal: { rotate: true } });
      const { json: login } = await json(providers, `${ADMINTOTAL}/token/`, RIGHT);
      await json(providers, `${ADMINTOTAL}/refresh/`, { refresh: login.refresh });
      await json(providers, ENDPOINT, RIGHT);
      return [...providers.issued()];
    };
    const tokens = await issue();
    expect(tokens).toHaveLength(5);
    expect(new Set(tokens).size).toBe(5);
    expect(await issue()).toEqual(tokens);
  });

  test('the log names accounts and nothing secret', async () => {
    const { providers } = sandbox();
    await json(providers, ENDPOINT, { username: 'ana', password: 'canary-password' });
    await json(providers, `${FIRMEASY}/canary-integration/login`, {
      email: 'ana@example.com',
      password: 'canary',
    });
    await json(providers, 'https://api.pgf.cl/loginToken', {}, { authorization: 'Bearer canary' });
    const text = JSON.stringify([providers.log.entries, [...providers.pgf.accounts.refused]]);
    expect(text).not.toContain('canary');
    expect(providers.log.entries.map(entry => entry.account)).toEqual([
      'ana',
      'ana@example.com',
      'unknown auth token',
    ]);
  });

  test('behind one server they are told apart by host', async () => {
    const { providers } = sandbox();
    const ask = (host: string) =>
      providers.handler({
        method: 'POST',
        url: new URL(`https://${host}/api/auth/token`),
        headers: {},
        body: Buffer.alloc(0),
        signal: new AbortController().signal,
      });
    expect(await ask('demo-api.sendfact.com')).toMatchObject({ status: 415 });
    expect(await ask('elsewhere.example.com')).toMatchObject({ status: 421 });
    expect(providers.hosts).toContain('*.admintotal.com');
  });
});
