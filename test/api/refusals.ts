import { credential, flow, type Json, type Manifest, merge, provider } from './objects.ts';

/** What `kubectl apply` must refuse. Also meant to be run against a real API server. */
export interface Refusal {
  readonly of: string;
  readonly object: Manifest;
  /** What the object was before, where the change is what is wrong. */
  readonly old?: Manifest;
  /** The field as the API server names it; `<nil>` for the object as a whole. */
  readonly field: string;
  /** Our message. Absent where a plain limit refuses, in the API server's words. */
  readonly says?: string;
}

const target = (change: Manifest, more: Manifest = {}): Manifest => credential({ target: change, ...more });
const request = (change: Manifest): Manifest => provider({ flows: [flow({ login: { request: change } })] });
const at = 'spec.flows[0].login';

const reserved = [
  'kubernetes.io/a',
  'app.kubernetes.io/name',
  'k8s.io/x',
  'node.k8s.io/x',
  'tokensync.dev/managed',
];
const typesRefused = [
  'kubernetes.io/service-account-token',
  'bootstrap.kubernetes.io/token',
  'helm.sh/release.v1',
  'tokensync.dev/session',
];
const ownType = 'use Opaque or a type of your own';
const isInput = 'the login is an input and is never overwritten';
const fixedType = 'target.type cannot change while target.name stays';

export const credentialRefusals: readonly Refusal[] = [
  { of: 'no spec', object: merge(credential(), { spec: null }), field: 'spec' },
  { of: 'no provider', object: credential({ providerRef: null }), field: 'spec.providerRef' },
  { of: 'no source', object: credential({ source: null }), field: 'spec.source' },
  {
    of: 'a kind of provider that does not exist',
    object: credential({ providerRef: { kind: 'TokenProvider' } }),
    field: 'spec.providerRef.kind',
  },
  {
    of: 'a provider name that no object can have',
    object: credential({ providerRef: { name: 'Admin_Total' } }),
    field: 'spec.providerRef.name',
  },
  { of: 'a flow in capitals', object: credential({ flow: 'JWT' }), field: 'spec.flow' },
  {
    of: 'an environment with a slash',
    object: credential({ environment: 'a/b' }),
    field: 'spec.environment',
  },
  {
    of: 'a parameter that is a number',
    object: credential({ parameters: { expDate: 5 } }),
    field: 'spec.parameters.expDate',
  },
  {
    of: 'a parameter with a dash',
    object: credential({ parameters: { 'a-b': 'x' } }),
    field: 'spec.parameters',
    says: 'names of parameters consist of letters',
  },
  {
    of: 'a parameter of 64 characters',
    object: credential({ parameters: { ['a'.repeat(64)]: 'x' } }),
    field: 'spec.parameters',
    says: 'at most 63 characters',
  },
  {
    of: 'a parameter with a line break after it',
    object: credential({ parameters: { 'clave\n': 'x' } }),
    field: 'spec.parameters',
    says: 'names of parameters',
  },
  {
    of: 'a parameter like __proto__',
    object: credential({ parameters: { __x: 'x' } }),
    field: 'spec.parameters',
    says: 'names of parameters',
  },
  {
    of: 'too long a value',
    object: credential({ parameters: { clave: 'x'.repeat(254) } }),
    field: 'spec.parameters.clave',
  },
  {
    of: 'a source key that no Secret can have',
    object: credential({ source: { keys: { username: 'a b' } } }),
    field: 'spec.source.keys.username',
  },
  {
    of: 'an input that no flow can have',
    object: credential({ source: { keys: { 'user-name': 'a' } } }),
    field: 'spec.source.keys',
    says: 'names of inputs',
  },
  ...typesRefused.map(
    (type): Refusal => ({
      of: `type ${type}`,
      object: target({ type }),
      field: 'spec.target.type',
      says: ownType,
    }),
  ),
  { of: 'an empty type', object: target({ type: '' }), field: 'spec.target.type' },
  {
    of: 'a pull secret without its key',
    object: target({ type: 'kubernetes.io/dockerconfigjson', data: { other: 'x' } }),
    field: 'spec.target.data',
    says: 'needs the key .dockerconfigjson in data',
  },
  {
    of: 'a pull secret with the default keys',
    object: target({ type: 'kubernetes.io/dockerconfigjson' }),
    field: 'spec.target.data',
    says: 'needs the key .dockerconfigjson in data',
  },
  { of: 'a name with an underscore', object: target({ name: 'a_b' }), field: 'spec.target.name' },
  {
    of: 'the source as target',
    object: target({ name: 'acme-login' }),
    field: 'spec.target.name',
    says: isInput,
  },
  {
    of: 'the source as target by default',
    object: credential({}, 'acme-login'),
    field: 'spec.target.name',
    says: isInput,
  },
  {
    of: "a session's name",
    object: target({ name: 'other.session' }),
    field: 'spec.target.name',
    says: 'cannot end in .session',
  },
  {
    of: "a session's name by default",
    object: credential({}, 'other.session'),
    field: 'spec.target.name',
    says: 'cannot end in .session',
  },
  {
    of: 'an unknown deletion policy',
    object: target({ deletionPolicy: 'Keep' }),
    field: 'spec.target.deletionPolicy',
  },
  ...reserved.flatMap((key): Refusal[] => [
    {
      of: `label ${key}`,
      object: target({ labels: { [key]: 'x' } }),
      field: 'spec.target.labels',
      says: 'labels under kubernetes.io, k8s.io and tokensync.dev are reserved',
    },
    {
      of: `annotation ${key}`,
      object: target({ annotations: { [key]: 'x' } }),
      field: 'spec.target.annotations',
      says: 'annotations under kubernetes.io, k8s.io and tokensync.dev are reserved',
    },
  ]),
  {
    of: 'a label key with a space',
    object: target({ labels: { 'a b': 'x' } }),
    field: 'spec.target.labels',
    says: 'keys of labels are',
  },
  {
    of: 'a label key of 64 characters',
    object: target({ labels: { ['a'.repeat(64)]: 'x' } }),
    field: 'spec.target.labels',
    says: 'keys of labels are',
  },
  {
    of: 'an annotation key with two slashes',
    object: target({ annotations: { 'a/b/c': 'x' } }),
    field: 'spec.target.annotations',
    says: 'keys of annotations are',
  },
  {
    of: 'a label with a space',
    object: target({ labels: { a: 'x y' } }),
    field: 'spec.target.labels[a]',
    says: 'a label is empty or letters',
  },
  {
    of: 'too long a label',
    object: target({ labels: { a: 'x'.repeat(64) } }),
    field: 'spec.target.labels.a',
  },
  { of: 'no data', object: target({ data: {} }), field: 'spec.target.data' },
  {
    of: 'a key with a slash',
    object: target({ data: { 'a/b': 'x' } }),
    field: 'spec.target.data',
    says: 'keys of a Secret consist of',
  },
  {
    of: 'a key of two dots',
    object: target({ data: { '..x': 'x' } }),
    field: 'spec.target.data',
    says: 'do not start with ..',
  },
  ...['0%', '81%', '100%', '30', '5', 'x', '1h ', '-5m', '10%5m', '1w', '5m\n'].map(
    (before): Refusal => ({
      of: `before ${JSON.stringify(before)}`,
      object: credential({ schedule: { before } }),
      field: 'spec.schedule.before',
      says: 'from 1% to 80%, or a duration',
    }),
  ),
  ...['59s', '0s', '59999ms', '0d', '0.01h', '0.5m', '0h0m59s', '60', 'x', '-1h', '1w', '50%'].map(
    (maxAge): Refusal => ({
      of: `maxAge ${maxAge}`,
      object: credential({ schedule: { maxAge } }),
      field: 'spec.schedule.maxAge',
      says: 'at least 60s',
    }),
  ),
  { of: 'suspend as text', object: credential({ suspend: 'yes' }), field: 'spec.suspend' },
  {
    of: 'a name that leaves no room for .session',
    object: credential({}, 'a'.repeat(246)),
    field: '<nil>',
    says: 'metadata.name has at most 245 characters',
  },
  {
    of: 'a changed type',
    old: target({ name: 'x' }),
    object: target({ name: 'x', type: 'example.org/t' }),
    field: 'spec.target.type',
    says: fixedType,
  },
  {
    of: 'a changed type under the default name',
    old: credential(),
    object: target({ type: 'example.org/t' }),
    field: 'spec.target.type',
    says: fixedType,
  },
  {
    of: 'a changed type, the default name spelled out',
    old: credential(),
    object: target({ name: 'acme', type: 'example.org/t' }),
    field: 'spec.target.type',
    says: fixedType,
  },
  {
    of: 'a type taken away',
    old: target({ type: 'example.org/t' }),
    object: credential(),
    field: 'spec.target.type',
    says: fixedType,
  },
];

const production: Json = { name: 'production', baseUrl: 'https://login.example' };
const demo: Json = { name: 'demo', baseUrl: 'https://demo.example' };
const baseUrl = (url: string): Manifest => provider({ environments: [{ name: 'production', baseUrl: url }] });

/** Of a request and of how its answer is read; both steps have them. */
function exchangeRefusals(step: 'login' | 'refresh'): Refusal[] {
  const at = `spec.flows[0].${step}`;
  const exchange = (part: 'request' | 'response', change: Manifest): Manifest => {
    const refresh = { request: { path: '/r' }, response: { token: 'body.t' } };
    const base: Manifest =
      step === 'login' ? {} : { login: { response: { refreshToken: 'body.r' } }, refresh };
    return provider({ flows: [flow(merge(base, { [step]: { [part]: change } }))] });
  };
  return [
    {
      of: `an unknown method (${step})`,
      object: exchange('request', { method: 'DELETE' }),
      field: `${at}.request.method`,
    },
    {
      of: `a relative path (${step})`,
      object: exchange('request', { path: 'token/' }),
      field: `${at}.request.path`,
      says: 'path starts with /',
    },
    {
      of: `a query in the path (${step})`,
      object: exchange('request', { path: '/token?x=1' }),
      field: `${at}.request.path`,
      says: 'query parameters go to query',
    },
    {
      of: `two bodies (${step})`,
      object: exchange('request', { json: {}, form: { a: 'b' } }),
      field: `${at}.request`,
      says: 'json and form exclude each other',
    },
    {
      of: `a GET with a body (${step})`,
      object: exchange('request', { method: 'GET', form: { a: 'b' } }),
      field: `${at}.request`,
      says: 'a GET request has no body',
    },
    {
      of: `a body that is a list (${step})`,
      object: exchange('request', { json: [] }),
      field: `${at}.request.json`,
    },
    {
      of: `a header with a space (${step})`,
      object: exchange('request', { headers: { 'a b': 'x' } }),
      field: `${at}.request.headers`,
      says: 'names of headers',
    },
    ...['Host', 'content-length', 'Transfer-Encoding', 'Proxy-Authorization'].map(
      (name): Refusal => ({
        of: `header ${name} (${step})`,
        object: exchange('request', { headers: { [name]: 'x' } }),
        field: `${at}.request.headers`,
        says: 'leave them out',
      }),
    ),
    {
      of: `no token (${step})`,
      object: exchange('response', { token: null }),
      field: `${at}.response.token`,
    },
    {
      of: `two expiries (${step})`,
      object: exchange('response', { expiresIn: '1', expiresAt: '2' }),
      field: `${at}.response`,
      says: 'expiresIn and expiresAt exclude each other',
    },
    {
      of: `a lifetime without a unit (${step})`,
      object: exchange('response', { lifetime: '3600' }),
      field: `${at}.response.lifetime`,
    },
    {
      of: `an output that is a default key (${step})`,
      object: exchange('response', { outputs: { token: 'body.x' } }),
      field: `${at}.response.outputs`,
      says: 'choose other names for outputs',
    },
    {
      of: `an output with a dash (${step})`,
      object: exchange('response', { outputs: { 'a-b': 'body.x' } }),
      field: `${at}.response.outputs`,
      says: 'names of outputs',
    },
    {
      of: `a format (${step})`,
      object: exchange('response', { format: 'xml' }),
      field: `${at}.response.format`,
    },
  ];
}

export const providerRefusals: readonly Refusal[] = [
  { of: 'no environment', object: provider({ environments: [] }), field: 'spec.environments' },
  { of: 'no flow', object: provider({ flows: [] }), field: 'spec.flows' },
  {
    of: 'two environments, no default',
    object: provider({ environments: [production, demo] }),
    field: 'spec.defaultEnvironment',
    says: 'needed when there is more than one environment',
  },
  {
    of: 'a default environment that does not exist',
    object: provider({ defaultEnvironment: 'demo' }),
    field: 'spec.defaultEnvironment',
    says: 'must name one of environments',
  },
  {
    of: 'two flows, no default',
    object: provider({ flows: [flow(), flow({ name: 'b' })] }),
    field: 'spec.defaultFlow',
    says: 'needed when there is more than one flow',
  },
  {
    of: 'a default flow that does not exist',
    object: provider({ defaultFlow: 'b' }),
    field: 'spec.defaultFlow',
    says: 'must name one of flows',
  },
  {
    of: 'a selector that is missing',
    object: provider({ allowedNamespaces: { from: 'Selector' } }),
    field: 'spec.allowedNamespaces',
    says: 'from: Selector needs a selector',
  },
  {
    of: 'a selector without effect',
    object: provider({ allowedNamespaces: { selector: { matchLabels: { a: 'b' } } } }),
    field: 'spec.allowedNamespaces',
    says: 'set from: Selector',
  },
  {
    of: 'a selector that selects everything',
    object: provider({ allowedNamespaces: { from: 'Selector', selector: { matchLabels: {} } } }),
    field: 'spec.allowedNamespaces.selector.matchLabels',
  },
  {
    of: 'a parameter type',
    object: provider({ parameters: [{ name: 'a', type: 'number' }] }),
    field: 'spec.parameters[0].type',
  },
  {
    of: 'a parameter name with a dash',
    object: provider({ parameters: [{ name: 'a-b' }] }),
    field: 'spec.parameters[0].name',
  },
  {
    of: 'too long a pattern',
    object: provider({ parameters: [{ name: 'a', pattern: 'a'.repeat(254) }] }),
    field: 'spec.parameters[0].pattern',
  },
  ...[
    'https://user@login.example',
    'https://login.example?x=1',
    'https://login.example#x',
    'https://login example',
  ].map(
    (url): Refusal => ({
      of: `baseUrl ${url}`,
      object: baseUrl(url),
      field: 'spec.environments[0].baseUrl',
      says: 'no query, fragment, user name or space',
    }),
  ),
  ...['10.0.0.0', 'ten/8', '10.0.0.0/8 ', '/8', 'login.example/32'].map(
    (cidr): Refusal => ({
      of: `CIDR ${JSON.stringify(cidr)}`,
      object: provider({ network: { allowCIDRs: [cidr] } }),
      field: 'spec.network.allowCIDRs[0]',
      says: 'a CIDR is wanted',
    }),
  ),
  {
    of: 'a CA in base64',
    object: provider({ network: { caBundle: 'LS0tLS1CRUdJTg==' } }),
    field: 'spec.network.caBundle',
    says: 'in PEM form',
  },
  {
    of: 'no concurrency',
    object: provider({ limits: { concurrency: 0 } }),
    field: 'spec.limits.concurrency',
  },
  {
    of: 'no requests at all',
    object: provider({ limits: { requestsPerMinute: 0 } }),
    field: 'spec.limits.requestsPerMinute',
  },
  ...['99ms', '0s', '6m', '5m1s', '0.05h', '0d', '999999999m', '10', 'x'].map(
    (timeout): Refusal => ({
      of: `timeout ${timeout}`,
      object: provider({ limits: { timeout } }),
      field: 'spec.limits.timeout',
      says: 'from 100ms to 5m',
    }),
  ),
  { of: 'no inputs', object: provider({ flows: [flow({ inputs: [] })] }), field: 'spec.flows[0].inputs' },
  {
    of: 'an input with a dash',
    object: provider({ flows: [flow({ inputs: ['user-name'] })] }),
    field: 'spec.flows[0].inputs[0]',
  },
  {
    of: 'a rejection limit of 0',
    object: provider({ flows: [flow({ login: { maxRejections: 0 } })] }),
    field: `${at}.maxRejections`,
  },
  {
    of: 'a rejection limit of 11',
    object: provider({ flows: [flow({ login: { maxRejections: 11 } })] }),
    field: `${at}.maxRejections`,
  },
  ...exchangeRefusals('login'),
  ...exchangeRefusals('refresh'),
  {
    of: 'a refresh without a refresh token',
    object: provider({
      flows: [flow({ refresh: { request: { path: '/r' }, response: { token: 'body.t' } } })],
    }),
    field: 'spec.flows[0]',
    says: 'refresh needs login.response.refreshToken',
  },
];

/** What looks much like the above, and must pass. */
export const accepted: readonly { of: string; object: Manifest; old?: Manifest }[] = [
  { of: 'a name of 245 characters', object: credential({}, 'a'.repeat(245)) },
  ...['1%', '9%', '80%', '5m', '1h30m', '1.5h', '90s', '1d12h'].map(before => ({
    of: `before ${before}`,
    object: credential({ schedule: { before } }),
  })),
  ...[
    '60s',
    '1m',
    '60000ms',
    '7d',
    '0.001d',
    '0.5d',
    '24h',
    '30s30s',
    '999999999d',
    '999999999h',
    '999999999m',
    '999999999s',
    '0h60s',
    '10.0d',
  ].map(maxAge => ({ of: `maxAge ${maxAge}`, object: credential({ schedule: { maxAge } }) })),
  ...['100ms', '0.1s', '10s', '5m', '4m60s', '0.5m'].map(timeout => ({
    of: `timeout ${timeout}`,
    object: provider({ limits: { timeout } }),
  })),
  {
    of: 'a pull secret',
    object: target({ type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': '{}' } }),
  },
  {
    of: 'labels that only look reserved',
    object: target({
      labels: { 'notkubernetes.io/a': 'x', 'k8s.io.example.org/a': '', 'kubernetes.io': 'x', a: '1.b_c-d' },
    }),
  },
  {
    of: 'a type changed together with the name',
    old: target({ name: 'x' }),
    object: target({ name: 'y', type: 'example.org/t' }),
  },
  {
    of: 'a type changed away from the default name',
    old: credential(),
    object: target({ name: 'y', type: 'example.org/t' }),
  },
  { of: 'a target moved', old: credential(), object: target({ name: 'y' }) },
  {
    of: 'an edit of everything else',
    old: credential(),
    object: credential({ providerRef: { name: 'b' }, flow: 'x', suspend: true }),
  },
  {
    of: 'a credential named like a session, with a target of its own',
    object: credential({ target: { name: 'y' } }, 'x.session'),
  },
  { of: 'one environment and its name as default', object: provider({ defaultEnvironment: 'production' }) },
  { of: 'the empty path', object: request({ path: '/' }) },
  { of: 'a GET without a body', object: request({ method: 'GET' }) },
  {
    of: 'headers near to those refused',
    object: request({ headers: { 'X-Host': 'a', TE2: 'b', Authorization: 'c', 'Content-Type': 'd' } }),
  },
];
