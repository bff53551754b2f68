import { readParameters } from './parameters.ts';
import { environmentPlan, parameterPlan } from './plan.ts';
import { filling } from './problems.ts';
import type { Account, CompiledProvider, Result } from './types.ts';
import { fillBaseUrl } from './url.ts';

/** A credential's choice of flow, environment and parameters, held against what its provider offers. */
export function resolveAccount(
  provider: CompiledProvider,
  choice: {
    readonly flow?: string | undefined;
    readonly environment?: string | undefined;
    readonly parameters: Readonly<Record<string, string>>;
  },
): Result<Account> {
  const flow = pick(provider.flows, choice.flow ?? provider.spec.defaultFlow);
  if (flow === undefined) {
    const message = `spec.flow: ${provider.name} has no flow ${choice.flow}; it has ${known(provider.flows)}`;
    return { ok: false, problem: { reason: 'FlowUnknown', message } };
  }
  const environment = pick(provider.environments, choice.environment ?? provider.spec.defaultEnvironment);
  if (environment === undefined) {
    const message = `spec.environment: ${provider.name} has no environment ${choice.environment}; it has ${known(provider.environments)}`;
    return { ok: false, problem: { reason: 'EnvironmentUnknown', message } };
  }
  if (environment.unavailable !== undefined) {
    const message = `spec.environment: ${environment.name} of ${provider.name} is not available, and nothing is sent: ${environment.unavailable}`;
    return { ok: false, problem: { reason: 'EnvironmentUnavailable', message } };
  }
  const declared = new Map([...provider.parameters].map(([name, each]) => [name, parameterPlan(each)]));
  const read = readParameters(provider, declared, choice.parameters);
  if (!read.ok) return read;
  const parameters = read.value;
  return filling(() => {
    const values = new Map(Object.entries(parameters).map(([name, value]) => [`param.${name}`, value]));
    const { origin, baseUrl } = fillBaseUrl(environmentPlan(environment).base, name => values.get(name));
    return { provider, flow, environment, origin, baseUrl, parameters };
  });
}

/** The only one serves as the default. */
function pick<T>(among: ReadonlyMap<string, T>, name: string | undefined): T | undefined {
  return name === undefined ? among.values().next().value : among.get(name);
}

function known(among: ReadonlyMap<string, unknown>): string {
  return [...among.keys()].join(', ');
}
