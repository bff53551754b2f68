import { backoff } from '../decide/backoff.ts';
import type { Verdict } from '../decide/decide.ts';
import { counted, type LoginRecord, notRefused, succeeded, unanswered } from '../decide/login-limit.ts';
import { noLaterExpiry } from '../decide/renewal.ts';
import { failuresOf } from '../decide/status.ts';
import type { Failure } from '../errors.ts';
import { type Held, isLive, type Token } from '../held.ts';
import type { Session } from '../kube/session.ts';
import type { Grant } from '../provider/types.ts';
import { isRepair } from './clearance.ts';
import type { Context } from './context.ts';
import { newest, type Observed } from './observe.ts';
import type { Answered, Attempt, Step } from './outcome.ts';
import type { LoginPlan, Plan } from './planned.ts';
import { saveSession } from './publish.ts';

export async function judge(
  observed: Observed,
  plan: Plan,
  login: LoginPlan,
  step: Step,
  { sentAt, before, read }: Answered,
  context: Context,
): Promise<Attempt | 'login instead'> {
  const { key, memory } = observed;
  const { lane } = plan;
  if (step === 'login') delete memory.loginNext;
  if (read.ok) {
    context.health.succeeded(lane, key);
    return granted(observed, plan, login, step, sentAt, before, read.grant, context);
  }
  const { failure, refreshToken } = read;
  if (refreshToken !== undefined && plan.account.flow.refreshable) {
    // A provider that rotates has killed the old one already.
    await saveSession(
      observed,
      {
        ...nextSession(memory.unsavedSession ?? memory.session?.content, plan, login, memory.uid),
        refreshToken,
      },
      context,
    );
  }
  if (step === 'refresh') {
    memory.refreshFailures += 1;
    if (failure.class === 'Rejected' || failure.class === 'Invalid') {
      memory.deadSession = (memory.unsavedSession ?? memory.session?.content)?.sequence ?? 0;
    } else context.health.failed(lane, key, failure, undefined);
    if (loginInstead(observed, failure, context)) return 'login instead';
    return failed(observed, failure, undefined, context);
  }
  const proven = before.provenAt === undefined ? undefined : login.sharedDigest;
  const forgiven = context.health.failed(lane, key, failure, proven);
  const now = context.serverTime.now();
  const record = loginAfter(before, login, failure, forgiven, now);
  if (failure.class === 'Rejected' && !forgiven)
    context.refusals.refused(login.sharedDigest, record.tries, now);
  return failed(observed, forgiven ? rejectsAll(failure) : failure, record, context);
}

/** The refresh token was refused; or refresh failed twice, or there is no time for a second try. */
function loginInstead({ memory, observation }: Observed, failure: Failure, context: Context): boolean {
  // What cannot work until the definition changes is no better the second time.
  if (failure.class === 'Rejected' || failure.class === 'Invalid') return true;
  if (failure.class === 'Throttled') return false;
  const left = (observation.held?.expiresAt ?? 0) - observation.now;
  return memory.refreshFailures >= 2 || left <= context.settings.propagationMarginMs;
}

function loginAfter(
  before: LoginRecord,
  login: LoginPlan,
  failure: Failure,
  forgiven: boolean,
  now: number,
): LoginRecord {
  if (failure.class === 'Rejected') {
    const record = counted(before, login.digests, now);
    // The provider's trouble is not counted; the bound on refusals a day holds all the same.
    return forgiven
      ? { ...notRefused(before, login.digests), refusedAt: record.refusedAt, tries: 0 }
      : record;
  }
  if (failure.sent === 'maybe') return unanswered(before, login.digests, now);
  return notRefused(before, login.digests);
}

function rejectsAll(failure: Failure): Failure {
  return {
    ...failure,
    class: 'Unavailable',
    reason: 'ProviderRejectsAll',
    message: `The provider refuses several logins that all once worked, so it is taken for its own trouble: ${failure.message}`,
  };
}

function failed(
  { memory, previous, plan }: Observed,
  failure: Failure,
  login: LoginRecord | undefined,
  context: Context,
): Attempt {
  const before = failuresOf(previous);
  const lane = plan?.lane;
  // After a restart status alone tells how long it has gone on.
  const run = memory.run ?? { reason: before?.reason, count: before?.consecutive ?? 0 };
  const count = run.reason === failure.reason ? run.count + 1 : 1;
  memory.run = { reason: failure.reason, count, ...(lane === undefined ? {} : { lane }) };
  const now = context.serverTime.now();
  const wait =
    failure.reason === 'ProviderRejectsAll' ? undefined : backoff(failure, count, context.random.next());
  return {
    kind: 'failed',
    failure,
    failures: {
      consecutive: (before?.consecutive ?? 0) + 1,
      reason: failure.reason,
      lastAt: now,
      retryAt: wait === undefined ? undefined : now + wait,
    },
    ...(login === undefined ? {} : { login }),
    verdict: { status: 'False', reason: failure.reason, message: failure.message },
  };
}

async function granted(
  observed: Observed,
  plan: Plan,
  login: LoginPlan,
  step: Step,
  sentAt: number,
  before: LoginRecord,
  grant: Grant,
  context: Context,
): Promise<Attempt> {
  const { memory, observation } = observed;
  memory.refreshFailures = 0;
  delete memory.run;
  const now = context.serverTime.now();
  const expiresAt = grant.lifetimeMs === undefined ? undefined : wholeSecond(sentAt + grant.lifetimeMs);
  const previous = observation.held?.account === plan.accountDigest ? observation.held : undefined;
  const renewNotBefore = noLaterExpiry(previous, expiresAt, now);
  const session = memory.unsavedSession ?? memory.session?.content;
  const saves = plan.account.flow.refreshable && (step === 'login' || bringsRefreshToken(grant, session));
  const next = nextSession(session, plan, login, memory.uid);
  const held: Held = {
    account: plan.accountDigest,
    inputs: login.inputsDigest,
    source: plan.source,
    issuedAt: wholeSecond(sentAt),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(renewNotBefore === undefined ? {} : { renewNotBefore: wholeSecond(renewNotBefore) }),
    grant: step === 'login' ? 'Login' : 'Refresh',
    grants: (observation.held?.grants ?? 0) + 1,
    sessionSequence: saves ? next.sequence : (session?.sequence ?? 0),
  };
  // What an answer to a refresh leaves out is as the login said: pods must not lose a key by a renewal.
  const former = step === 'refresh' ? newest(memory)?.token : undefined;
  const tokenType = grant.tokenType ?? former?.tokenType;
  const token: Token = {
    token: grant.token,
    ...(tokenType === undefined ? {} : { tokenType }),
    outputs: { ...former?.outputs, ...grant.outputs },
  };
  memory.token = { held, token };
  if (isRepair(observed, observed.want, login))
    memory.repairs = { ...memory.repairs, count: memory.repairs.count + 1, lastAt: now };
  else if (isLive(held, now)) memory.repairs.count = 0;
  let unsaved: Verdict | undefined;
  if (saves) {
    delete memory.deadSession;
    unsaved = await saveSession(observed, answerSession(next, held, token, grant.refreshToken), context);
  }
  if (step === 'login') context.refusals.accepted(login.sharedDigest);
  return {
    kind: 'granted',
    held,
    token,
    unsaved,
    ...(step === 'login' ? { login: succeeded(before, login.digests, now) } : {}),
  };
}

function bringsRefreshToken(grant: Grant, session: Session | undefined): boolean {
  return grant.refreshToken !== undefined && grant.refreshToken !== session?.refreshToken;
}

function nextSession(session: Session | undefined, plan: Plan, login: LoginPlan, uid: string): Session {
  return {
    sequence: (session?.uid === uid ? session.sequence : 0) + 1,
    uid,
    account: plan.accountDigest,
    inputs: login.inputsDigest,
    source: plan.source,
  };
}

function answerSession(
  next: Session,
  held: Held,
  { token, tokenType, outputs }: Token,
  refreshToken: string | undefined,
): Session {
  const { issuedAt, expiresAt, renewNotBefore, grant, grants } = held;
  return {
    ...next,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    answer: {
      token,
      ...(tokenType === undefined ? {} : { tokenType }),
      outputs: { ...outputs },
      issuedAt,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(renewNotBefore === undefined ? {} : { renewNotBefore }),
      grant,
      grants,
    },
  };
}

const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;
