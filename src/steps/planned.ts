import type { Verdict } from '../decide/decide.ts';
import type { LoginRequest } from '../decide/login-limit.ts';
import type { Shape } from '../kube/target.ts';
import type { Account, Inputs, ProviderRequest } from '../provider/types.ts';

/** The account that a spec chooses, or why it cannot be: provider, namespace, flow, environment, parameters, templates. */
export type Choice = { readonly account: Account } | { readonly blocker: Verdict };

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

export interface Planned {
  readonly plan: Plan;
  /** Why nothing can be sent. */
  readonly blocker: Verdict | undefined;
}
