import type { CredentialSpec, CredentialStatus } from '../api/credential.ts';
import { PROVIDER_KIND, REFRESH_REQUESTED_AT } from '../api/names.ts';
import { CONDITION } from '../api/reasons.ts';
import { decide, type Observation, type Verdict, type Want } from '../decide/decide.ts';
import { type RenewalPolicy, renewal, renewalPolicy } from '../decide/renewal.ts';
import { conditionOf } from '../decide/status.ts';
import { type Held, isLive } from '../held.ts';
import type { CredentialObject } from '../kube/objects.ts';
import { sessionName } from '../kube/session.ts';
import type { OwnerIdentity } from '../kube/target.ts';
import { newerVersion } from '../kube/version.ts';
import type { Account } from '../provider/types.ts';
import { choose } from './choose.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';
import { makePlan, planWithoutInputs } from './plan.ts';
import type { Plan } from './planned.ts';
import { readSession } from './session.ts';

import { formerSecrets, readTarget, type Target, targetName } from './target.ts';

/** All that one look at a credential found. */
export interface Observed {
  readonly key: string;
  readonly identity: OwnerIdentity;
  readonly credential: CredentialObject;
  readonly spec: CredentialSpec;
  /** The newest status known, written or not. */
  readonly previous: CredentialStatus | undefined;
  readonly memory: Memory;
  /** What a login needs, where the spec and its provider fit. */
  readonly plan: Plan | undefined;
  /** Why nothing may be sent; the object to mend is in its message. */
  readonly blocker: Verdict | undefined;
  readonly target: Target;
  /** Where the token stood before `target.name` changed; still ours, and to be removed. */
  readonly former: Target | undefined;
  readonly observation: Observation;
  readonly want: Want;
  readonly policy: RenewalPolicy;
  /** The source that the spec names is the one that the held token came from. */
  readonly sourceSame: boolean;
  /** Values of the refresh-requested-at annotations that ask for a login now. */
  readonly requests: {
    readonly own?: string | undefined;
    readonly provider?: string | undefined;
    /** The provider's value, whomever it asks. */
    readonly standing?: string | undefined;
  };
}

/**
 * @param key of the credential: the very text that others keep too. @throws KubeError when the API server cannot be asked; then
 * nothing is decided.
 */
export async function observe(
  key: string,
  credential: CredentialObject,
  spec: CredentialSpec,
  memory: Memory,
  context: Context,
): Promise<Observed> {
  const identity = identityOf(credential);
  const previous = memory.unwrittenStatus ?? credential.status;
  const choice = choose(credential, spec, memory, context);
  const left =
    'account' in choice && context.many()
      ? await asLeft(key, credential, spec, choice.account, memory, context)
      : undefined;
  if (left !== undefined) return left;
  let blocker = 'blocker' in choice ? choice.blocker : undefined;
  const planned =
    'account' in choice ? await makePlan(identity, spec, choice.account, memory, context) : undefined;
  blocker ??= planned?.blocker;

  const target = await readTarget(identity, targetName(identity, spec), planned?.plan, memory, context);
  if (target.owner === 'foreign') {
    blocker = {
      status: 'False',
      reason: 'SecretConflict',
      message: `Secret ${target.name} belongs to someone else and is never touched: choose another spec.target.name, or remove it.`,
    };
  }
  const formerName = nameOfFormer(identity, target, previous, context);
  const former =
    formerName === undefined
      ? undefined
      : await readTarget(identity, formerName, planned?.plan, memory, context);
  const requests = requestedRefresh(credential, spec, previous, context);

  const found = {
    key,
    identity,
    credential,
    spec,
    previous,
    memory,
    plan: planned?.plan,
    target,
    former,
    requests,
  };
  let seen = look(found, false, context);
  if (
    (seen.want.do !== 'keep' || sessionIsNewer(identity, target, context)) &&
    planned?.plan.account.flow.refreshable === true &&
    target.owner !== 'foreign'
  ) {
    await readSession(identity, memory, context);
    seen = look(found, sessionUsable(planned.plan, memory, seen.observation.held, context), context);
  }
  return { ...found, blocker, ...seen };
}

/**
 * Among many credentials, one whose Secrets have the versions that status recorded with its token: they are as we left them, and
 * not read before something is due.
 * @returns undefined where they are to be read.
 */
async function asLeft(
  key: string,
  credential: CredentialObject,
  spec: CredentialSpec,
  account: Account,
  memory: Memory,
  context: Context,
): Promise<Observed | undefined> {
  const previous = credential.status;
  const { secretName, secretVersion, sourceVersion } = previous?.token ?? {};
  const identity = identityOf(credential);
  const name = targetName(identity, spec);
  const versionOf = (secret: string): string | undefined =>
    context.secrets.get(`${identity.namespace}/${secret}`)?.metadata.resourceVersion;
  if (
    memory.source !== undefined ||
    memory.unwrittenStatus !== undefined ||
    previous?.observedGeneration !== credential.metadata.generation ||
    secretName !== name ||
    secretVersion === undefined ||
    sourceVersion === undefined ||
    versionOf(name) !== secretVersion ||
    versionOf(spec.source.secretRef.name) !== sourceVersion
  )
    return undefined;
  memory.target = { name, version: secretVersion, intact: true };
  const plan = planWithoutInputs(identity, spec, account, context);
  const target = await readTarget(identity, name, plan, memory, context);
  const requests = requestedRefresh(credential, spec, previous, context);
  const found = {
    key,
    identity,
    credential,
    spec,
    previous,
    memory,
    plan,
    target,
    former: undefined,
    requests,
  };
  const seen = look(found, false, context, 'same');
  return seen.want.do === 'keep' && target.owner === 'ours' && !sessionIsNewer(identity, target, context)
    ? { ...found, blocker: undefined, ...seen }
    : undefined;
}

/** Where the token stood before, as status says; a crash may have kept from status that it had moved on. */
function nameOfFormer(
  identity: OwnerIdentity,
  target: Target,
  previous: CredentialStatus | undefined,
  context: Context,
): string | undefined {
  const told = previous?.token?.secretName;
  const there = told !== undefined && context.secrets.get(`${identity.namespace}/${told}`) !== undefined;
  if (target.metadata === undefined && !there) return formerSecrets(identity, target.name, context)[0]?.name;
  return told === target.name ? undefined : told;
}

/** Deleted, or made again, since it was looked at: for what is gone nothing is written. */
export function isGone({ key, credential }: Observed, context: Context): boolean {
  const now = context.credentials.get(key)?.metadata;
  return now?.uid !== credential.metadata.uid || now.deletionTimestamp !== undefined;
}

export function identityOf(credential: CredentialObject): OwnerIdentity {
  const { namespace = '', name, uid } = credential.metadata;
  return { namespace, name, uid };
}

type Found = Omit<Observed, 'blocker' | 'observation' | 'want' | 'policy' | 'sourceSame'>;
type Seen = Pick<Observed, 'observation' | 'want' | 'policy' | 'sourceSame'>;

/** @param known whether the inputs are those of the held token, where they were not read. */
function look(
  found: Found,
  refreshable: boolean,
  context: Context,
  known: Observation['inputs'] = 'unknown',
): Seen {
  const { spec, target, former, memory, previous, plan, identity } = found;
  const now = context.serverTime.now();
  const policy = renewalPolicy(spec.schedule, context.settings.propagationMarginMs);
  const held = earlierExpiry(target.held ?? former?.held, previous);
  const account = accountMatch(found, held, context);
  const inputs =
    held === undefined || plan?.login === undefined
      ? known
      : context.digester.compare(held.inputs, plan.login.inputsDigest);
  const observation: Observation = {
    now,
    held,
    renewal: held === undefined ? undefined : renewal(held, policy, identity.uid),
    account,
    inputs,
    data: target.data,
    shape: target.shaped ? 'same' : 'other',
    atHand: atHand(plan, memory, now)?.held,
    copyable: isCopy(target) || (target.data === 'absent' && former !== undefined && isCopy(former)),
    refreshable,
    refreshRequested: found.requests.own !== undefined || found.requests.provider !== undefined,
  };
  return {
    observation,
    policy,
    sourceSame: held === undefined || plan === undefined || held.source === plan.source,
    want: plan === undefined ? { do: 'keep' } : decide(observation),
  };
}

/** Its data can be written as they stand. */
function isCopy({ owner, data, rendered }: Target): boolean {
  return owner !== undefined && owner !== 'foreign' && data === 'intact' && rendered;
}

/** Of two recorded expiries the earlier counts. */
function earlierExpiry(held: Held | undefined, previous: CredentialStatus | undefined): Held | undefined {
  const recorded = previous?.token;
  if (held === undefined || recorded?.expiresAt === undefined) return held;
  if (Date.parse(recorded.issuedAt) !== held.issuedAt) return held;
  const expiresAt = Math.min(held.expiresAt ?? Number.POSITIVE_INFINITY, Date.parse(recorded.expiresAt));
  return { ...held, expiresAt };
}

/** Without a provider nothing can be compared: then what the last status said of this generation still holds. */
function accountMatch(
  { plan, credential, previous }: Found,
  held: Held | undefined,
  context: Context,
): Observation['account'] {
  if (held === undefined) return 'unknown';
  if (plan !== undefined) return context.digester.compare(held.account, plan.accountDigest);
  const sameSpec = previous?.observedGeneration === credential.metadata.generation;
  const ready = conditionOf(previous, CONDITION.ready);
  return sameSpec && ready?.reason !== 'InputsChanged' ? 'same' : 'other';
}

/** A token whose value needs no request: live, and obtained for what the spec says. */
export function atHand(plan: Plan | undefined, memory: Memory, now: number): Memory['token'] {
  const token = newest(memory);
  if (plan === undefined || token === undefined || !isLive(token.held, now)) return undefined;
  if (token.held.account !== plan.accountDigest) return undefined;
  if (plan.login !== undefined && token.held.inputs !== plan.login.inputsDigest) return undefined;
  return token;
}

/** A crash may have left the session newer than what memory or the Secret hold. */
export function newest(memory: Memory): Memory['token'] {
  const session = memory.unsavedSession ?? memory.session?.content;
  const { account, inputs, answer } = session ?? {};
  const own = session?.uid === memory.uid && account !== undefined && inputs !== undefined;
  if (!own || session === undefined || answer === undefined) return memory.token;
  if (memory.token !== undefined && memory.token.held.issuedAt >= answer.issuedAt) return memory.token;
  const { token, tokenType, outputs, issuedAt, expiresAt, renewNotBefore, grant, grants } = answer;
  return {
    held: {
      account,
      inputs,
      source: session.source ?? '',
      issuedAt,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(renewNotBefore === undefined ? {} : { renewNotBefore }),
      grant,
      grants,
      sessionSequence: session.sequence,
    },
    token: { token, ...(tokenType === undefined ? {} : { tokenType }), outputs },
  };
}

/** An answer is saved before it is published: a session written after the target may hold one that a crash left there. */
function sessionIsNewer(identity: OwnerIdentity, target: Target, context: Context): boolean {
  const session = context.secrets.get(`${identity.namespace}/${sessionName(identity.name)}`);
  if (session === undefined || target.metadata === undefined) return false;
  return newerVersion(session.metadata.resourceVersion, target.metadata.resourceVersion);
}

/** A refresh token is sent only for what it was obtained for, and never one from a backup or one that was refused. */
function sessionUsable(plan: Plan, memory: Memory, held: Held | undefined, context: Context): boolean {
  const session = memory.unsavedSession ?? memory.session?.content;
  if (session?.refreshToken === undefined || plan.login === undefined || memory.loginNext === true)
    return false;
  if (session.uid !== memory.uid || session.sequence === memory.deadSession) return false;
  if (session.sequence < (held?.sessionSequence ?? 0)) return false;
  const { account, inputs } = session;
  if (account === undefined || inputs === undefined) return false;
  return (
    context.digester.compare(account, plan.accountDigest) === 'same' &&
    context.digester.compare(inputs, plan.login.inputsDigest) === 'same'
  );
}

/** What status keeps of an annotation's value. */
const HANDLED_MAX = 256;

/** One login for each new value; a provider's value is for its stalled credentials. */
function requestedRefresh(
  credential: CredentialObject,
  spec: CredentialSpec,
  previous: CredentialStatus | undefined,
  context: Context,
): Observed['requests'] {
  const own = credential.metadata.annotations?.[REFRESH_REQUESTED_AT]?.slice(0, HANDLED_MAX);
  const stalled = conditionOf(previous, CONDITION.stalled) !== undefined;
  const standing =
    spec.providerRef.kind === PROVIDER_KIND
      ? context.providers.get(spec.providerRef.name)?.refreshRequested?.slice(0, HANDLED_MAX)
      : undefined;
  return {
    own: own === previous?.lastHandledRefreshAt ? undefined : own,
    provider: stalled && standing !== previous?.lastHandledProviderRefreshAt ? standing : undefined,
    standing,
  };
}
