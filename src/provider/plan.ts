import type { Parameter } from './parameters.ts';
import type { RequestPlan } from './request.ts';
import type { ResponsePlan } from './response.ts';
import type { Template } from './template.ts';
import type { CompiledEnvironment, CompiledFlow, CompiledParameter } from './types.ts';
import type { BaseUrl } from './url.ts';

/** What the engine knows of the parts of a compiled definition that are opaque elsewhere. */

export interface StepPlan {
  readonly request: RequestPlan;
  readonly response: ResponsePlan;
}

export interface FlowPlan extends CompiledFlow {
  readonly login: StepPlan;
  readonly refresh?: StepPlan;
  readonly usage: { readonly header: string; readonly value: Template };
  /** What `usage` can't do without: `tokenType`, `output.x`. */
  readonly needed: ReadonlySet<string>;
  /** The word before `$(token)` in `usage`, as in `Bearer $(token)`. */
  readonly scheme?: string | undefined;
}

export interface EnvironmentPlan extends CompiledEnvironment {
  readonly base: BaseUrl;
}

const known = new WeakSet<CompiledFlow | CompiledEnvironment | CompiledParameter>();

export function register<T extends FlowPlan | EnvironmentPlan | Parameter>(plan: T): T {
  known.add(plan);
  return plan;
}

const isFlow = (flow: CompiledFlow): flow is FlowPlan => known.has(flow);
const isEnvironment = (environment: CompiledEnvironment): environment is EnvironmentPlan =>
  known.has(environment);
const isParameter = (parameter: CompiledParameter): parameter is Parameter => known.has(parameter);

const stranger = (): Error => new Error('this part of a definition was not compiled by this engine');

export function flowPlan(flow: CompiledFlow): FlowPlan {
  if (isFlow(flow)) return flow;
  throw stranger();
}

export function environmentPlan(environment: CompiledEnvironment): EnvironmentPlan {
  if (isEnvironment(environment)) return environment;
  throw stranger();
}

export function parameterPlan(parameter: CompiledParameter): Parameter {
  if (isParameter(parameter)) return parameter;
  throw stranger();
}
