import { flowPlan } from './plan.ts';
import { FillError, filling, member } from './problems.ts';
import { fill, lone, parseTemplate, type Scope, type Template } from './template.ts';
import type { Account, Grant, Problem, Result } from './types.ts';
import type { Value } from './values.ts';

/** What pods get: the default keys, or a credential's own templates. Inputs and refresh tokens have no name here. */

type Data = Readonly<Record<string, string>>;

export function renderData(
  account: Account,
  grant: Omit<Grant, 'refreshToken' | 'lifetimeMs'>,
  expiresAt: string | undefined,
  data: Data | undefined,
): Result<Record<string, string>> {
  return filling(() => {
    const values = valuesOf(account, grant, expiresAt);
    if (data === undefined) return defaults(account, values);
    const templates = compileData(account, data);
    const filled = templates.flatMap(([key, template]) => {
      const only = lone(template);
      // alone, what is unknown leaves its key out, as with the default keys
      if (only !== undefined && !values.has(only.name)) return [];
      return [[key, fill(template, name => known(values, name, key))] as const];
    });
    return Object.fromEntries(filled);
  });
}

export function checkData(account: Account, data: Data | undefined): Problem | undefined {
  const checked = filling(() => compileData(account, data ?? {}));
  return checked.ok ? undefined : checked.problem;
}

function valuesOf(
  account: Account,
  grant: Omit<Grant, 'refreshToken' | 'lifetimeMs'>,
  expiresAt: string | undefined,
): ReadonlyMap<string, Value> {
  const { usage, scheme } = flowPlan(account.flow);
  const values = new Map<string, Value>([
    ['token', grant.token],
    ['headerName', usage.header],
  ]);
  const tokenType = grant.tokenType ?? scheme;
  if (tokenType !== undefined) values.set('tokenType', tokenType);
  for (const [name, value] of Object.entries(grant.outputs)) values.set(`output.${name}`, value);
  for (const [name, value] of Object.entries(account.parameters)) values.set(`param.${name}`, value);
  values.set(
    'headerValue',
    fill(usage.value, name => {
      const value = values.get(name);
      if (value !== undefined) return value;
      throw new FillError(
        'TemplateInvalid',
        `the answer gave no ${name}, which usage.value of the flow needs`,
      );
    }),
  );
  if (expiresAt !== undefined) values.set('expiresAt', expiresAt);
  return values;
}

const DEFAULT_KEYS = [
  ['token', 'token'],
  ['token_type', 'tokenType'],
  ['header_name', 'headerName'],
  ['header_value', 'headerValue'],
  ['expires_at', 'expiresAt'],
] as const;

function defaults(account: Account, values: ReadonlyMap<string, Value>): Record<string, string> {
  const filled: [key: string, value: string][] = [];
  const put = (key: string, name: string): void => {
    const value = values.get(name);
    if (value !== undefined) filled.push([key, String(value)]);
  };
  for (const [key, name] of DEFAULT_KEYS) put(key, name);
  for (const name of account.flow.outputs) put(name, `output.${name}`);
  return Object.fromEntries(filled);
}

function known(values: ReadonlyMap<string, Value>, name: string, key: string): Value {
  const value = values.get(name);
  if (value !== undefined) return value;
  // a token without a known expiry is no mistake of the template's; an output that did not come leaves a hole
  if (name === 'expiresAt' || name.startsWith('param.')) return '';
  throw new FillError('TemplateInvalid', `${member('spec.target.data', key)}: the answer gave no ${name}`);
}

function compileData(account: Account, data: Data): readonly (readonly [string, Template])[] {
  const scope = podScope(account);
  return Object.entries(data).map(([key, text]) => {
    const field = member('spec.target.data', key);
    const template = parseTemplate(text, scope, message => {
      throw new FillError('TemplateInvalid', `${field}: ${message}`);
    });
    return [key, template] as const;
  });
}

function podScope(account: Account): Scope {
  const { flow, provider } = account;
  const { login, refresh, scheme } = flowPlan(flow);
  const typed =
    scheme !== undefined ||
    login.response.tokenType !== undefined ||
    refresh?.response.tokenType !== undefined;
  const names = ['token', 'headerName', 'headerValue', 'expiresAt', ...(typed ? ['tokenType'] : [])];
  names.push(...flow.outputs.map(name => `output.${name}`));
  names.push(...[...provider.parameters.keys()].map(name => `param.${name}`));
  return {
    names: new Map(names.map(name => [name, { optional: true }])),
    filters: true,
    elsewhere: name =>
      /^(input|session)\./.test(name)
        ? `$(${name}): the login and the refresh token are never given to pods`
        : undefined,
  };
}
