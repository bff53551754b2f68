import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyCharacter } from '../support/characters.ts';
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

const CLAVE = { name: 'clave', required: true, pattern: '[a-zA-Z0-9.@:/-]*' };
const at = (baseUrl: string, over: Record<string, unknown> = {}) =>
  spec({ parameters: [CLAVE], environments: [{ name: 'production', baseUrl }], ...over });

describe('a base URL', () => {
  it.each([
    ['https://api.example.com', 'https://api.example.com'],
    ['https://API.Example.com:443/v2', 'https://api.example.com'],
    ['https://api.example.com:8443', 'https://api.example.com:8443'],
    ['https://$(param.clave).example.com/api', 'https://acme.example.com'],
    ['https://eu-$(param.clave).example.com', 'https://eu-acme.example.com'],
    ['https://api.example.com/$(param.clave)', 'https://api.example.com'],
    ['https://10.1.2.3', 'https://10.1.2.3'],
    ['https://[::1]:8443', 'https://[::1]:8443'],
  ])('%s has the origin %s', (baseUrl, origin) => {
    expect(account(compiled(at(baseUrl)), { parameters: { clave: 'acme' } }).origin).toBe(origin);
  });

  it.each([
    ['http://api.example.com', /must be https/],
    ['ftp://api.example.com', /absolute URL/],
    ['api.example.com', /absolute URL/],
    ['$(param.clave)://example.com', /absolute URL/],
    ['https://user:pw@example.com', /user or a password/],
    ['https://$(param.clave)@example.com', /user or a password/],
    ['https://example.com?a=b', /query or a fragment/],
    ['https://example.com/a#b', /query or a fragment/],
    ['https://example.com/', /not end in a slash/],
    ['https://example.com/a/../b', /normal form/],
    ['https://example.com/ñ', /normal form/],
    ['https://exa mple.com', /without spaces/],
    ['https://exa\nmple.com', /without spaces/],
    ['https://example.com\\evil', /query or a fragment|not a URL/],
    ['https://example.com:$(param.clave)', /is not a URL/],
    ['https://$(param.clave)', /must not choose the host/],
    ['https://$(param.clave).com', /must not choose the host/],
    ['https://api.$(param.clave)', /must not choose the host/],
    ['https://example.$(param.clave).com', /must not choose the host/],
    ['https://$(input.username).example.com', /an input must not choose/],
    ['https://example.com/$(input.username)', /an input must not choose/],
    ['https://$(param.other).example.com', /is unknown here/],
    ['https://', /is not a URL/],
  ])('%j is refused', (baseUrl, message) => {
    expect(problemsOf(at(baseUrl))).toEqual([
      { field: 'spec.environments[production].baseUrl', message: like(message) },
    ]);
  });

  it.each([{ required: false }, { pattern: undefined }])('needs a parameter that is bounded: %o', over => {
    const { pattern, ...rest } = { ...CLAVE, ...over };
    const parameter = pattern === undefined ? rest : { ...rest, pattern };
    expect(problemsOf(at('https://$(param.clave).example.com', { parameters: [parameter] }))).toEqual([
      {
        field: 'spec.environments[production].baseUrl',
        message: like(/required and have a pattern/),
      },
    ]);
  });

  it('takes http only where the definition allows it', () => {
    const network = { allowHTTP: true };
    expect(
      account(compiled(at('http://127.0.0.1:80', { network })), { parameters: { clave: 'a' } }).origin,
    ).toBe('http://127.0.0.1');
  });

  it('takes one DNS label, and nothing that would choose another host', () => {
    const provider = compiled(at('https://$(param.clave).example.com'));
    const resolve = (clave: string) => engine.resolve(provider, { parameters: { clave } });
    expect(resolve('ACME')).toMatchObject({ ok: true, value: { origin: 'https://acme.example.com' } });
    for (const clave of [
      'evil.com/',
      'a.b',
      'a@evil',
      'evil.com:443',
      '-a',
      'a-',
      '',
      'a/b',
      'a'.repeat(64),
    ]) {
      expect(problem(resolve(clave))).toEqual({
        reason: 'ParameterInvalid',
        message: like(/^spec\.parameters\.clave .*one DNS label/),
      });
    }
  });

  it('keeps the registered domain whatever the parameter is', () => {
    const provider = compiled(
      at('https://x-$(param.clave).example.com/a', {
        parameters: [{ name: 'clave', required: true, pattern: '(?s).*' }],
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 30, unit: anyCharacter }), clave => {
        const result = engine.resolve(provider, { parameters: { clave } });
        if (!result.ok) return result.problem.reason === 'ParameterInvalid';
        const { hostname } = new URL(result.value.origin);
        return hostname.endsWith('.example.com') && hostname.split('.').length === 3;
      }),
    );
  });
});

describe('a path', () => {
  it.each(['/token/', '/token', '/a//b', '/', '/a%20b/', '/v1.0/x'])('%s stays as it is', path => {
    expect(login(example({ request: { path } })).url).toBe(`https://api.example.com${path}`);
  });

  it.each([
    ['/a?b=c', /use query/],
    ['/a#b', /fragment/],
    ['/a/../b', /normal form/],
    ['/a/.', /normal form/],
    ['/a/%2e%2e/b', /normal form/],
    ['/a b', /normal form/],
    ['/a\\b', /normal form/],
    ['/$(input.nobody)', /\$\(input.nobody\) is unknown here/],
    ['/$(session.refreshToken)', /known in refresh alone/],
  ])('%j is refused', (path, message) => {
    expect(problemsOf(spec({ flows: [flow({ request: { path } })] }))).toEqual([
      { field: 'spec.flows[f].login.request.path', message: like(message) },
    ]);
  });

  it('refuses an optional parameter', () => {
    const flows = [flow({ request: { path: '/$(param.p)/x' } })];
    expect(problemsOf(spec({ parameters: [{ name: 'p' }], flows }))[0]?.message).toMatch(/is optional/);
  });

  it('holds its values apart: origin, segments and the value itself survive', () => {
    const of = example({
      request: { path: '/a/$(input.username)/b/', query: { 'k y': 'x$(input.password)' } },
    });
    fc.assert(
      fc.property(
        fc.string({ unit: anyCharacter, maxLength: 20 }),
        fc.string({ maxLength: 20 }),
        (username, password) => {
          const result = engine.fillLogin(of, { username, password });
          if (!result.ok) return result.problem.reason.startsWith('Source');
          const url = new URL(result.value.url);
          const segments = url.pathname.split('/');
          return (
            url.href === result.value.url &&
            url.origin === 'https://api.example.com' &&
            segments.length === 5 &&
            decodeURIComponent(segments[2] ?? '') === username &&
            url.searchParams.get('k y') === `x${password}` &&
            [...url.searchParams].length === 1 &&
            url.hash === ''
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each(['.', '..', '../x', 'a/../b', 'a\\..', './x'])('refuses the value %j', username => {
    const result = engine.fillLogin(example({ request: { path: '/$(input.username)' } }), {
      ...LOGIN,
      username,
    });
    expect(problem(result)).toEqual({
      reason: 'SourceValueInvalid',
      message: like(/input username would change the path/),
    });
  });

  it.each(['.', '..', '../x', 'a\\..', './x'])('takes %j in a query, where it changes no path', username => {
    const { url } = login(example({ request: { query: { u: '$(input.username)' } } }), {
      ...LOGIN,
      username,
    });
    expect(url.startsWith('https://api.example.com/login?u=')).toBe(true);
    expect([...new URL(url).searchParams]).toEqual([['u', username]]);
  });

  it("encodes what encodeURIComponent leaves, so that the URL's parser changes nothing", () => {
    const of = example({ request: { path: '/$(input.username)' } });
    expect(login(of, { ...LOGIN, username: "a!'()*/?#[]@:;%2F é" }).url).toBe(
      'https://api.example.com/a%21%27%28%29%2A%2F%3F%23%5B%5D%40%3A%3B%252F%20%C3%A9',
    );
  });

  it('leaves out a query parameter that is one absent optional parameter', () => {
    const parameters = [{ name: 'tenant' }, { name: 'n', type: 'integer' }];
    const provider = compiled(
      spec({
        parameters,
        flows: [flow({ request: { query: { t: '$(param.tenant)', n: '$(param.n)', v: '1' } } })],
      }),
    );
    expect(login(account(provider)).url).toBe('https://api.example.com/login?v=1');
    expect(login(account(provider, { parameters: { tenant: 'a&b', n: '7' } })).url).toMatch(
      /\?t=a%26b&n=7&v=1$/,
    );
  });
});
