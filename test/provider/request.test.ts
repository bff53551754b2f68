import { describe, expect, it } from 'vitest';
import {
  account,
  compiled,
  engine,
  example,
  flow,
  LOGIN,
  like,
  login,
  problem,
  problemsOf,
  spec,
} from './engine-support.ts';

const PARAMETERS = [
  { name: 'must', required: true },
  { name: 'text' },
  { name: 'number', type: 'integer' },
  { name: 'flag', type: 'boolean' },
];
const json = (body: unknown, parameters: Record<string, string> = {}): unknown => {
  const provider = compiled(spec({ parameters: PARAMETERS, flows: [flow({ request: { json: body } })] }));
  return JSON.parse(login(account(provider, { parameters: { must: 'm', ...parameters } })).body ?? '');
};

describe('a JSON body', () => {
  it('is a tree that is walked: no value changes its shape', () => {
    const username = '","admin":true,"x":"$(input.password)';
    const of = example({
      request: { json: { u: '$(input.username)', list: ['a $(input.username)', 1, null, false] } },
    });
    expect(JSON.parse(login(of, { ...LOGIN, username }).body ?? '')).toEqual({
      u: username,
      list: [`a ${username}`, 1, null, false],
    });
  });

  it('gives a lone placeholder the type of its parameter', () => {
    expect(
      json(
        { n: '$(param.number)', b: '$(param.flag)', s: '$(param.text)', m: 'is $(param.must)' },
        {
          number: '1767225600',
          flag: 'false',
          text: '5',
        },
      ),
    ).toEqual({ n: 1767225600, b: false, s: '5', m: 'is m' });
  });

  it('leaves out a lone placeholder whose optional parameter is absent', () => {
    expect(json({ n: '$(param.number)', in: { b: '$(param.flag)' }, list: ['$(param.text)', 'x'] })).toEqual({
      in: {},
      list: ['x'],
    });
  });

  it('keeps keys literal', () => {
    const body: unknown = JSON.parse('{"$(input.username)": 1, "constructor": {"a": "$(input.username)"}}');
    const text = login(example({ request: { json: body } })).body;
    expect(text).toBe('{"$(input.username)":1,"constructor":{"a":"ana"}}');
  });

  it.each([
    [{ a: 'x $(param.text)' }, 'json.a', /may only stand alone/],
    [{ a: ['$(param.must)', '$(inputs.x)'] }, 'json.a[1]', /is unknown here/],
    [{ 'a.b': '$(token)' }, 'json[a.b]', /is unknown here/],
    [['a'], 'json', /must be an object/],
    ['text', 'json', /must be an object/],
  ])('%j is refused', (body, field, message) => {
    const problems = problemsOf(spec({ parameters: PARAMETERS, flows: [flow({ request: { json: body } })] }));
    expect(problems).toEqual([{ field: `spec.flows[f].login.request.${field}`, message: like(message) }]);
  });
});

describe('a form body', () => {
  it('is urlencoded, in order, without what is absent', () => {
    const parameters = [{ name: 'scope' }];
    const form = {
      grant_type: 'password',
      username: '$(input.username)',
      password: '$(input.password)',
      scope: '$(param.scope)',
    };
    const provider = compiled(spec({ parameters, flows: [flow({ request: { json: undefined, form } })] }));
    const request = login(account(provider), { username: 'a&b=c d', password: 'é%+' });
    expect(request.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(request.body).toBe('grant_type=password&username=a%26b%3Dc+d&password=%C3%A9%25%2B');
    expect([...new URLSearchParams(request.body)]).toEqual([
      ['grant_type', 'password'],
      ['username', 'a&b=c d'],
      ['password', 'é%+'],
    ]);
  });

  it('excludes JSON, and a GET has neither', () => {
    expect(problemsOf(spec({ flows: [flow({ request: { form: { a: 'b' } } })] }))[0]?.message).toMatch(
      /exclude/,
    );
    expect(problemsOf(spec({ flows: [flow({ request: { method: 'GET' } })] }))[0]?.message).toMatch(
      /no body/,
    );
  });
});

describe('headers', () => {
  it('say what is accepted and sent', () => {
    expect(login(example()).headers).toEqual({
      accept: 'application/json',
      'accept-encoding': 'identity',
      'content-type': 'application/json',
      'user-agent': like(/^tokensync\/\d+\.\d+\.\d+/),
    });
    const headers = login(example({ request: { headers: { Accept: 'application/vnd.api+json' } } })).headers;
    expect(headers.accept).toBe('application/vnd.api+json');
  });

  it('take values, and leave out an absent one', () => {
    const parameters = [{ name: 'tenant' }];
    const headers = { 'X-Key': 'key $(input.username)', 'X-Tenant': '$(param.tenant)' };
    const provider = compiled(spec({ parameters, flows: [flow({ request: { headers } })] }));
    const request = login(account(provider));
    expect(request.headers['x-key']).toBe('key ana');
    expect(request.headers).not.toHaveProperty('x-tenant');
  });

  it.each([
    [{ Host: 'evil' }, /set by the connection/],
    [{ 'content-LENGTH': '5' }, /set by the connection/],
    [{ 'Transfer-Encoding': 'chunked' }, /set by the connection/],
    [{ connection: 'close' }, /set by the connection/],
    [{ 'Accept-Encoding': 'gzip' }, /set by the connection/],
    [{ 'X Y': 'a' }, /not a header name/],
    [{ 'X-A': 'a\r\nX-B: c' }, /a header cannot carry/],
    [{ 'X-A': '→' }, /a header cannot carry/],
  ])('%j is refused', (headers, message) => {
    const problems = problemsOf(spec({ flows: [flow({ request: { headers } })] }));
    expect(problems).toEqual([{ field: like('login.request.headers'), message: like(message) }]);
  });

  it('are set once', () => {
    const twice = { 'X-A': 'a', 'x-a': 'b' };
    expect(problemsOf(spec({ flows: [flow({ request: { headers: twice } })] }))[0]?.message).toMatch(/twice/);
    const basicAuth = { username: 'a', password: 'b' };
    const headers = { authorization: 'x' };
    expect(problemsOf(spec({ flows: [flow({ request: { headers, basicAuth } })] }))[0]?.message).toMatch(
      /basicAuth/,
    );
  });

  it('refuse a value that they cannot carry, by the name of its input', () => {
    const of = example({ request: { headers: { 'X-Key': '$(input.password)' } } });
    const result = engine.fillLogin(of, { username: 'a', password: 'CANARY→' });
    expect(problem(result)).toEqual({
      reason: 'SourceValueInvalid',
      message: like(/input password has a character that a header cannot carry/),
    });
    expect(JSON.stringify(result)).not.toContain('CANARY');
  });

  it('hold basic authentication in UTF-8', () => {
    const basicAuth = { username: '$(input.username)', password: '$(input.password)' };
    const of = example({ request: { basicAuth } });
    expect(login(of, { username: 'añá', password: 'p:w' }).headers.authorization).toBe(
      `Basic ${Buffer.from('añá:p:w').toString('base64')}`,
    );
    expect(problem(engine.fillLogin(of, { username: 'a:b', password: 'c' })).message).toMatch(
      /username has a colon/,
    );
  });
});

describe('source values', () => {
  it.each([
    ['an empty one', '', /input password is empty/],
    ['echo', 'CANARY\n', /input password ends in a newline: create the Secret with printf or --from-literal/],
    ['a DOS editor', 'CANARY\r\n', /ends in a newline/],
    ['two lines', 'CANARY\nx', /newline or another control character/],
    ['NUL', 'CANARY\0', /control character/],
    ['C1', 'CANARY\u0085', /control character/],
    ['half a character', 'CANARY\ud800', /not valid Unicode/],
    ['a file', 'CANARY'.repeat(11_000), /longer than 65536/],
  ])('of %s are refused without being shown', (_, password, message) => {
    const result = engine.fillLogin(example(), { username: 'ana', password });
    expect(problem(result)).toEqual({
      reason: 'SourceValueInvalid',
      message: like(message),
    });
    expect(JSON.stringify(result)).not.toContain('CANARY');
  });

  it('must all be there; what an object inherits is not', () => {
    expect(problem(engine.fillLogin(example(), { username: 'ana' }))).toEqual({
      reason: 'SourceKeyMissing',
      message: like(/input password is missing/),
    });
    const of = example({
      inputs: ['constructor', 'toString'],
      request: { json: { a: '$(input.constructor)' } },
    });
    expect(problem(engine.fillLogin(of, {})).reason).toBe('SourceKeyMissing');
  });
});

describe('refresh', () => {
  const refresh = {
    request: { path: '/refresh', json: { r: '$(session.refreshToken)', id: '$(input.username)' } },
    response: { token: 'body.token' },
  };
  it('sends the held token', () => {
    const of = example({ response: { refreshToken: 'body.refresh' }, refresh });
    const result = engine.fillRefresh(of, LOGIN, 'r-1');
    expect(result).toMatchObject({ ok: true, value: { step: 'refresh', body: '{"r":"r-1","id":"ana"}' } });
    expect(of.flow.refreshable).toBe(true);
    expect(example().flow.refreshable).toBe(false);
  });

  it('blames no input for a refresh token that cannot be sent', () => {
    const request = { path: '/refresh', headers: { 'X-R': '$(session.refreshToken)' } };
    const of = example({ response: { refreshToken: 'body.refresh' }, refresh: { ...refresh, request } });
    expect(problem(engine.fillRefresh(of, LOGIN, '→')).reason).toBe('RefreshTokenRejected');
  });

  it('needs a token to refresh with, and must send it', () => {
    expect(problemsOf(spec({ flows: [flow({ refresh })] }))).toEqual([
      {
        field: 'spec.flows[f].login.response.refreshToken',
        message: like(/needed for refresh/),
      },
    ]);
    const unsent = { ...refresh, request: { path: '/refresh' } };
    expect(
      problemsOf(spec({ flows: [flow({ response: { refreshToken: 'body.r' }, refresh: unsent })] })),
    ).toEqual([{ field: 'spec.flows[f].refresh.request', message: like(/must send/) }]);
  });
});
