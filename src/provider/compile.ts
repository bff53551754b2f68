import { parseDuration } from '../api/duration.ts';
import type { FlowSpec, ProviderSpec } from '../api/provider.ts';
import type { FieldProblem } from '../errors.ts';
import { parseCidr } from './addresses.ts';
import { isCertificates } from './certificates.ts';
import { loginFingerprint, providerFingerprint } from './fingerprint.ts';
import { compileParameters, type Parameter } from './parameters.ts';
import { type EnvironmentPlan, type FlowPlan, register, type StepPlan } from './plan.ts';
import type { Report } from './problems.ts';
import { compileRequest } from './request.ts';
import { compileResponse, type ResponsePlan } from './response.ts';
import { flowsTooLarge } from './size.ts';
import { parseTemplate, placeholders, type Scope, type Template } from './template.ts';
import type { Compiled } from './types.ts';
import { compileBaseUrl } from './url.ts';

/** A definition, checked as a whole and made ready: every mistake is reported at once, each with the path of its field. */

const SHORTEST_TIMEOUT_MS = 100;
const LONGEST_TIMEOUT_MS = 300_000;

export function compileProvider(name: string, spec: ProviderSpec, userAgent: string): Compiled {
  const problems: FieldProblem[] = [];
  const report: Report = (field, message) => problems.push({ field, message });
  const tooLarge = flowsTooLarge(spec);
  if (tooLarge !== undefined) return { ok: false, problems: [{ field: 'spec.flows', message: tooLarge }] };

  const parameters = compileParameters(spec.parameters, report);
  const environments = new Map<string, EnvironmentPlan>();
  for (const { name: each, baseUrl, unavailable } of spec.environments) {
    const field = `spec.environments[${each}]`;
    if (environments.has(each)) report(field, 'this name is used twice');
    const scope = hostScope(parameters);
    const base = compileBaseUrl(baseUrl, scope, spec.network.allowHTTP, `${field}.baseUrl`, report);
    if (base === undefined) continue;
    environments.set(
      each,
      register(unavailable === undefined ? { name: each, base } : { name: each, base, unavailable }),
    );
  }
  const flows = new Map<string, FlowPlan>();
  for (const flow of spec.flows) {
    if (flows.has(flow.name)) report(`spec.flows[${flow.name}]`, 'this name is used twice');
    flows.set(flow.name, register(compileFlow(flow, parameters, userAgent, report)));
  }
  checkDefault(spec.defaultEnvironment, spec.environments, 'Environment', report);
  checkDefault(spec.defaultFlow, spec.flows, 'Flow', report);
  checkNetwork(spec.network, report);
  const timeoutMs = timeoutOf(spec.limits.timeout, report);

  if (problems.length > 0 || timeoutMs === undefined) return { ok: false, problems };
  const { concurrency, requestsPerMinute } = spec.limits;
  return {
    ok: true,
    provider: {
      name,
      spec,
      flows,
      environments,
      parameters: new Map([...parameters].map(([each, parameter]) => [each, register(parameter)])),
      limits: { concurrency, timeoutMs, ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }) },
      fingerprint: providerFingerprint(spec),
    },
  };
}

function compileFlow(
  spec: FlowSpec,
  parameters: ReadonlyMap<string, Parameter>,
  userAgent: string,
  report: Report,
): FlowPlan {
  const field = `spec.flows[${spec.name}]`;
  spec.inputs.forEach((input, index) => {
    if (spec.inputs.indexOf(input) !== index) report(`${field}.inputs`, `${input} is there twice`);
  });
  const compileStep = (
    step: 'login' | 'refresh',
    body: Pick<FlowSpec['login'], 'request' | 'response'>,
  ): StepPlan => {
    const under = `${field}.${step}`;
    const scope = requestScope(step, spec.inputs, parameters);
    const context = { format: body.response.format, userAgent };
    return {
      request: compileRequest(body.request, scope, context, `${under}.request`, report),
      response: compileResponse(body.response, `${under}.response`, report),
    };
  };
  const login = compileStep('login', spec.login);
  const refresh = spec.refresh === undefined ? undefined : compileStep('refresh', spec.refresh);
  if (refresh !== undefined) {
    if (spec.login.response.refreshToken === undefined) {
      report(
        `${field}.login.response.refreshToken`,
        'is needed for refresh: without it there is nothing to refresh with',
      );
    }
    if (!refresh.request.uses.has('session.refreshToken')) {
      report(`${field}.refresh.request`, 'must send $(session.refreshToken)');
    }
  }
  const value = compileUsage(
    spec,
    [login.response, ...(refresh === undefined ? [] : [refresh.response])],
    report,
  );
  const outputs = new Set(
    [login, refresh].flatMap(step => step?.response.outputs.map(([name]) => name) ?? []),
  );
  return {
    name: spec.name,
    inputs: spec.inputs,
    outputs: [...outputs],
    maxRejections: spec.login.maxRejections,
    refreshable: refresh !== undefined,
    loginFingerprint: loginFingerprint(spec),
    login,
    ...(refresh === undefined ? {} : { refresh }),
    usage: { header: spec.usage.header, value },
    needed: new Set(placeholders(value).map(({ name }) => name)),
    scheme: schemeOf(value),
  };
}

function compileUsage(spec: FlowSpec, answers: readonly ResponsePlan[], report: Report): Template {
  const field = `spec.flows[${spec.name}].usage.value`;
  const names = new Map([
    ['token', { optional: false }],
    ['tokenType', { optional: true }],
    ...answers.flatMap(answer =>
      answer.outputs.map(([name]) => [`output.${name}`, { optional: true }] as const),
    ),
  ]);
  const value = parseTemplate(spec.usage.value, { names, filters: false }, message => report(field, message));
  for (const { name } of placeholders(value)) {
    for (const answer of answers) {
      const there =
        name === 'token' ||
        (name === 'tokenType' && answer.tokenType !== undefined) ||
        answer.outputs.some(([output]) => name === `output.${output}`);
      if (!there) report(field, `$(${name}) is not read from the answer: add it to ${answer.field}`);
    }
  }
  return value;
}

function schemeOf(value: Template): string | undefined {
  const [before, token, ...rest] = value;
  if (typeof before !== 'string' || typeof token !== 'object' || rest.length > 0) return undefined;
  return token.name === 'token' ? /^([!-~]+) $/.exec(before)?.[1] : undefined;
}

function requestScope(
  step: 'login' | 'refresh',
  inputs: readonly string[],
  parameters: ReadonlyMap<string, Parameter>,
): Scope {
  const names = new Map(inputs.map(name => [`input.${name}`, { optional: false }]));
  for (const [name, { spec }] of parameters) names.set(`param.${name}`, { optional: !spec.required });
  if (step === 'refresh') names.set('session.refreshToken', { optional: false });
  return {
    names,
    filters: false,
    elsewhere: name =>
      name === 'session.refreshToken' ? '$(session.refreshToken) is known in refresh alone' : undefined,
  };
}

/** What may choose a host: never an input, and no parameter that could be anything. */
function hostScope(parameters: ReadonlyMap<string, Parameter>): Scope {
  const names = new Map<string, { optional: boolean }>();
  for (const [name, { spec }] of parameters) {
    if (spec.required && spec.pattern !== undefined) names.set(`param.${name}`, { optional: false });
  }
  return {
    names,
    filters: false,
    elsewhere: name => {
      if (name.startsWith('input.')) return `$(${name}): an input must not choose where the login is sent`;
      if (!parameters.has(name.replace(/^param\./, ''))) return undefined;
      return `$(${name}) must be required and have a pattern to stand here`;
    },
  };
}

function checkDefault(
  chosen: string | undefined,
  among: readonly { readonly name: string }[],
  what: 'Environment' | 'Flow',
  report: Report,
): void {
  const names = among.map(({ name }) => name);
  const list = what === 'Flow' ? 'flows' : 'environments';
  if (chosen === undefined && names.length > 1) {
    report(`spec.default${what}`, `is needed when there are several ${list}: ${names.join(', ')}`);
  }
  if (chosen !== undefined && !names.includes(chosen)) {
    report(`spec.default${what}`, `names none of spec.${list}: ${names.join(', ')}`);
  }
}

function checkNetwork({ allowCIDRs, caBundle }: ProviderSpec['network'], report: Report): void {
  allowCIDRs.forEach((range, index) => {
    if (parseCidr(range) === undefined) {
      report(`spec.network.allowCIDRs[${index}]`, 'is no range of addresses, as in 10.2.0.0/16');
    }
  });
  if (caBundle !== undefined && caBundle.trim() !== '' && !isCertificates(caBundle)) {
    report('spec.network.caBundle', 'must be certificates in PEM, and nothing else');
  }
}

function timeoutOf(text: string, report: Report): number | undefined {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= SHORTEST_TIMEOUT_MS && ms <= LONGEST_TIMEOUT_MS) return ms;
  report('spec.limits.timeout', 'must be a duration from 100ms to 5m');
  return undefined;
}
