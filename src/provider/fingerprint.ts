import { createHash } from 'node:crypto';
import type { FlowSpec, ProviderSpec } from '../api/provider.ts';

/** Digests of what a definition does, so that a change of words is no change. Nothing in them is secret. */

/** What is sent, where to and through what guard, and how the answer is read; not texts for people, and no limits. */
export function providerFingerprint(spec: ProviderSpec): string {
  return digest({
    parameters: spec.parameters.map(parameter => ({ ...parameter, description: undefined })),
    environments: spec.environments,
    defaultEnvironment: spec.defaultEnvironment,
    network: spec.network,
    defaultFlow: spec.defaultFlow,
    flows: spec.flows.map(flow => ({ ...flow, login: { ...flow.login, maxRejections: undefined } })),
  });
}

export function loginFingerprint(flow: FlowSpec): string {
  return digest({ request: flow.login.request, response: flow.login.response });
}

function digest(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

/** JSON with sorted keys: the API server keeps no order of its own. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
