import type { CredentialSpec } from '../api/credential.ts';
import type { Verdict } from '../decide/decide.ts';
import type { CredentialObject } from '../kube/objects.ts';
import type { CompiledProvider } from '../provider/types.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';
import type { Choice } from './planned.ts';

export function choose(
  credential: CredentialObject,
  spec: CredentialSpec,
  memory: Memory,
  context: Context,
): Choice {
  const namespace = credential.metadata.namespace ?? '';
  const { name } = spec.providerRef;
  if (namespace === context.settings.operatorNamespace) {
    return blocked(
      'NamespaceNotAllowed',
      `No credential is served in the operator's own namespace (${namespace}): create it in another.`,
    );
  }
  const entry = context.providers.get(name);
  if (entry === undefined) {
    return blocked(
      'ProviderNotFound',
      `spec.providerRef.name: there is no ClusterTokenProvider ${name} (yet).`,
    );
  }
  if (!entry.compiled.ok) {
    return blocked(
      'ProviderNotAccepted',
      `spec.providerRef.name: the definition of ${name} cannot work; its Accepted condition names the field. Nothing is sent.`,
    );
  }
  if (!allows(entry.allowedNamespaces, context.namespaceLabels(namespace))) {
    return blocked(
      'NamespaceNotAllowed',
      `spec.providerRef.name: ${name} does not allow namespace ${namespace}; see its spec.allowedNamespaces.`,
    );
  }
  const { generation } = credential.metadata;
  const known = memory.choice;
  if (known?.generation === generation && known.compiled === entry.compiled) return known.choice;
  const choice = resolveChoice(spec, entry.compiled.provider, context);
  memory.choice = { generation, compiled: entry.compiled, choice };
  return choice;
}

function resolveChoice(spec: CredentialSpec, provider: CompiledProvider, context: Context): Choice {
  const resolved = context.engine.resolve(provider, {
    flow: spec.flow,
    environment: spec.environment,
    parameters: spec.parameters,
  });
  if (!resolved.ok) return blocked(resolved.problem.reason, resolved.problem.message);
  const template = context.engine.checkTemplates(resolved.value, spec.target.data);
  if (template !== undefined) return blocked(template.reason, template.message);
  return { account: resolved.value };
}

function allows(
  allowed:
    | { from: 'All' | 'Selector'; selector?: { matchLabels: Record<string, string> } | undefined }
    | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  if (allowed === undefined || allowed.from === 'All') return true;
  return Object.entries(allowed.selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
}

function blocked(reason: Verdict['reason'], message: string): { blocker: Verdict } {
  return { blocker: { status: 'False', reason, message } };
}
