import { describe, expect, it } from 'vitest';
import { quickestMs } from '../support/processor-time.ts';
import {
  answer,
  DATE,
  example,
  failureOf,
  grantOf,
  jwt,
  like,
  NOW,
  read,
  seconds,
} from './engine-support.ts';

const CANARY = 'CANARY-9f3';

/** Every failure of this file goes through here: none may show what the answer held. */
function failure(...args: Parameters<typeof read>) {
  const result = read(...args);
  const found = failureOf(result);
  expect(JSON.stringify(found)).not.toContain('CANARY');
  return found;
}

describe('the order of judgement', () => {
  const full = example({
    response: {
      throttled: 'body.code == "slow"',
      rejected: 'body.code == "bad"',
      success: 'body.ok == true',
      token: 'body.token',
    },
  });
  const body = { token: CANARY, ok: true };
  it.each<[string, unknown, number, string, string, string]>([
    ['429', {}, 429, 'Throttled', 'Throttled', 'yes'],
    ['429, also when rejected', { code: 'bad' }, 429, 'Throttled', 'Throttled', 'yes'],
    ['throttled in a 200', { ...body, code: 'slow' }, 200, 'Throttled', 'Throttled', 'yes'],
    ['rejected in a 200', { ...body, code: 'bad' }, 200, 'Rejected', 'Rejected', 'yes'],
    ['rejected in a 500', { code: 'bad' }, 500, 'Rejected', 'Rejected', 'yes'],
    ['400', { detail: CANARY }, 400, 'Rejected', 'Rejected', 'yes'],
    ['401', {}, 401, 'Rejected', 'Rejected', 'yes'],
    ['404', '<html>', 404, 'Rejected', 'Rejected', 'yes'],
    ['408', {}, 408, 'Unavailable', 'OutcomeUnknown', 'maybe'],
    ['425', {}, 425, 'Unavailable', 'OutcomeUnknown', 'maybe'],
    ['500', { error: CANARY }, 500, 'Unavailable', 'OutcomeUnknown', 'maybe'],
    ['503', '<html>', 503, 'Unavailable', 'OutcomeUnknown', 'maybe'],
    ['302', {}, 302, 'Invalid', 'Redirected', 'yes'],
    ['304', {}, 304, 'Invalid', 'Redirected', 'yes'],
    ['100', {}, 100, 'Unusable', 'Unusable', 'yes'],
    ['999', {}, 999, 'Unusable', 'Unusable', 'yes'],
    ['ok: false in a 200', { ...body, ok: false }, 200, 'Rejected', 'Rejected', 'yes'],
    ['no ok in a 200', { token: CANARY }, 200, 'Rejected', 'Rejected', 'yes'],
    ['a 200 that is no JSON', `<html>${CANARY}`, 200, 'Unusable', 'Unusable', 'yes'],
    ['no token', { ok: true, other: CANARY }, 200, 'Unusable', 'Unusable', 'yes'],
  ])('%s', (_, from, status, kind, reason, sent) => {
    expect(failure(full, answer(from, status))).toMatchObject({ class: kind, reason, sent });
  });

  it('is read with any 2xx', () => {
    expect(grantOf(read(full, answer(body, 201))).token).toBe(CANARY);
  });

  it('takes only what is true for a rejection, and 401 where none is defined', () => {
    const of = example({ response: { rejected: 'body.bad' } });
    expect(grantOf(read(of, answer({ token: 't', bad: 'yes' }))).token).toBe('t');
    expect(grantOf(read(of, answer({ token: 't' }))).token).toBe('t');
    expect(failure(of, answer({ bad: true }))).toMatchObject({ class: 'Rejected' });
    expect(failure(example(), answer('', 401))).toMatchObject({ class: 'Rejected', reason: 'Rejected' });
  });

  it('finds a success that is no boolean unreadable: no rejection', () => {
    const of = example({ response: { success: 'body.ok' } });
    expect(failure(of, answer({ ok: 'yes', token: 't' }))).toMatchObject({
      class: 'Unusable',
      message: like('login.response.success cannot be read: body.ok is a string'),
    });
  });

  it('names the refresh token when it is refused', () => {
    const of = example({
      response: { refreshToken: 'body.r' },
      refresh: {
        request: { path: '/r', json: { r: '$(session.refreshToken)' } },
        response: { token: 'body.token' },
      },
    });
    expect(failure(of, answer({}, 401), 'refresh')).toMatchObject({
      class: 'Rejected',
      reason: 'RefreshTokenRejected',
    });
    expect(failure(of, answer({}, 503), 'refresh')).toMatchObject({ class: 'Unavailable' });
  });
});

describe('a redirect', () => {
  it.each([
    ['/login/', /another address of the same host/],
    ['https://api.example.com/CANARY', /another address of the same host/],
    ['https://CANARY.example.org/x', /to another host/],
    ['//CANARY.example.org', /to another host/],
    ['http://[', /without saying where/],
  ])('to %s is told without its target', (location, message) => {
    expect(failure(example(), answer('', 301, { location })).message).toMatch(message);
  });
});

describe('Retry-After', () => {
  const wait = (headers: Record<string, string>, response = {}, body = {}) =>
    failure(example({ response }), answer(body, 429, headers)).retryAfterMs;
  it.each<[string, Record<string, string>, number | undefined]>([
    ['seconds', { 'retry-after': '120' }, 120_000],
    ['zero', { 'retry-after': '0' }, 0],
    ['a date, by the clock of the answer', { 'retry-after': new Date(NOW + 90_000).toUTCString() }, 90_000],
    ['a date that has passed', { 'retry-after': new Date(NOW - 90_000).toUTCString() }, 0],
    [
      'a date of a clock that is hours off',
      {
        date: new Date(NOW + 7_200_000).toUTCString(),
        'retry-after': new Date(NOW + 7_260_000).toUTCString(),
      },
      60_000,
    ],
    ['nonsense', { 'retry-after': 'soon' }, undefined],
    ['a negative number', { 'retry-after': '-5' }, undefined],
    ['nothing', {}, undefined],
  ])('of %s', (_, headers, expected) => {
    expect(wait(headers)).toBe(expected);
  });

  it('may stand in the body', () => {
    expect(wait({ 'retry-after': '5' }, { retryAfter: 'body.wait' }, { wait: '30' })).toBe(30_000);
    expect(wait({ 'retry-after': '5' }, { retryAfter: 'body.wait' }, {})).toBe(5000);
    expect(wait({}, { retryAfter: 'body.wait' }, { wait: 1e300 })).toBeLessThan(400 * 86_400_000);
  });

  it('is passed on with a 503, and not with a rejection', () => {
    expect(failure(example(), answer('', 503, { 'retry-after': '7' })).retryAfterMs).toBe(7000);
    expect(failure(example(), answer('', 401, { 'retry-after': '7' }))).not.toHaveProperty('retryAfterMs');
  });
});

describe('an answer that cannot be read', () => {
  const field = 'spec.flows[f].login.response.token cannot be read';
  it.each<[string, unknown, Record<string, string>, string]>([
    ['HTML', `<!doctype html><p>${CANARY}`, {}, `${field}, since the body is HTML or XML, not JSON (`],
    ['empty', '', {}, `${field}, since the body is empty (0 bytes)`],
    ['blank', ' \n', {}, 'the body is empty'],
    ['truncated', `{"token": "${CANARY}", "x`, {}, 'the body is JSON that ends too early'],
    ['no JSON', `token=${CANARY}`, {}, 'the body is not JSON'],
    ['trailing text', `{"token": "${CANARY}"} ${CANARY} }`, {}, 'the body is not JSON'],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0]), { 'content-encoding': 'gzip' }, 'the body is compressed'],
    ['br, in JSON', { token: CANARY }, { 'content-encoding': 'br' }, 'the body is compressed'],
    ['100 MB', Buffer.alloc(256 * 1024 + 1, 0x20), {}, 'the body is larger than 256 KiB'],
    ['latin1', Buffer.from(`{"token":"${CANARY}é"}`, 'latin1'), {}, 'the body is not in UTF-8'],
    [
      'declared latin1',
      Buffer.from(`{"token":"é"}`),
      { 'content-type': 'application/json; charset=iso-8859-1' },
      'the body is not in UTF-8',
    ],
    [
      'UTF-16',
      Buffer.from(`{"token":"${CANARY}"}`, 'utf16le'),
      { 'content-type': 'application/json;charset="UTF-16"' },
      'the body is not in UTF-8',
    ],
    ['a huge nest', '['.repeat(100_000), {}, 'holds more than 10000 lists, objects and members'],
    [
      'a huge object',
      Object.fromEntries(Array.from({ length: 24_500 }, (_, i) => [`k${i}`, 1])),
      {},
      'holds more than 10000 lists, objects and members',
    ],
    ['a list', '[]', {}, `${field}: body is a list, not an object (a body of 2 bytes)`],
    ['null', 'null', {}, `${field}: body is null, not an object`],
    ['another key', { [CANARY]: 'x' }, {}, `${field}: body has no token`],
    ['a null token', { token: null }, {}, `${field}: body.token is null`],
    ['a number', { token: 12345 }, {}, `${field}: body.token is a number`],
    ['an object', { token: { [CANARY]: 1 } }, {}, `${field}: body.token is an object`],
    ['an empty token', { token: '' }, {}, `${field}: body.token is an empty string`],
    ['a token with a newline', { token: `${CANARY}\n` }, {}, 'response.token has a newline'],
    ['a token with a NUL', { token: `a\0${CANARY}` }, {}, 'response.token has a newline or another control'],
    ['a token with space around', { token: ` ${CANARY}` }, {}, 'response.token has space around it'],
    ['half a character', { token: `${CANARY}\ud800` }, {}, 'response.token is no valid text'],
    ['a token of 65 KiB', { token: 'x'.repeat(65_537) }, {}, 'body.token is longer than 65536 characters'],
  ])('%s', (_, body, headers, message) => {
    const found = failure(example(), answer(body, 200, headers));
    expect(found).toMatchObject({ class: 'Unusable', reason: 'Unusable', sent: 'yes' });
    expect(found.message).toContain(message);
    expect(found.message).toContain('HTTP 200');
  });

  it('says how far a path resolved, by names that the definition holds', () => {
    const of = example({ response: { token: 'body.usuario.api.key' } });
    const message = (body: unknown): string => failure(of, answer(body)).message;
    expect(message({ CANARY: 1 })).toContain('body has no usuario');
    expect(message({ usuario: { CANARY: 1 } })).toContain('body.usuario has no api');
    expect(message({ usuario: 'CANARY' })).toContain('body.usuario is a string, not an object');
    expect(message({ usuario: { api: null } })).toContain('body.usuario.api is null, not an object');
  });

  it('says of other expressions only that they do not resolve', () => {
    const of = example({ response: { token: 'body.list[0].token' } });
    expect(failure(of, answer({ list: [] })).message).toContain('a key that it reads is absent or null');
  });

  it.each<[string, unknown, Record<string, string>]>([
    ['a byte order mark', Buffer.from('\ufeff{"token":"t"}'), {}],
    ['ASCII under any name', '{"token":"t"}', { 'content-type': 'application/json; charset=windows-1252' }],
    ['identity', { token: 't' }, { 'content-encoding': 'identity' }],
    ['no content type', { token: 't' }, { 'content-type': '' }],
    ['HTML as its type alone', { token: 't' }, { 'content-type': 'text/html' }],
    ['duplicate keys: the last one', '{"token":"first","token":"t"}', {}],
    ['a key that is spelled like a prototype', '{"__proto__":{"token":"p"},"token":"t"}', {}],
  ])('but %s can', (_, body, headers) => {
    expect(grantOf(read(example(), answer(body, 200, headers))).token).toBe('t');
    expect(Object.hasOwn(Object.prototype, 'token')).toBe(false);
  });

  it('and a token inherited from a prototype is none', () => {
    expect(failure(example(), answer('{"__proto__":{"token":"CANARY"}}')).message).toContain(
      'body has no token',
    );
  });
});

describe('other formats', () => {
  it('reads a form', () => {
    const of = example({
      response: { format: 'form', token: 'body.access_token', expiresIn: 'body.expires' },
    });
    expect(grantOf(read(of, answer('access_token=a%2Bb+c&expires=60')))).toMatchObject({
      token: 'a+b c',
      lifetimeMs: 60_000,
    });
    expect(failure(of, answer('<html>')).message).toContain('not a form');
  });
  it('counts the fields of a form before it parses them', () => {
    const of = example({ response: { format: 'form', token: 'body.access_token' } });
    const huge = answer('a&'.repeat(128 * 1024));
    const took = quickestMs(3, () => expect(failure(of, huge).message).toContain('has more than 500 fields'));
    // some 300 ms when they are parsed
    expect(took).toBeLessThan(50);
  });
  it('reads text', () => {
    const of = example({ response: { format: 'text', token: 'body.trim()' } });
    expect(grantOf(read(of, answer('tok\n'))).token).toBe('tok');
    expect(failure(of, answer('')).message).toContain('is empty');
  });
  it('reads a header, also without a body', () => {
    const of = example({ response: { token: 'headers["x-token"]' } });
    expect(grantOf(read(of, answer('', 204, { 'x-token': 'tok' }))).token).toBe('tok');
  });
});

describe('what else an answer holds', () => {
  const of = example({
    response: {
      tokenType: 'body.type',
      refreshToken: 'body.refresh',
      outputs: { instance: 'body.url', shard: 'body.n' },
    },
  });
  it('is optional: absent and null are the same', () => {
    expect(grantOf(read(of, answer({ token: 't' })))).toEqual({ token: 't', outputs: {} });
    const nulls = { token: 't', type: null, refresh: null, url: null };
    expect(grantOf(read(of, answer(nulls)))).toEqual({ token: 't', outputs: {} });
    expect(grantOf(read(of, answer({ token: 't', refresh: '' })))).not.toHaveProperty('refreshToken');
  });
  it('is read', () => {
    const body = { token: 't', type: 'bearer', refresh: 'r', url: 'https://x', n: 12 };
    expect(grantOf(read(of, answer(body)))).toEqual({
      token: 't',
      tokenType: 'bearer',
      refreshToken: 'r',
      outputs: { instance: 'https://x', shard: '12' },
    });
  });
  it.each<[Record<string, unknown>, string]>([
    [{ type: { CANARY: 1 } }, 'response.tokenType cannot be read: body.type is an object'],
    [{ type: 'CANARY\n' }, 'response.tokenType is no plain word'],
    [{ refresh: 5 }, 'response.refreshToken cannot be read: body.refresh is a number'],
    [{ url: ['CANARY'] }, 'response.outputs.instance cannot be read: body.url is a list'],
  ])('is unusable as %j', (extra, message) => {
    expect(failure(of, answer({ token: 't', ...extra })).message).toContain(message);
  });

  it('keeps a refresh token although the rest is unusable: its predecessor may be dead', () => {
    for (const extra of [
      {},
      { token: null },
      { token: 't', url: [] },
      { token: jwt({ exp: seconds(NOW) - 5 }) },
    ]) {
      expect(read(of, answer({ ...extra, refresh: 'r-2' }))).toMatchObject({
        ok: false,
        failure: { class: 'Unusable' },
        refreshToken: 'r-2',
      });
    }
    expect(read(of, answer({ refresh: 'r-2' }, 401))).not.toHaveProperty('refreshToken');
  });

  it('is needed where usage needs it', () => {
    const needs = example({
      response: { tokenType: 'body.type', outputs: { key: 'body.key' } },
      usage: { header: 'X-Auth', value: '$(tokenType) $(token):$(output.key)' },
    });
    expect(failure(needs, answer({ token: 't', key: 'k' })).message).toContain('body has no type');
    expect(failure(needs, answer({ token: 't', type: 'T' })).message).toContain('body has no key');
  });

  it('cannot put a line into the header', () => {
    const needs = example({
      response: { outputs: { key: 'body.key', note: 'body.note' } },
      usage: { header: 'X-Auth', value: '$(token):$(output.key)' },
    });
    for (const key of ['CANARY\r\nX-Admin: 1', 'CANARY\n', 'a\0CANARY']) {
      expect(failure(needs, answer({ token: 't', key })).message).toContain(
        'response.outputs.key has a newline or another control character',
      );
    }
    // what no header is made of may have lines
    const note = 'line 1\nline 2';
    expect(grantOf(read(needs, answer({ token: 't', key: 'k', note }))).outputs).toEqual({ key: 'k', note });
  });

  it.each<[string, Record<string, string>, Record<string, unknown>, string]>([
    ['no expires_in', { expiresIn: 'body.e' }, {}, 'response.expiresIn: body has no e'],
    ['null', { expiresIn: 'body.e' }, { e: null }, 'response.expiresIn: body.e is null'],
    ['no expires_at', { expiresAt: 'body.e' }, {}, 'response.expiresAt: body has no e'],
    ['a path of another form', { expiresIn: 'int(body.e)' }, {}, 'response.expiresIn: a key that it reads'],
  ])('must tell when the token expires where the definition says where: %s', (_, response, body, message) => {
    const found = failure(example({ response }), answer({ token: 't', ...body }));
    expect(found).toMatchObject({ class: 'Unusable', reason: 'Unusable' });
    expect(found.message).toContain('does not say when the token expires: ');
    expect(found.message).toContain(message);
    expect(found.message).toContain(
      'set lifetime in the definition if the provider leaves it out on purpose',
    );
  });

  it('need not where its lifetime is assumed, the token tells, or the definition never says where', () => {
    const life = (response: Record<string, string>, token: string) =>
      grantOf(read(example({ response }), answer({ token }))).lifetimeMs;
    expect(life({ expiresIn: 'body.e', lifetime: '1m' }, 't')).toBe(60_000);
    expect(life({ expiresIn: 'body.e' }, jwt({ exp: seconds(NOW) + 60 }))).toBe(60_000);
    expect(life({}, 't')).toBeUndefined();
  });

  it('takes the time of the answer for now', () => {
    const timed = example({ response: { expiresIn: 'timestamp(body.until) - now' } });
    const date = new Date(NOW + 7_200_000);
    const body = { token: 't', until: new Date(date.getTime() + 60_000).toISOString() };
    expect(grantOf(read(timed, answer(body, 200, { date: date.toUTCString() }))).lifetimeMs).toBe(60_000);
    expect(DATE).toMatch(/GMT$/);
  });
});
