import { describe, expect, it } from 'vitest';
import { account, compiled, engine, flow, like, problem, spec } from './engine-support.ts';

const provider = compiled(
  spec({
    parameters: [
      { name: 'clave', required: true, pattern: '[a-z]+', description: 'the subdomain' },
      { name: 'text' },
      { name: 'number', type: 'integer', pattern: '[0-9-]+' },
      { name: 'flag', type: 'boolean' },
    ],
    defaultEnvironment: 'demo',
    environments: [
      { name: 'demo', baseUrl: 'https://$(param.clave).example.com/v1' },
      {
        name: 'production',
        baseUrl: 'https://api.example.com',
        unavailable: 'struck out in the documentation',
      },
    ],
    defaultFlow: 'b',
    flows: [flow({ name: 'a' }), flow({ name: 'b' })],
  }),
);
const resolve = (choice: { flow?: string; environment?: string; parameters?: Record<string, string> }) =>
  engine.resolve(provider, { parameters: { clave: 'acme' }, ...choice });

describe('a choice', () => {
  it('falls back to the defaults', () => {
    expect(account(provider, { parameters: { clave: 'acme' } })).toMatchObject({
      flow: { name: 'b' },
      environment: { name: 'demo' },
      origin: 'https://acme.example.com',
      baseUrl: 'https://acme.example.com/v1',
      parameters: { clave: 'acme' },
    });
    expect(account(compiled(spec()))).toMatchObject({
      flow: { name: 'f' },
      environment: { name: 'production' },
    });
  });

  it('types its parameters, and leaves out what is absent', () => {
    const parameters = { clave: 'a', text: 'x', number: '-12', flag: 'true' };
    expect(account(provider, { parameters }).parameters).toEqual({
      clave: 'a',
      text: 'x',
      number: -12,
      flag: true,
    });
    expect(Object.keys(account(provider, { parameters: { clave: 'a' } }).parameters)).toEqual(['clave']);
  });

  it.each<[Parameters<typeof resolve>[0], string, RegExp]>([
    [{ flow: 'c' }, 'FlowUnknown', /^spec\.flow: example has no flow c; it has a, b$/],
    [{ flow: 'constructor' }, 'FlowUnknown', /has no flow/],
    [{ environment: 'test' }, 'EnvironmentUnknown', /^spec\.environment: .*it has demo, production$/],
    [{ environment: '__proto__' }, 'EnvironmentUnknown', /has no environment/],
    [
      { environment: 'production' },
      'EnvironmentUnavailable',
      /nothing is sent: struck out in the documentation$/,
    ],
    [{ parameters: {} }, 'ParameterInvalid', /^spec\.parameters\.clave is required .*the subdomain/],
    [
      { parameters: { clave: 'a1' } },
      'ParameterInvalid',
      /^spec\.parameters\.clave must match the pattern \[a-z\]\+ as a whole/,
    ],
    [{ parameters: { clave: 'a\nb' } }, 'ParameterInvalid', /control character/],
    [{ parameters: { clave: 'a'.repeat(254) } }, 'ParameterInvalid', /longer than 253/],
    [
      { parameters: { clave: 'a', calve: 'b' } },
      'ParameterInvalid',
      /^spec\.parameters\.calve is unknown .*has clave, text/,
    ],
    [{ parameters: { clave: 'a', constructor: 'b' } }, 'ParameterInvalid', /constructor is unknown/],
    [{ parameters: { clave: 'a', number: '1-2' } }, 'ParameterInvalid', /whole number/],
    [{ parameters: { clave: 'a', number: '9007199254740993' } }, 'ParameterInvalid', /whole number/],
    [{ parameters: { clave: 'a', number: '007' } }, 'ParameterInvalid', /whole number/],
    [{ parameters: { clave: 'a', flag: 'yes' } }, 'ParameterInvalid', /"true" or "false"/],
  ])('%j is %s', (choice, reason, message) => {
    expect(problem(resolve(choice))).toEqual({ reason, message: like(message) });
  });
});
