import { API_VERSION, CREDENTIAL_KIND, PROVIDER_KIND } from '../../src/api/names.ts';

/** Objects as a person would write them, before the API server fills in defaults. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Manifest = { [key: string]: Json };

const isMap = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Maps are merged, everything else is replaced; null removes. */
export function merge(base: Manifest, change: Manifest): Manifest {
  const out = { ...base };
  for (const [key, value] of Object.entries(change)) {
    const held = out[key];
    if (value === null) delete out[key];
    else out[key] = isMap(held) && isMap(value) ? merge(held, value) : value;
  }
  return out;
}

export const credential = (spec: Manifest = {}, name = 'acme'): Manifest => ({
  apiVersion: API_VERSION,
  kind: CREDENTIAL_KIND,
  metadata: { name, namespace: 'default' },
  spec: merge({ providerRef: { name: 'admintotal' }, source: { secretRef: { name: 'acme-login' } } }, spec),
});

export const flow = (change: Manifest = {}): Manifest =>
  merge(
    {
      name: 'jwt',
      inputs: ['username', 'password'],
      login: { request: { path: '/token/' }, response: { token: 'body.access' } },
    },
    change,
  );

export const provider = (spec: Manifest = {}, name = 'admintotal'): Manifest => ({
  apiVersion: API_VERSION,
  kind: PROVIDER_KIND,
  metadata: { name },
  spec: merge(
    { environments: [{ name: 'production', baseUrl: 'https://login.example' }], flows: [flow()] },
    spec,
  ),
});

/** Every field that a person may set. */
export const fullCredential: Manifest = credential({
  providerRef: { kind: PROVIDER_KIND, name: 'admintotal' },
  flow: 'jwt',
  environment: 'production',
  parameters: { clave: 'acme', expDate: '1893456000' },
  source: { secretRef: { name: 'acme-login' }, keys: { username: 'user', password: '.pass-word' } },
  target: {
    name: 'acme-token',
    type: 'example.org/token',
    deletionPolicy: 'Retain',
    labels: { team: 'billing', 'example.org/tier': '' },
    annotations: { 'example.org/note': 'mounted by the api' },
    data: { 'config.ini': 'token=$(token)\n', TOKEN: '$(token)' },
  },
  schedule: { before: '30%', maxAge: '24h' },
  suspend: true,
});

const request: Manifest = {
  method: 'PUT',
  path: '/v1/$(input.tenant)/login/',
  query: { 'api-version': '2' },
  headers: { 'X-Client': 'tokensync', Accept: 'application/json' },
  json: {
    username: '$(input.username)',
    nested: { list: [1, 'two', null, { deep: true }], nothing: null },
    expDate: '$(param.expDate)',
  },
  basicAuth: { username: '$(input.username)', password: '$(input.password)' },
};

export const fullProvider: Manifest = provider({
  documentation: 'https://login.example/docs',
  allowedNamespaces: { from: 'Selector', selector: { matchLabels: { tokens: 'allowed' } } },
  parameters: [
    {
      name: 'clave',
      type: 'string',
      required: true,
      pattern: '[a-z0-9]([a-z0-9-]*[a-z0-9])?',
      description: 'subdomain',
    },
    { name: 'expDate', type: 'integer', required: false },
  ],
  defaultEnvironment: 'production',
  environments: [
    { name: 'production', baseUrl: 'https://$(param.clave).login.example/api' },
    { name: 'legacy', baseUrl: 'https://old.login.example', unavailable: 'it no longer answers' },
  ],
  network: {
    allowCIDRs: ['10.2.0.0/16', '2001:db8::/32', '::ffff:10.0.0.0/104'],
    allowHTTP: true,
    caBundle: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  },
  limits: { concurrency: 2, requestsPerMinute: 300, timeout: '1m30s' },
  defaultFlow: 'jwt',
  flows: [
    flow({
      inputs: ['username', 'password', 'tenant'],
      login: {
        maxRejections: 2,
        request,
        response: {
          format: 'json',
          token: 'body.access',
          tokenType: 'body.token_type',
          refreshToken: 'body.refresh',
          expiresIn: 'int(body.expires_in)',
          lifetime: '1h',
          success: 'body.ok == true',
          rejected: 'status in [400, 401]',
          throttled: 'status == 420',
          retryAfter: 'int(headers["x-wait"])',
          outputs: { instance_url: 'body.instance_url' },
        },
      },
      refresh: {
        request: { path: '/refresh/', form: { refresh: '$(session.refreshToken)' } },
        response: { format: 'text', token: 'body', expiresAt: 'body.until' },
      },
      usage: { header: 'Api-key', value: '$(token)' },
    }),
    flow({ name: 'api-key' }),
  ],
});
