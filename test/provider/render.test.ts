import { describe, expect, it } from 'vitest';
import { account, compiled, engine, example, flow, like, problem, spec, value } from './engine-support.ts';

const EXPIRES = '2026-01-15T11:00:00Z';
const plain = example();
const grant = (over: Record<string, unknown> = {}) => ({ token: 'tok', outputs: {}, ...over });

describe('the default keys', () => {
  it('are what callers need', () => {
    expect(value(engine.render(plain, grant({ tokenType: 'JWT' }), EXPIRES, undefined))).toEqual({
      token: 'tok',
      token_type: 'JWT',
      header_name: 'Authorization',
      header_value: 'Bearer tok',
      expires_at: EXPIRES,
    });
  });
  it('leave out what is not known, and derive the type from usage', () => {
    expect(value(engine.render(plain, grant(), undefined, undefined))).toEqual({
      token: 'tok',
      token_type: 'Bearer',
      header_name: 'Authorization',
      header_value: 'Bearer tok',
    });
    const key = example({ usage: { header: 'Api-key', value: '$(token)' } });
    expect(value(engine.render(key, grant(), undefined, undefined))).toEqual({
      token: 'tok',
      header_name: 'Api-key',
      header_value: 'tok',
    });
  });
  it('hold the outputs', () => {
    const of = example({ response: { outputs: { instance_url: 'body.url', none: 'body.none' } } });
    expect(of.flow.outputs).toEqual(['instance_url', 'none']);
    const data = value(
      engine.render(of, grant({ outputs: { instance_url: 'https://x', stray: 'y' } }), undefined, undefined),
    );
    expect(Object.keys(data)).toEqual(['token', 'token_type', 'header_name', 'header_value', 'instance_url']);
  });
});

describe('templates for pods', () => {
  const of = account(
    compiled(
      spec({
        parameters: [{ name: 'tenant' }, { name: 'n', type: 'integer' }],
        flows: [flow({ response: { outputs: { url: 'body.url' }, tokenType: 'body.type' } })],
      }),
    ),
    { parameters: { tenant: 'acme & co' } },
  );
  const render = (data: Record<string, string>, over = {}, expiresAt: string | undefined = EXPIRES) =>
    engine.render(
      of,
      grant({ tokenType: 'bearer', outputs: { url: 'https://x' }, ...over }),
      expiresAt,
      data,
    );

  it('take the place of the default keys', () => {
    const data = {
      'config.ini': 'token=$(token)\nuntil=$(expiresAt)\ntenant=$(param.tenant)\n',
      'auth.json': '{"auth": $(headerValue | json), "in": "$(headerName)"}',
      b64: '$(token | base64)',
      url: '$(output.url)/?t=$(param.tenant | urlencode)&x=$$(token)',
      type: '$(tokenType)',
    };
    expect(value(render(data))).toEqual({
      'config.ini': `token=tok\nuntil=${EXPIRES}\ntenant=acme & co\n`,
      'auth.json': '{"auth": "Bearer tok", "in": "Authorization"}',
      b64: 'dG9r',
      url: 'https://x/?t=acme%20%26%20co&x=$(token)',
      type: 'bearer',
    });
    expect(engine.checkTemplates(of, data)).toBeUndefined();
    expect(engine.checkTemplates(of, undefined)).toBeUndefined();
  });

  it('do without what is not known', () => {
    const bare = engine.render(of, grant({ outputs: { url: 'u' } }), undefined, {
      alone: '$(expiresAt)',
      mixed: 'until=$(expiresAt);n=$(param.n)',
      number: '$(param.n)',
    });
    expect(value(bare)).toEqual({ mixed: 'until=;n=' });
  });

  it('tell of an output that did not come', () => {
    expect(problem(render({ 'a.b': 'x$(output.url)' }, { outputs: {} }))).toEqual({
      reason: 'TemplateInvalid',
      message: 'spec.target.data[a.b]: the answer gave no output.url',
    });
  });

  it('keep keys that are spelled like a prototype', () => {
    const data = Object.fromEntries([
      ['__proto__', '$(token)'],
      ['constructor', 'x'],
    ]);
    const rendered = value(render(data));
    expect(Object.entries(rendered)).toEqual([
      ['__proto__', 'tok'],
      ['constructor', 'x'],
    ]);
  });

  it.each([
    ['$(tokn)', /^spec\.target\.data\[config\.ini\]: \$\(tokn\) is unknown here: \$\(token\)/],
    ['$(input.password)', /never given to pods/],
    ['$(session.refreshToken)', /never given to pods/],
    ['$(refreshToken)', /is unknown here/],
    ['$(output.other)', /is unknown here/],
    ['$(param.other)', /is unknown here/],
    ['$(output.constructor)', /is unknown here/],
    ['$(token | sha256)', /filter "sha256"/],
    ['$(token', /not closed/],
  ])('%s is refused, before anything is sent as well', (text, message) => {
    const expected = { reason: 'TemplateInvalid', message: like(message) };
    expect(engine.checkTemplates(of, { ok: '$(token)', 'config.ini': text })).toEqual(expected);
    expect(problem(render({ 'config.ini': text }))).toEqual(expected);
  });

  it('know no type where there is none to know', () => {
    const key = example({ usage: { header: 'Api-key', value: '$(token)' } });
    expect(engine.checkTemplates(key, { a: '$(tokenType)' })?.message).toMatch(/is unknown here/);
  });
});
