import type { Condition } from '../api/meta.ts';
import { CONDITION, type Reason } from '../api/reasons.ts';
import { grantSpacing, type Verdict, type Want } from '../decide/decide.ts';
import { type LoginRecord, mayLogin, standing } from '../decide/login-limit.ts';
import { conditionOf, failuresOf, loginRecord } from '../decide/status.ts';
import { isLive } from '../held.ts';
import type { Context } from './context.ts';
import type { Observed } from './observe.ts';
import type { LoginPlan } from './plan.ts';

/** Whether what is wanted may be sent now. Reads; changes nothing. Times in ms, by the API server's clock. */
export type Clearance =
  | { readonly may: 'send' }
  | { readonly may: 'wait'; readonly until?: number | undefined; readonly verdict?: Verdict | undefined }
  /** Only a person, or a change of the definition, can help. */
  | { readonly may: 'stop'; readonly verdict: Verdict };

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Spacing of grants, of repairs of an edited Secret, and backoff after a failure. */
export function clearance(
  observed: Observed,
  want: Want & { do: 'login' | 'refresh' },
  login: LoginPlan,
  context: Context,
): Clearance {
  const { observation, spec } = observed;
  const { now } = observation;
  if (spec.suspend) return { may: 'wait' };
  const spaced = Math.max(grantSpacing(observation.held), repairSpacing(observed, want));
  if (spaced > now) return { may: 'wait', until: spaced };
  const retry = backingOff(observed, login, context);
  if (retry !== undefined && retry > now) return { may: 'wait', until: retry };
  return want.do === 'refresh' ? { may: 'send' } : loginClearance(observed, login, context);
}

/** Until when the API server's refusal to take the target is waited out; another spec is another matter. */
export function blockedBefore({ memory, credential }: Observed): number | undefined {
  const { blocked } = memory;
  return blocked?.generation === credential.metadata.generation ? blocked.retryAt : undefined;
}

/** The login record as it stands for the request that would be sent, with what others found out about the same one. */
export function standingRecord(observed: Observed, login: LoginPlan, context: Context): LoginRecord {
  const own = standing(loginRecord(observed.previous), login.digests);
  return context.refusals.known(login.sharedDigest, own, observed.observation.now);
}

/** Whether a login may be refused without locking the account. */
function loginClearance(observed: Observed, login: LoginPlan, context: Context): Clearance {
  const record = standingRecord(observed, login, context);
  const oneTry = observed.observation.refreshRequested || definitionChanged(record, login);
  const last = conditionOf(observed.previous, CONDITION.refreshed);
  if (!oneTry && last !== undefined && invalidSince(last, record)) {
    return { may: 'stop', verdict: { status: 'True', reason: last.reason as Reason, message: last.message } };
  }
  return limit(observed, record, oneTry, context);
}

/** What the count says of a next login. @param oneTry lifts it once. */
export function limit(observed: Observed, record: LoginRecord, oneTry: boolean, context: Context): Clearance {
  const { observation, plan } = observed;
  const now = context.serverTime.now();
  const live = observation.held !== undefined && isLive(observation.held, now);
  const permission = mayLogin(
    record,
    {
      maxRejections: plan?.account.flow.maxRejections ?? 1,
      rejectionDelaysMs: context.settings.rejectionDelaysMs,
    },
    now,
    live ? observation.held?.expiresAt : undefined,
    oneTry,
  );
  if (permission.may !== 'stop') return permission;
  return {
    may: 'stop',
    verdict: permission.why === 'rejections' ? refusedTooOften(record) : unansweredTooOften(record),
  };
}

function refusedTooOften(record: LoginRecord): Verdict {
  return {
    status: 'True',
    reason: 'RejectionLimit',
    message: `The provider refused this login ${record.tries} times, and no more are sent, so that the account is not locked: correct the source Secret; or, if it is right, annotate tokensync.dev/refresh-requested-at for one more try.`,
  };
}

function unansweredTooOften(record: LoginRecord): Verdict {
  return {
    status: 'True',
    reason: 'OutcomeUnknown',
    message: `${record.unanswered} logins with these inputs, which never worked, got no clear answer, and that may be how a wrong password looks: check the source Secret, then annotate tokensync.dev/refresh-requested-at for one more try.`,
  };
}

/** Reasons after which nothing is sent until the definition changes. */
const INVALID: readonly string[] = ['Redirected', 'AddressRefused', 'RequestInvalid'];

function invalidSince(last: Condition, record: LoginRecord): boolean {
  return last.status === 'False' && INVALID.includes(last.reason) && record.definition !== undefined;
}

/** A changed login definition gives one try. */
function definitionChanged(record: LoginRecord, login: LoginPlan): boolean {
  return record.definition !== undefined && record.definition !== login.digests.definition;
}

/**
 * When the present run of failures lets us try again. A request by annotation, new inputs, a turn to probe, and the
 * recovery of the whole origin lift it; a provider's own "wait" (Throttled) none of them lifts.
 */
function backingOff(observed: Observed, login: LoginPlan, context: Context): number | undefined {
  const { previous, observation, plan, key } = observed;
  const failures = failuresOf(previous);
  if (failures?.retryAt === undefined || plan === undefined) return undefined;
  const last = conditionOf(previous, CONDITION.refreshed);
  if (last?.reason === 'Throttled') return failures.retryAt;
  if (observation.refreshRequested) return undefined;
  if (loginRecord(previous).inputs !== login.digests.digest) return undefined;
  const { lane } = plan;
  if (context.health.isProbing(lane, key)) return undefined;
  const recovered = context.health.recoveredAt(lane) - context.clock.monotonic() + context.serverTime.now();
  return recovered > failures.lastAt ? undefined : failures.retryAt;
}

/** Logins that put back what someone changed or deleted: at least a minute apart, doubling to an hour. */
function repairSpacing({ previous, memory, observation }: Observed, want: Want): number {
  const repairing =
    want.do === 'login' &&
    (want.why === 'SecretEdited' || want.why === 'SecretMissing' || want.why === 'TokenMissing');
  const published = previous?.token;
  if (!repairing || published === undefined) return Number.NEGATIVE_INFINITY;
  const issuedAt = Math.max(Date.parse(published.issuedAt), observation.held?.issuedAt ?? 0);
  const { count, lastAt } = memory.repairs;
  return Math.max(issuedAt + MINUTE_MS, lastAt + Math.min(HOUR_MS, MINUTE_MS * 2 ** Math.min(count, 10)));
}
