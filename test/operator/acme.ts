import { onTestFinished } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { isObject } from '../../sandbox/apiserver/json.ts';
import { mergePatch } from '../../sandbox/apiserver/patch.ts';
import { secret } from '../../sandbox/fixtures.ts';
import type { WireRequest, WireResponse } from '../../sandbox/wire.ts';
import { createWorld, type Run, type World } from '../../sandbox/world.ts';
import { CredentialStatus } from '../../src/api/credential.ts';
import type { Condition } from '../../src/api/meta.ts';
import { type SeenSecret, seen } from './scene.ts';

/**
 * A provider of our own whose answers a test writes: one tenant for each case, an origin each, so that hundreds of cases
 * live side by side in one world and none has a part in another's luck.
 */

export type Answer = WireResponse | ((request: WireRequest) => WireResponse);

export const DAY_SECONDS = 86_400;

export const SPEC = {
  parameters: [
    { name: 'tenant', required: true, pattern: '[a-z0-9-]+', description: 'subdomain of the account' },
    { name: 'region', pattern: 'eu|us' },
  ],
  defaultEnvironment: 'production',
  environments: [
    { name: 'production', baseUrl: 'https://$(param.tenant).acme.test' },
    { name: 'old', baseUrl: 'https://$(param.tenant).acme.test/old', unavailable: 'switched off in 2024' },
  ],
  defaultFlow: 'password',
  flows: [
    flow('password', { token: 'body.access', expiresIn: 'body.expires_in' }),
    flow('jwt', { token: 'body.access' }),
    flow('until', { token: 'body.access', expiresAt: 'body.until' }),
    {
      name: 'path',
      inputs: ['username', 'password', 'integration'],
      login: { request: { path: '/login/$(input.integration)/end' }, response: { token: 'body.access' } },
    },
  ],
};

function flow(name: string, response: Readonly<Record<string, string>>) {
  const json = { username: '$(input.username)', password: '$(input.password)' };
  return { name, inputs: ['username', 'password'], login: { request: { path: '/login', json }, response } };
}

export class Acme {
  readonly world: World;
  readonly run: Run;
  readonly #answers = new Map<string, Answer>();
  readonly #asked = new Map<string, number>();
  #tokens = 0;

  constructor(options: { readonly operatorSkewMs?: number } = {}) {
    this.world = createWorld({
      ...options,
      extraOrigins: { 'https://*.acme.test': request => this.#answer(request) },
    });
    this.provider('acme', {});
    this.run = this.world.start();
  }

  advance(ms: number): Promise<void> {
    return this.world.clock.advance(ms);
  }

  get now(): number {
    return this.world.clock.wall();
  }

  // ---- the provider

  provider(name: string, patch: JsonObject): void {
    this.world.api.put({
      apiVersion: 'tokensync.dev/v1alpha1',
      kind: 'ClusterTokenProvider',
      metadata: { name },
      spec: patched(SPEC, patch),
    });
  }

  /** How a tenant is answered from now on; by default as it should be. */
  answer(tenant: string, answer: Answer | undefined): void {
    if (answer === undefined) this.#answers.delete(tenant);
    else this.#answers.set(tenant, answer);
  }

  /** Requests that a tenant got so far. */
  asked(tenant: string): number {
    return this.#asked.get(tenant) ?? 0;
  }

  /** A good answer, with a token never given before. */
  good(more: JsonObject = {}): WireResponse {
    this.#tokens += 1;
    const access = `c4n4ry-token-${this.#tokens}`;
    return this.json({ access, expires_in: DAY_SECONDS, until: this.now / 1000 + DAY_SECONDS, ...more });
  }

  json(body: unknown, headers: Readonly<Record<string, string>> = {}): WireResponse {
    return this.text(JSON.stringify(body), { 'content-type': 'application/json', ...headers });
  }

  text(body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): WireResponse {
    return { status: 200, headers: { date: new Date(this.now).toUTCString(), ...headers }, body };
  }

  #answer(request: WireRequest): WireResponse {
    const tenant = request.url.hostname.split('.')[0] ?? '';
    this.#asked.set(tenant, this.asked(tenant) + 1);
    const answer = this.#answers.get(tenant) ?? (() => this.good());
    return typeof answer === 'function' ? answer(request) : answer;
  }

  // ---- what teams apply

  source(tenant: string, values: Readonly<Record<string, string>> = LOGIN): void {
    this.world.api.put(secret('default', `${tenant}-login`, values));
  }

  /** @param spec merged into what is right; null removes. */
  credential(tenant: string, spec: JsonObject = {}): void {
    this.world.api.put({
      apiVersion: 'tokensync.dev/v1alpha1',
      kind: 'ProviderCredential',
      metadata: { name: tenant, namespace: 'default' },
      spec: patched(
        {
          providerRef: { name: 'acme' },
          parameters: { tenant },
          source: { secretRef: { name: `${tenant}-login` } },
          target: { name: `${tenant}-token` },
        },
        spec,
      ),
    });
  }

  // ---- what they see

  status(tenant: string): CredentialStatus {
    return CredentialStatus.parse(this.world.api.get('providercredentials', tenant, 'default')?.status ?? {});
  }

  condition(tenant: string, type: string): Condition | undefined {
    return this.status(tenant).conditions?.find(condition => condition.type === type);
  }

  secret(tenant: string): SeenSecret | undefined {
    return seen(this.world.api.get('secrets', `${tenant}-token`, 'default'));
  }

  /** Reads and writes at the API server that name this tenant's objects. */
  calls(tenant: string): number {
    const path = new RegExp(`/${tenant}(-token|-login|\\.session)?(/status)?$`);
    return this.world.api.requests.count(({ path: of }) => path.test(of));
  }
}

export const LOGIN = { username: 'user', password: 'password-c4n4ry-/+ %ü' };

/** For one test; its operator ends with it. */
export function acme(options: { readonly operatorSkewMs?: number } = {}): Acme {
  const made = new Acme(options);
  onTestFinished(() => made.run.crash());
  return made;
}

/** A JWT that no one could verify. */
export function jwt(claims: JsonObject): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ ...claims, canary: 'c4n4ry' })}.c2lnbmF0dXJl`;
}

function patched(base: JsonObject, patch: JsonObject): JsonObject {
  const result = mergePatch(base, patch);
  if (!isObject(result)) throw new Error('no object is left');
  return result;
}
