import type { RequestSpec } from '../api/provider.ts';
import { HEADER_NAME } from '../api/schema.ts';
import {
  compileJson,
  compileText,
  type FormBody,
  fillForm,
  fillJson,
  fillText,
  type JsonBody,
} from './body.ts';
import { member, type Report } from './problems.ts';
import { fill, lone, placeholders, type Scope, type Template } from './template.ts';
import type { ProviderRequest } from './types.ts';
import { compilePath, fillUrl, type Query } from './url.ts';
import { basicUserPart, hasControl, headerPart, type Value } from './values.ts';

/** One step's request: compiled from the definition, filled with an account's values. */

export interface RequestPlan {
  readonly method: string;
  readonly path: Template;
  readonly query: Query;
  /** Lower-case names. */
  readonly headers: readonly (readonly [name: string, value: Template])[];
  readonly basicAuth?: { readonly username: Template; readonly password: Template };
  readonly body?:
    | { readonly kind: 'json'; readonly json: JsonBody }
    | { readonly kind: 'form'; readonly form: FormBody };
  /** Names of all placeholders. */
  readonly uses: ReadonlySet<string>;
}

/** The connection's own business, and `accept-encoding`: an answer is never decompressed. */
const FORBIDDEN_HEADERS = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const ACCEPT = {
  json: 'application/json',
  form: 'application/x-www-form-urlencoded',
  text: 'text/plain, */*',
} as const;

export function compileRequest(
  spec: RequestSpec,
  scope: Scope,
  context: { readonly format: 'json' | 'form' | 'text'; readonly userAgent: string },
  field: string,
  report: Report,
): RequestPlan {
  const uses = new Set<string>();
  const track = (template: Template): Template => {
    for (const { name } of placeholders(template)) uses.add(name);
    return template;
  };
  const texts = (record: Readonly<Record<string, string>> | undefined, under: string) =>
    Object.entries(record ?? {}).map(
      ([key, value]) => [key, track(compileText(value, scope, member(under, key), report))] as const,
    );

  if (spec.json !== undefined && spec.form !== undefined) {
    report(field, 'json and form exclude each other: set one body');
  }
  const hasBody = spec.json !== undefined || spec.form !== undefined;
  if (spec.method === 'GET' && hasBody) report(field, 'a GET request has no body: remove json or form');

  const headers = new Map<string, Template>([
    ['accept', [ACCEPT[context.format]]],
    ['user-agent', [context.userAgent]],
  ]);
  if (spec.json !== undefined) headers.set('content-type', ['application/json']);
  if (spec.form !== undefined) headers.set('content-type', ['application/x-www-form-urlencoded']);
  const given = new Set<string>();
  for (const [name, template] of texts(spec.headers, `${field}.headers`)) {
    const lower = name.toLowerCase();
    const at = member(`${field}.headers`, name);
    if (!new RegExp(HEADER_NAME).test(name)) report(at, 'is not a header name');
    if (FORBIDDEN_HEADERS.has(lower)) report(at, 'is set by the connection and cannot be set here');
    if (given.has(lower)) report(at, 'is set twice');
    if (lower === 'authorization' && spec.basicAuth !== undefined) report(at, 'is set by basicAuth already');
    if (template.some(part => typeof part === 'string' && !isHeaderText(part))) {
      report(at, 'has a character that a header cannot carry');
    }
    given.add(lower);
    headers.set(lower, template);
  }
  headers.set('accept-encoding', ['identity']);

  const json = spec.json === undefined ? undefined : compileJson(spec.json, scope, `${field}.json`, report);
  if (json !== undefined) trackJson(json, track);
  const auth = spec.basicAuth;
  return {
    method: spec.method,
    path: track(compilePath(spec.path, scope, `${field}.path`, report)),
    query: texts(spec.query, `${field}.query`),
    headers: [...headers],
    ...(auth === undefined
      ? {}
      : {
          basicAuth: {
            username: track(compileText(auth.username, scope, `${field}.basicAuth.username`, report)),
            password: track(compileText(auth.password, scope, `${field}.basicAuth.password`, report)),
          },
        }),
    ...(json === undefined ? {} : { body: { kind: 'json', json } }),
    ...(spec.form === undefined ? {} : { body: { kind: 'form', form: texts(spec.form, `${field}.form`) } }),
    uses,
  };
}

function isHeaderText(text: string): boolean {
  return !hasControl(text) && /^[\u0020-\u00ff]*$/.test(text);
}

function trackJson(node: JsonBody, track: (template: Template) => Template): void {
  if (node.kind === 'template') track(node.template);
  if (node.kind === 'list') for (const item of node.items) trackJson(item, track);
  if (node.kind === 'object') for (const [, item] of node.members) trackJson(item, track);
}

/** @throws FillError when a value does not fit where it stands. */
export function fillRequest(
  step: 'login' | 'refresh',
  account: { readonly origin: string; readonly baseUrl: string },
  plan: RequestPlan,
  values: ReadonlyMap<string, Value>,
): ProviderRequest {
  const lookup = (name: string): Value | undefined => values.get(name);
  const headers: [string, string][] = [];
  for (const [name, template] of plan.headers) {
    const only = lone(template);
    if (only !== undefined && lookup(only.name) === undefined) continue;
    headers.push([name, fill(template, each => headerPart(each, lookup(each) ?? ''))]);
  }
  if (plan.basicAuth !== undefined) {
    const username = fill(plan.basicAuth.username, each => basicUserPart(each, lookup(each) ?? ''));
    const password = fillText(plan.basicAuth.password, lookup) ?? '';
    headers.push([
      'authorization',
      `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`,
    ]);
  }
  const body = plan.body?.kind === 'json' ? fillJson(plan.body.json, lookup) : undefined;
  const form = plan.body?.kind === 'form' ? fillForm(plan.body.form, lookup) : undefined;
  return {
    step,
    method: plan.method,
    url: fillUrl(account, plan.path, plan.query, lookup),
    headers: Object.fromEntries(headers),
    ...(body === undefined && form === undefined ? {} : { body: body ?? form ?? '' }),
  };
}
