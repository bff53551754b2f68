import { createHash } from 'node:crypto';
import type { CredentialSpec } from '../api/credential.ts';
import { canonical } from '../decide/digest.ts';
import { type OwnerIdentity, shapeOf } from '../kube/target.ts';
import type { Account, Inputs, ProviderRequest, Result } from '../provider/types.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';
import type { Plan, Planned } from './planned.ts';
import { readSource, sourceWords } from './source.ts';

/** @throws KubeError when the source cannot be read. */
export async function makePlan(
  identity: OwnerIdentity,
  spec: CredentialSpec,
  account: Account,
  memory: Memory,
  context: Context,
): Promise<Planned> {
  const inputs = await readSource(identity.namespace, spec, account, memory, context);
  const known = memory.planned;
  if (known?.account === account && known.inputs === inputs) return known.result;
  const result = planFor(identity, spec, account, inputs, context);
  memory.planned = { account, inputs, result };
  return result;
}

/** All that needs no inputs. */
export function planWithoutInputs(
  identity: OwnerIdentity,
  spec: CredentialSpec,
  account: Account,
  context: Context,
): Plan {
  return {
    account,
    shape: shapeOf(spec.target, rendering(account)),
    lane: laneOf(account.provider.name, account.origin),
    source: sourceWords(spec, account),
    accountDigest: context.digester.of(identity.uid, accountFacts(account)),
  };
}

function planFor(
  identity: OwnerIdentity,
  spec: CredentialSpec,
  account: Account,
  inputs: Result<Inputs>,
  context: Context,
): Planned {
  const base = planWithoutInputs(identity, spec, account, context);
  if (!inputs.ok) return { plan: base, blocker: { status: 'False', ...inputs.problem } };
  const filled = context.engine.fillLogin(account, inputs.value);
  if (!filled.ok) return { plan: base, blocker: { status: 'False', ...filled.problem } };
  const sent = whatIsSent(filled.value);
  return {
    blocker: undefined,
    plan: {
      ...base,
      login: {
        inputs: inputs.value,
        inputsDigest: context.digester.of(identity.uid, inputs.value),
        request: filled.value,
        digests: {
          digest: context.digester.of(identity.uid, sent),
          definition: definitionOf(account),
          comparable: digest => context.digester.comparable(digest),
        },
        sharedDigest: context.processDigester.of('', sent),
      },
    },
  };
}

function accountFacts(account: Account): unknown {
  return [
    account.provider.name,
    account.environment.name,
    account.origin,
    account.flow.name,
    account.parameters,
  ];
}

/** What else shapes the Secret's data: how callers present the token, and what other outputs there are. */
function rendering({ provider, flow }: Account): unknown {
  return [provider.spec.flows.find(({ name }) => name === flow.name)?.usage, flow.outputs];
}

/** Changes with anything that could make a refused login work, although the request is the same. */
function definitionOf({ provider, flow, baseUrl }: Account): string {
  return createHash('sha256')
    .update(canonical([flow.loginFingerprint, baseUrl, provider.spec.network]))
    .digest('base64url')
    .slice(0, 16);
}

/** Our own version in the User-Agent makes no request new. */
function whatIsSent({ method, url, headers, body }: ProviderRequest): unknown {
  const { 'user-agent': _ours, ...others } = headers;
  return [method, url, others, body ?? null];
}

export const laneOf = (provider: string, origin: string): string => `${provider} ${origin}`;

/** Takes a lane apart again. */
export function splitLane(lane: string): { provider: string; origin: string } {
  const space = lane.indexOf(' ');
  return { provider: lane.slice(0, space), origin: lane.slice(space + 1) };
}
