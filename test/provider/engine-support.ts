import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { parse } from 'yaml';
import { ClusterTokenProvider, ProviderSpec } from '../../src/api/provider.ts';
import type { FieldProblem } from '../../src/errors.ts';
import { createEngine } from '../../src/provider/engine.ts';
import type {
  Account,
  CompiledProvider,
  ProviderAnswer,
  ProviderRequest,
  Read,
  Result,
} from '../../src/provider/types.ts';

export const engine = createEngine();

/** A definition with one flow, to be changed where a test looks. */
export interface Draft {
  [field: string]: unknown;
}

export function spec(over: Draft = {}): ProviderSpec {
  return ProviderSpec.parse({
    environments: [{ name: 'production', baseUrl: 'https://api.example.com' }],
    flows: [flow()],
    ...over,
  });
}

export function flow(over: { request?: Draft; response?: Draft } & Draft = {}): Draft {
  const { request, response, ...rest } = over;
  return {
    name: 'f',
    inputs: ['username', 'password'],
    login: {
      request: { path: '/login', json: { u: '$(input.username)', p: '$(input.password)' }, ...request },
      response: { token: 'body.token', ...response },
    },
    ...rest,
  };
}

export function compiled(definition: ProviderSpec, name = 'example'): CompiledProvider {
  const result = engine.compile(name, definition);
  if (!result.ok) throw new Error(result.problems.map(p => `${p.field}: ${p.message}`).join('\n'));
  return result.provider;
}

export function problemsOf(definition: ProviderSpec): readonly FieldProblem[] {
  const result = engine.compile('example', definition);
  return result.ok ? [] : result.problems;
}

export function definition(name: string): CompiledProvider {
  const file = new URL(`../../deploy/providers/${name}.yaml`, import.meta.url);
  const parsed = ClusterTokenProvider.parse(parse(readFileSync(file, 'utf8')));
  return compiled(parsed.spec, parsed.metadata.name);
}

export function value<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(`${result.problem.reason}: ${result.problem.message}`);
}

export function problem<T>(result: Result<T>): { reason: string; message: string } {
  if (result.ok) throw new Error('expected a problem');
  return result.problem;
}

export function account(
  provider: CompiledProvider,
  choice: { flow?: string; environment?: string; parameters?: Record<string, string> } = {},
): Account {
  return value(engine.resolve(provider, { parameters: {}, ...choice }));
}

/** An account of a definition with one flow. */
export function example(over: Parameters<typeof flow>[0] = {}, rest: Draft = {}): Account {
  return account(compiled(spec({ flows: [flow(over)], ...rest })));
}

export const LOGIN = { username: 'ana', password: 'pw-CANARY-1' };

export function login(of: Account, inputs: Record<string, string> = LOGIN): ProviderRequest {
  return value(engine.fillLogin(of, inputs));
}

/** 2026-01-15T10:00:00Z */
export const NOW = Date.UTC(2026, 0, 15, 10);
export const DATE = new Date(NOW).toUTCString();

export function answer(body: unknown, status = 200, headers: Record<string, string> = {}): ProviderAnswer {
  const bytes =
    body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { status, headers: { 'content-type': 'application/json', date: DATE, ...headers }, body: bytes };
}

export function read(of: Account, from: ProviderAnswer, step: 'login' | 'refresh' = 'login'): Read {
  return engine.read(of, step, from, NOW);
}

export function grantOf(result: Read) {
  if (result.ok) return result.grant;
  throw new Error(`${result.failure.reason}: ${result.failure.message}`);
}

export function failureOf(result: Read) {
  if (!result.ok) return result.failure;
  throw new Error('expected a failure');
}

/** A token of the right shape; nobody here verifies a signature. */
export function jwt(claims: Record<string, unknown>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJl`;
}

export const seconds = (ms: number): number => Math.floor(ms / 1000);

/** A text that matches, or contains, in what is compared whole. */
export function like(pattern: RegExp | string): unknown {
  return typeof pattern === 'string' ? expect.stringContaining(pattern) : expect.stringMatching(pattern);
}
