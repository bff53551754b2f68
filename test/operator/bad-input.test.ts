import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { secret } from '../../sandbox/fixtures.ts';
import { Acme, acme, LOGIN } from './acme.ts';

/**
 * What people may get wrong, each twice: before there was a token, and while one lives. Each time the condition names
 * the field or the key, nothing is sent, the token stays, everything is quiet, and it works as soon as it is mended.
 */

const HOUR = 3_600_000;

interface Mistake {
  readonly what: string;
  /** What the condition says, in this order. */
  readonly reason: string;
  readonly says: readonly string[];
  /** In place of the right source; undefined: none is there. */
  readonly source?: ((tenant: string) => JsonObject) | 'none';
  /** What is wrong in the spec. */
  readonly spec?: (tenant: string) => JsonObject;
  /** Another provider to choose, and to break. */
  readonly provider?: { readonly right: JsonObject; readonly wrong: JsonObject | 'none' };
  /** What the right spec has besides. */
  readonly base?: JsonObject;
  readonly values?: Readonly<Record<string, string>>;
  /** The held token was for something else than the spec now says, so that Ready is False meanwhile. */
  readonly changesAccount?: boolean;
}

const typed =
  (type: string, data: Readonly<Record<string, string>> = LOGIN, metadata: JsonObject = {}) =>
  (tenant: string): JsonObject => ({
    ...secret('default', `${tenant}-login`, data),
    type,
    metadata: { name: `${tenant}-login`, namespace: 'default', ...metadata },
  });
const values = (more: Readonly<Record<string, string>>) => typed('Opaque', { ...LOGIN, ...more });
const without = (key: keyof typeof LOGIN) => {
  const { [key]: _gone, ...rest } = LOGIN;
  return typed('Opaque', rest);
};
const notText = (tenant: string): JsonObject => ({
  ...secret('default', `${tenant}-login`, { username: 'user' }),
  data: { password: Buffer.from([0x63, 0x34, 0x6e, 0x34, 0xff, 0xfe]).toString('base64') },
});

const MISTAKES: readonly Mistake[] = [
  {
    what: 'the source Secret is missing',
    source: 'none',
    reason: 'SourceMissing',
    says: ['spec.source.secretRef.name', 'TENANT-login'],
  },
  {
    what: 'a key is missing',
    source: without('password'),
    reason: 'SourceKeyMissing',
    says: ['TENANT-login', 'has no key password', 'spec.source.keys'],
  },
  {
    what: 'a key is empty',
    source: values({ password: '' }),
    reason: 'SourceKeyMissing',
    says: ['TENANT-login', 'has an empty key password'],
  },
  {
    what: 'a value ends in a newline',
    source: values({ password: 'c4n4ry-password\n' }),
    reason: 'SourceValueInvalid',
    says: ['password', 'ends in a newline', 'printf'],
  },
  {
    what: 'a value has a newline within',
    source: values({ username: 'c4n4ry\nx: y' }),
    reason: 'SourceValueInvalid',
    says: ['username', 'newline'],
  },
  {
    what: 'a value is no text',
    source: notText,
    reason: 'SourceValueInvalid',
    says: ['TENANT-login', 'password', 'UTF-8'],
  },
  {
    what: 'a value would change the path',
    base: { flow: 'path' },
    values: { ...LOGIN, integration: 'c4n4ry-integration' },
    source: values({ integration: '..' }),
    reason: 'SourceValueInvalid',
    says: ['integration', '".."'],
  },
  {
    what: 'spec.source.keys names a key that is not there',
    spec: () => ({ source: { keys: { username: 'user-name' } } }),
    reason: 'SourceKeyMissing',
    says: ['no key user-name', 'username'],
    changesAccount: true,
  },
  {
    what: 'the source is a service account token',
    source: typed('kubernetes.io/service-account-token', LOGIN, {
      annotations: { 'kubernetes.io/service-account.name': 'default' },
    }),
    reason: 'SourceForbidden',
    says: ['spec.source.secretRef.name', 'TENANT-login', 'kubernetes.io/service-account-token'],
  },
  {
    what: 'the source is a bootstrap token',
    source: typed('bootstrap.kubernetes.io/token'),
    reason: 'SourceForbidden',
    says: ['TENANT-login', 'bootstrap.kubernetes.io/token'],
  },
  {
    what: 'the source is a Helm release',
    source: typed('helm.sh/release.v1'),
    reason: 'SourceForbidden',
    says: ['TENANT-login', 'helm.sh/release.v1'],
  },
  {
    what: 'the source is a session',
    source: typed('tokensync.dev/session'),
    reason: 'SourceForbidden',
    says: ['TENANT-login', 'tokensync.dev/session'],
  },
  {
    what: 'the source is a Secret that we manage',
    source: typed('Opaque', LOGIN, { labels: { 'tokensync.dev/managed': 'true' } }),
    reason: 'SourceForbidden',
    says: ['TENANT-login', 'managed by tokensync'],
  },
  {
    what: 'the source is a Secret that another credential writes',
    source: typed('Opaque', LOGIN, { annotations: { 'tokensync.dev/credential': 'default/other' } }),
    reason: 'SourceForbidden',
    says: ['TENANT-login', 'managed by tokensync'],
  },
  {
    what: 'the provider is unknown',
    spec: () => ({ providerRef: { name: 'acne' } }),
    reason: 'ProviderNotFound',
    says: ['spec.providerRef.name', 'acne'],
    changesAccount: true,
  },
  {
    what: 'the flow is unknown',
    spec: () => ({ flow: 'pasword' }),
    reason: 'FlowUnknown',
    says: ['spec.flow', 'pasword', 'password, jwt, until, path'],
    changesAccount: true,
  },
  {
    what: 'the environment is unknown',
    spec: () => ({ environment: 'prod' }),
    reason: 'EnvironmentUnknown',
    says: ['spec.environment', 'prod', 'production, old'],
    changesAccount: true,
  },
  {
    what: 'the environment is not available',
    spec: () => ({ environment: 'old' }),
    reason: 'EnvironmentUnavailable',
    says: ['spec.environment', 'old', 'switched off in 2024'],
    changesAccount: true,
  },
  {
    what: 'a parameter is unknown',
    spec: () => ({ parameters: { tenat: 'x' } }),
    reason: 'ParameterInvalid',
    says: ['spec.parameters.tenat', 'unknown', 'tenant, region'],
    changesAccount: true,
  },
  {
    what: 'a parameter is missing',
    spec: () => ({ parameters: { tenant: null } }),
    reason: 'ParameterInvalid',
    says: ['spec.parameters.tenant', 'required', 'subdomain of the account'],
    changesAccount: true,
  },
  {
    what: 'a parameter breaks its pattern',
    spec: () => ({ parameters: { region: 'asia' } }),
    reason: 'ParameterInvalid',
    says: ['spec.parameters.region', 'eu|us'],
    changesAccount: true,
  },
  {
    what: 'a parameter would choose the host',
    spec: tenant => ({ parameters: { tenant: `evil.example/${tenant}` } }),
    reason: 'ParameterInvalid',
    says: ['spec.parameters.tenant', '[a-z0-9-]+'],
    changesAccount: true,
  },
  {
    what: 'a parameter would choose the host, and its pattern lets it',
    provider: {
      right: { parameters: [{ name: 'tenant', required: true, pattern: '.+' }, { name: 'region' }] },
      wrong: {},
    },
    spec: tenant => ({ parameters: { tenant: `${tenant}.evil.example` } }),
    reason: 'ParameterInvalid',
    says: ['spec.parameters.tenant', 'one DNS label'],
    changesAccount: true,
  },
  {
    what: 'a template names what does not exist',
    spec: () => ({ target: { data: { 'config.ini': 'token=$(tokn)' } } }),
    reason: 'TemplateInvalid',
    says: ['spec.target.data', 'config.ini', 'tokn'],
    changesAccount: true,
  },
  {
    what: 'a template names an input',
    spec: () => ({ target: { data: { 'config.ini': '$(input.password)' } } }),
    reason: 'TemplateInvalid',
    says: ['spec.target.data', 'config.ini', 'input.password'],
    changesAccount: true,
  },
  {
    what: 'the definition cannot compile',
    provider: {
      right: {},
      wrong: {
        flows: [
          {
            name: 'password',
            inputs: ['username', 'password'],
            login: { request: { path: '/$(input.pasword)' }, response: { token: 'body.access' } },
          },
        ],
        defaultFlow: null,
      },
    },
    reason: 'ProviderNotAccepted',
    says: ['spec.providerRef.name', 'Accepted'],
  },
  {
    what: 'the provider does not allow the namespace',
    provider: {
      right: {},
      wrong: { allowedNamespaces: { from: 'Selector', selector: { matchLabels: { team: 'shop' } } } },
    },
    reason: 'NamespaceNotAllowed',
    says: ['spec.providerRef.name', 'default', 'spec.allowedNamespaces'],
  },
  {
    what: 'the provider was deleted',
    provider: { right: {}, wrong: 'none' },
    reason: 'ProviderNotFound',
    says: ['spec.providerRef.name'],
  },
];

interface Seen {
  readonly token: string;
  readonly ready: string;
  readonly said: string;
  readonly stalled: boolean;
  readonly message: string;
  readonly asked: number;
  readonly calls: number;
}

/** The same mistake by two teams: one that starts with it, one that makes it while its token lives. */
class Case {
  readonly mistake: Mistake;
  readonly fresh: string;
  readonly held: string;
  readonly #acme: Acme;

  constructor(acme: Acme, mistake: Mistake, index: number) {
    this.#acme = acme;
    this.mistake = mistake;
    this.fresh = `fresh-${index}`;
    this.held = `held-${index}`;
  }

  get #provider(): string {
    return `provider-of-${this.fresh}`;
  }

  right(tenant: string): void {
    const { provider, base = {}, values } = this.mistake;
    if (provider !== undefined) this.#acme.provider(this.#provider, provider.right);
    this.#acme.source(tenant, values);
    this.#acme.credential(tenant, { ...this.#ref(), ...base });
  }

  wrong(tenant: string): void {
    const { provider, base = {}, source, spec } = this.mistake;
    const { api } = this.#acme.world;
    if (provider?.wrong === 'none') {
      if (api.get('clustertokenproviders', this.#provider) !== undefined)
        api.delete('clustertokenproviders', this.#provider);
    } else if (provider !== undefined)
      this.#acme.provider(this.#provider, { ...provider.right, ...provider.wrong });
    // A Secret's type is fixed: whoever changes it makes it anew.
    if (source !== undefined && api.get('secrets', `${tenant}-login`, 'default') !== undefined) {
      api.delete('secrets', `${tenant}-login`, 'default');
    }
    if (typeof source === 'function') api.put(source(tenant));
    else if (source === undefined) this.#acme.source(tenant, this.mistake.values);
    this.#acme.credential(tenant, { ...this.#ref(), ...base, ...spec?.(tenant) });
  }

  mended(tenant: string): void {
    const { api } = this.#acme.world;
    if (typeof this.mistake.source === 'function') api.delete('secrets', `${tenant}-login`, 'default');
    this.right(tenant);
  }

  #ref(): JsonObject {
    return this.mistake.provider === undefined ? {} : { providerRef: { name: this.#provider } };
  }

  look(tenant: string): Seen {
    const ready = this.#acme.condition(tenant, 'Ready');
    const refreshed = this.#acme.condition(tenant, 'Refreshed');
    return {
      token: this.#acme.secret(tenant)?.data.token ?? '',
      ready: `${ready?.status} ${ready?.reason}`,
      said: `${refreshed?.status} ${refreshed?.reason}`,
      stalled: this.#acme.condition(tenant, 'Stalled') !== undefined,
      message: refreshed?.message ?? '',
      asked: this.#acme.asked(tenant),
      calls: this.#acme.calls(tenant),
    };
  }
}

describe('when', () => {
  let world: Acme;
  let cases: readonly Case[];
  const seen: Map<string, Seen>[] = [];
  const look = (): void => {
    seen.push(
      new Map(cases.flatMap(each => [each.fresh, each.held].map(tenant => [tenant, each.look(tenant)]))),
    );
  };

  beforeAll(async () => {
    world = new Acme();
    cases = MISTAKES.map((mistake, index) => new Case(world, mistake, index));
    for (const each of cases) each.right(each.held);
    await world.advance(60_000);
    look();
    for (const each of cases) {
      each.wrong(each.held);
      each.wrong(each.fresh);
    }
    await world.advance(120_000);
    look();
    world.world.api.requests.clear();
    await world.advance(3 * HOUR);
    look();
    for (const each of cases) {
      each.mended(each.held);
      each.mended(each.fresh);
    }
    await world.advance(120_000);
    look();
  });
  afterAll(() => world?.run.crash());

  const at = (moment: number, tenant: string): Seen => {
    const found = seen[moment]?.get(tenant);
    if (found === undefined) throw new Error(`nothing seen of ${tenant}`);
    return found;
  };
  const [BEFORE, WRONG, LATER, MENDED] = [0, 1, 2, 3];
  const rows = MISTAKES.map((mistake, index) => ({ ...mistake, index }));

  describe('there is no token yet, and', () => {
    test.each(rows)('$what', ({ index, reason, says }) => {
      const tenant = `fresh-${index}`;
      const wrong = at(WRONG, tenant);
      expect(wrong).toMatchObject({ ready: `False ${reason}`, said: `False ${reason}`, token: '', asked: 0 });
      expect(wrong.stalled, 'it may heal by itself').toBe(false);
      for (const part of says) expect(wrong.message).toContain(part.replace('TENANT', tenant));
      expect(at(LATER, tenant)).toEqual({ ...wrong, calls: 0 });
      expect(at(MENDED, tenant)).toMatchObject({
        ready: 'True TokenLive',
        said: 'True TokenPublished',
        asked: 1,
      });
    });
  });

  describe('a token lives, and', () => {
    test.each(rows)('$what', ({ index, reason, says, changesAccount = false }) => {
      const tenant = `held-${index}`;
      const before = at(BEFORE, tenant);
      const wrong = at(WRONG, tenant);
      expect(before).toMatchObject({ ready: 'True TokenLive', asked: 1 });
      expect(wrong).toMatchObject({ said: `False ${reason}`, token: before.token, asked: 1, stalled: false });
      expect(wrong.ready).toMatch(changesAccount ? /^False / : /^True TokenLive$/);
      for (const part of says) expect(wrong.message).toContain(part.replace('TENANT', tenant));
      expect(at(LATER, tenant)).toEqual({ ...wrong, calls: 0 });
      expect(at(MENDED, tenant), 'the token is good again, without a login').toMatchObject({
        ready: 'True TokenLive',
        token: before.token,
        asked: 1,
      });
    });
  });
});

describe('a definition that cannot compile is refused with the field that is wrong, and used again when it is mended:', () => {
  const login = (request: JsonObject, response: JsonObject = { token: 'body.access' }): JsonObject => ({
    flows: [
      {
        name: 'login',
        inputs: ['username', 'password'],
        login: { request: { path: '/login', ...request }, response },
      },
    ],
    defaultFlow: null,
  });
  const rows: [what: string, patch: JsonObject, field: string][] = [
    [
      'a placeholder that does not exist',
      login({ path: '/$(input.pasword)' }),
      'spec.flows[login].login.request.path',
    ],
    [
      'a placeholder in a body that does not exist',
      login({ json: { a: { b: ['$(param.nope)'] } } }),
      'spec.flows[login].login.request.json',
    ],
    ['CEL that is none', login({}, { token: 'body.(' }), 'spec.flows[login].login.response.token'],
    [
      'CEL over what does not exist',
      login({}, { token: 'answer.token' }),
      'spec.flows[login].login.response.token',
    ],
    [
      'CEL that could run for ever',
      login({}, { token: 'body.a.exists(x, body.a.exists(y, x == y)) ? "" : ""' }),
      'spec.flows[login].login.response.token',
    ],
    [
      'a pattern that RE2 does not take',
      { parameters: [{ name: 'tenant', required: true, pattern: '(?=a)b' }] },
      'spec.parameters[tenant].pattern',
    ],
    [
      'a pattern that is huge',
      { parameters: [{ name: 'tenant', required: true, pattern: '((a{1,100}){1,100}){1,100}' }] },
      'spec.parameters[tenant].pattern',
    ],
    [
      'a parameter in the host that may be absent',
      { parameters: [{ name: 'tenant', pattern: '[a-z]+' }] },
      'spec.environments[production].baseUrl',
    ],
    [
      'a parameter in the host without a pattern',
      { parameters: [{ name: 'tenant', required: true }] },
      'spec.environments[production].baseUrl',
    ],
    [
      'an input in the host',
      { environments: [{ name: 'production', baseUrl: 'https://$(input.username).acme.test' }] },
      'spec.environments[production].baseUrl',
    ],
    [
      'plain http',
      { environments: [{ name: 'production', baseUrl: 'http://acme.test' }] },
      'spec.environments[production].baseUrl',
    ],
    [
      'no URL at all',
      { environments: [{ name: 'production', baseUrl: 'acme.test' }] },
      'spec.environments[production].baseUrl',
    ],
  ];

  test.each(rows)('%s', async (_what, patch, field) => {
    const world = acme();
    const region = { name: 'region' };
    const parameters = Array.isArray(patch.parameters) ? { parameters: [...patch.parameters, region] } : {};
    world.provider('broken', { ...patch, ...parameters });
    world.source('team');
    world.credential('team', { providerRef: { name: 'broken' } });
    await world.advance(60_000);
    const accepted = JSON.stringify(world.world.api.get('clustertokenproviders', 'broken')?.status);
    expect(accepted).toContain('"reason":"DefinitionInvalid"');
    expect(accepted).toContain(field);
    expect(world.condition('team', 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ProviderNotAccepted',
    });
    world.world.api.requests.clear();
    await world.advance(HOUR);
    expect(world.asked('team')).toBe(0);
    expect(
      world.world.api.requests.count(({ verb }) => verb !== 'watch'),
      'it is quiet',
    ).toBe(0);
    world.provider('broken', {});
    await world.advance(5000);
    expect(world.condition('team', 'Ready')).toMatchObject({ status: 'True' });
  });
});

test('no credential is served in the namespace of the operator', async () => {
  const world = acme();
  world.world.api.put(secret('tokensync', 'login', LOGIN));
  world.world.api.put({
    apiVersion: 'tokensync.dev/v1alpha1',
    kind: 'ProviderCredential',
    metadata: { name: 'inside', namespace: 'tokensync' },
    spec: {
      providerRef: { name: 'acme' },
      parameters: { tenant: 'inside' },
      source: { secretRef: { name: 'login' } },
    },
  });
  await world.advance(60_000);
  const status = JSON.stringify(world.world.api.get('providercredentials', 'inside', 'tokensync')?.status);
  expect(status).toContain('"reason":"NamespaceNotAllowed"');
  expect(world.asked('inside')).toBe(0);
});
