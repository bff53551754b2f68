import { createHash } from 'node:crypto';
import type { CredentialSpec } from '../api/credential.ts';
import type { Verdict } from '../decide/decide.ts';
import { canonical } from '../decide/digest.ts';
import type { LoginRequest } from '../decide/login-limit.ts';
import type { OwnerIdentity, Shape } from '../kube/target.ts';
import { shapeOf } from '../kube/target.ts';
import type { Account, Inputs, ProviderRequest } from '../provider/types.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';
import { readSource, sourceWords } from './source.ts';

/** What would be sent and written, as spec, provider and source say now. */
export interface Plan {
  readonly account: Account;
  readonly shape: Shape;
  /** Provider and origin: what limits and health are kept for. */
  readonly lane: string;
  readonly source: string;
  /** Digest of what the token is for, but for the inputs. */
  readonly accountDigest: string;
  /** Absent where the source does not have them. */
  readonly login?: LoginPlan;
}

export interface LoginPlan {
  readonly inputs: Inputs;
  readonly inputsDigest: string;
  readonly request: ProviderRequest;
  readonly digests: LoginRequest;
  /** The same for every credential that would send the same. */
  readonly sharedDigest: string;
}

/** @throws KubeError when the source cannot be read. */
export async function makePlan(
  identity: OwnerIdentity,
  spec: CredentialSpec,
  account: Account,
  memory: Memory,
  context: Context,
): Promise<{ plan: Plan; blocker: Verdict | undefined }> {
  const base: Plan = {
    account,
    shape: shapeOf(spec.target, rendering(account)),
    lane: laneOf(account.provider.name, account.origin),
    source: sourceWords(spec, account),
    accountDigest: context.digester.of(identity.uid, accountFacts(account)),
  };
  const inputs = await readSource(identity.namespace, spec, account, memory, context);
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
