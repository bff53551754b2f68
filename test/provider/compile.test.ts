import { readdirSync, readFileSync } from 'node:fs';
import selfsigned from 'selfsigned';
import { describe, expect, it } from 'vitest';
import { account, compiled, type Draft, engine, flow, like, problemsOf, spec } from './engine-support.ts';

const one = (over: Draft, field: string, message: RegExp): [Draft, string, RegExp] => [over, field, message];

describe('a definition that cannot work', () => {
  it.each([
    one(
      { flows: [flow({ request: { json: { u: '$(input.user)' } } })] },
      'spec.flows[f].login.request.json.u',
      /\$\(input.user\) is unknown here: \$\(input.username\), \$\(input.password\)/,
    ),
    one(
      { flows: [flow({ request: { json: { u: '$(input.username | base64)' } } })] },
      'spec.flows[f].login.request.json.u',
      /target\.data alone/,
    ),
    one(
      { flows: [flow({ request: { json: { u: '$(session.refreshToken)' } } })] },
      'spec.flows[f].login.request.json.u',
      /known in refresh alone/,
    ),
    one(
      { flows: [flow({ response: { token: 'body.' } })] },
      'spec.flows[f].login.response.token',
      /no valid CEL/,
    ),
    one(
      { flows: [flow({ response: { outputs: { url: 'bdy' } } })] },
      'spec.flows[f].login.response.outputs.url',
      /no valid CEL/,
    ),
    one(
      { flows: [flow({ response: { outputs: { token: 'body.t' } } })] },
      'spec.flows[f].login.response.outputs.token',
      /has anyway/,
    ),
    one(
      { flows: [flow({ response: { outputs: { expires_at: 'body.t' } } })] },
      'spec.flows[f].login.response.outputs.expires_at',
      /has anyway/,
    ),
    one(
      { flows: [flow({ response: { outputs: { 'a b': 'body.t' } } })] },
      'spec.flows[f].login.response.outputs[a b]',
      /letters, digits/,
    ),
    one(
      { flows: [flow({ response: { lifetime: '1s' } })] },
      'spec.flows[f].login.response.lifetime',
      /from 5s/,
    ),
    one(
      { flows: [flow({ response: { expiresIn: 'body.e', expiresAt: 'body.a' } })] },
      'spec.flows[f].login.response',
      /exclude/,
    ),
    one(
      { flows: [flow({ usage: { value: '$(tokenType) $(token)' } })] },
      'spec.flows[f].usage.value',
      /\$\(tokenType\) is not read .*login\.response/,
    ),
    one(
      { flows: [flow({ usage: { value: '$(input.password)' } })] },
      'spec.flows[f].usage.value',
      /is unknown here/,
    ),
    one(
      { flows: [flow({ inputs: ['username', 'password', 'username'] })] },
      'spec.flows[f].inputs',
      /username is there twice/,
    ),
    one({ flows: [flow(), flow()], defaultFlow: 'f' }, 'spec.flows[f]', /used twice/),
    one({ flows: [flow(), flow({ name: 'g' })] }, 'spec.defaultFlow', /is needed .*: f, g/),
    one({ defaultFlow: 'g' }, 'spec.defaultFlow', /names none of spec\.flows: f/),
    one(
      {
        environments: [
          { name: 'a', baseUrl: 'https://a.example.com' },
          { name: 'b', baseUrl: 'https://b.example.com' },
        ],
      },
      'spec.defaultEnvironment',
      /is needed .*: a, b/,
    ),
    one(
      { defaultEnvironment: 'x' },
      'spec.defaultEnvironment',
      /names none of spec\.environments: production/,
    ),
    one(
      { environments: [{ name: 'a', baseUrl: 'http://a.example.com' }] },
      'spec.environments[a].baseUrl',
      /must be https/,
    ),
    one({ parameters: [{ name: 'p', pattern: '(?=x)' }] }, 'spec.parameters[p].pattern', /RE2/),
    one({ parameters: [{ name: 'p', pattern: '(a)\\1' }] }, 'spec.parameters[p].pattern', /RE2/),
    one(
      { parameters: [{ name: 'p', pattern: '(((a{1,30}){1,30}))' }] },
      'spec.parameters[p].pattern',
      /too large/,
    ),
    one({ parameters: [{ name: 'p' }, { name: 'p' }] }, 'spec.parameters[p]', /used twice/),
    one({ network: { allowCIDRs: ['10.0.0.0/8', '10.0.0.0/33'] } }, 'spec.network.allowCIDRs[1]', /no range/),
    one({ network: { caBundle: 'not a certificate' } }, 'spec.network.caBundle', /PEM/),
    one({ limits: { timeout: '50ms' } }, 'spec.limits.timeout', /100ms to 5m/),
    one({ limits: { timeout: '6m' } }, 'spec.limits.timeout', /100ms to 5m/),
  ])('%j: %s', (over, field, message) => {
    expect(problemsOf(spec(over))).toEqual([{ field, message: like(message) }]);
  });

  it.each<[string, (index: number) => string, RegExp]>([
    ['patterns', i => `string(body.a.matches("a${i}") || body.b.matches("b${i}"))`, /more than 32 patterns/],
    ['text', i => `body.a["${'x'.repeat(900)}${i}"]`, /more than 16384 characters of expressions/],
  ])('is told so at once when it has too much %s to compile', (_, source, message) => {
    const outputs = (at: number) =>
      Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`o${i}`, source(at + i)]));
    const flows = [
      flow({ name: 'f', response: { outputs: outputs(0) } }),
      flow({ name: 'g', response: { outputs: outputs(10) } }),
    ];
    expect(problemsOf(spec({ flows, defaultFlow: 'f' }))).toEqual([
      { field: 'spec.flows', message: like(message) },
    ]);
    expect(problemsOf(spec({ flows: [flows[0]] }))).toEqual([]);
  });

  it('is told of all its mistakes at once', () => {
    const fields = problemsOf(
      spec({
        environments: [{ name: 'a', baseUrl: 'http://a.example.com' }],
        limits: { timeout: '1h' },
        flows: [
          flow({
            request: { path: '/a?b', headers: { Host: 'x' } },
            response: { token: '1 +', success: '"x"' },
          }),
        ],
      }),
    ).map(({ field }) => field);
    expect(fields).toEqual([
      'spec.environments[a].baseUrl',
      'spec.flows[f].login.request.headers.Host',
      'spec.flows[f].login.request.path',
      'spec.flows[f].login.response.token',
      'spec.flows[f].login.response.success',
      'spec.limits.timeout',
    ]);
  });
});

describe('a definition that can', () => {
  it('is compiled with its limits', async () => {
    const { cert } = await selfsigned.generate([{ name: 'commonName', value: 'test' }]);
    const provider = compiled(
      spec({
        network: { caBundle: cert, allowCIDRs: ['10.0.0.0/8'] },
        limits: { concurrency: 2, timeout: '5m', requestsPerMinute: 9 },
      }),
      'acme',
    );
    expect(provider).toMatchObject({
      name: 'acme',
      limits: { concurrency: 2, timeoutMs: 300_000, requestsPerMinute: 9 },
    });
    expect(compiled(spec()).limits).toEqual({ concurrency: 4, timeoutMs: 10_000 });
    expect(provider.flows.get('f')).toMatchObject({
      inputs: ['username', 'password'],
      outputs: [],
      maxRejections: 3,
    });
  });

  it('is the only kind that the engine works with', () => {
    const of = account(compiled(spec()));
    expect(() => engine.fillLogin({ ...of, flow: { ...of.flow } }, { username: 'a', password: 'b' })).toThrow(
      /not compiled/,
    );
    expect(() => engine.fillRefresh(of, { username: 'a', password: 'b' }, 'r')).toThrow(/no refresh step/);
  });
});

describe('fingerprints', () => {
  const of = (over: Draft = {}) => compiled(spec(over));
  const login = (over: Draft = {}) => of(over).flows.get('f')?.loginFingerprint;
  const described = { parameters: [{ name: 'p', description: 'a' }] };

  it('change with what is sent and how it is read', () => {
    const all = [
      of(),
      of({ flows: [flow({ request: { path: '/other' } })] }),
      of({ flows: [flow({ response: { token: 'body.other' } })] }),
      of({ environments: [{ name: 'production', baseUrl: 'https://other.example.com' }] }),
      of({ network: { allowCIDRs: ['10.0.0.0/8'] } }),
      of(described),
    ].map(({ fingerprint }) => fingerprint);
    expect(new Set(all).size).toBe(all.length);
    expect(login({ flows: [flow({ request: { path: '/other' } })] })).not.toBe(login());
    expect(login({ flows: [flow({ response: { token: 'body.other' } })] })).not.toBe(login());
  });

  it('stay with words, limits and the order of keys', () => {
    const same = of().fingerprint;
    expect(of({ documentation: 'elsewhere' }).fingerprint).toBe(same);
    expect(of({ limits: { concurrency: 9 } }).fingerprint).toBe(same);
    const json = { p: '$(input.password)', u: '$(input.username)' };
    expect(of({ flows: [flow({ request: { json } })] }).fingerprint).toBe(same);
    expect(of({ parameters: [{ name: 'p', description: 'b' }] }).fingerprint).toBe(of(described).fingerprint);
    expect(login({ flows: [flow({ usage: { header: 'X-Key' } })] })).toBe(login());
  });
});

it('knows no provider by name', () => {
  const src = new URL('../../src/', import.meta.url);
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(20);
  for (const file of files) {
    expect(readFileSync(new URL(file, src), 'utf8')).not.toMatch(
      /admintotal|ventiapp|sendfact|firmeasy|pgf/i,
    );
  }
});
