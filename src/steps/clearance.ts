import { CONDITION, REASONS, type Reason } from '../api/reasons.ts';
import { type Check, grantSpacing, type Verdict, type Want } from '../decide/decide.ts';
import { forgiven, type LoginRecord, mayLogin, settled, standing } from '../decide/login-limit.ts';
import { conditionOf, failuresOf, loginRecord } from '../decide/status.ts';
import { type Held, isLive } from '../held.ts';
import type { Context } from './context.ts';
import type { Observed } from './observe.ts';
import type { LoginPlan } from './planned.ts';

/** Whether what is wanted may be sent now. Reads; changes nothing. Times in ms, by the API server's clock. */
export type Clearance =
  | { readonly may: 'send' }
  | { readonly may: 'wait'; readonly until?: number | undefined; readonly verdict?: Verdict | undefined }
  /** Only a person, or a change of the definition, can help. */
  | { readonly may: 'stop'; readonly verdict: Verdict };

const HOUR_MS = 3_600_000;
/** What is on record is cut to the second, and two processes may read the server's clock as differently. */
const RECORDED_WITHIN_MS = 2000;
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
  const spaced =
    Math.max(grantSpacing(observation.held), repairSpacing(observed, want, login)) + RECORDED_WITHIN_MS;
  if (spaced > now) return { may: 'wait', until: spaced };
  const retry = backingOff(observed, login, context);
  if (retry !== undefined && retry > now) return { may: 'wait', until: retry };
  return want.do === 'refresh' ? { may: 'send' } : loginClearance(observed, login, context);
}

/** Until when the API server's refusal to take the target is waited out; another spec is another matter, and so is a target that was deleted. */
export function blockedBefore({ memory, credential, target }: Observed): number | undefined {
  const { blocked } = memory;
  const same = blocked?.generation === credential.metadata.generation && blocked.uid === target.metadata?.uid;
  return same ? blocked.retryAt : undefined;
}

/** The login record as status should tell it: without what a crash, or the provider's own trouble, made untrue. */
export function truthfulRecord(
  { previous, plan }: Observed,
  held: Held | undefined,
  context: Context,
): LoginRecord {
  const record = loginRecord(previous);
  if (plan?.login === undefined) return record;
  const { login, accountDigest } = plan;
  const brought =
    held?.grant === 'Login' && held.account === accountDigest && held.inputs === login.inputsDigest;
  return pardoned(brought ? settled(record, login.digests, held.issuedAt) : record, plan.lane, context);
}

/** The login record as it stands for the request that would be sent, with what others found out about the same one. */
export function standingRecord(observed: Observed, login: LoginPlan, context: Context): LoginRecord {
  const { observation, plan } = observed;
  const own = standing(truthfulRecord(observed, observation.held, context), login.digests);
  const known = context.refusals.known(login.sharedDigest, own, observation.now);
  return plan === undefined ? known : pardoned(known, plan.lane, context);
}

function pardoned(record: LoginRecord, lane: string, { health, clock, serverTime }: Context): LoginRecord {
  const until = health.rejectsAll(lane)
    ? Number.POSITIVE_INFINITY
    : health.forgivenAt(lane) - clock.monotonic() + serverTime.now();
  return (record.lastTriedAt ?? 0) < until ? forgiven(record) : record;
}

/** Whether a login may be refused without locking the account. */
function loginClearance(observed: Observed, login: LoginPlan, context: Context): Clearance {
  const record = standingRecord(observed, login, context);
  const oneTry = observed.observation.refreshRequested || definitionChanged(record, login);
  const invalid = invalidBefore(observed, record);
  if (!oneTry && invalid !== undefined) return { may: 'stop', verdict: invalid };
  const permission = limit(observed, record, oneTry, context);
  const own = failuresOf(observed.previous);
  return permission.may === 'wait' && own === undefined
    ? { ...permission, verdict: REFUSED_TO_OTHERS }
    : permission;
}

const REFUSED_TO_OTHERS: Verdict = {
  status: 'False',
  reason: 'Rejected',
  message:
    'The provider refused this very login, sent for another credential or before this one was made again: the next try comes by itself.',
};

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
const INVALID: readonly Reason[] = ['Redirected', 'AddressRefused', 'RequestInvalid'];

function invalidBefore({ previous }: Observed, record: LoginRecord): Verdict | undefined {
  const failed = failuresOf(previous)?.reason;
  const reason = INVALID.find(reason => reason === failed);
  if (reason === undefined || record.definition === undefined) return undefined;
  const last = conditionOf(previous, CONDITION.refreshed);
  const message = last?.reason === reason ? last.message : REASONS[reason];
  return { status: 'True', reason, message };
}

/** A changed login definition gives one try. */
function definitionChanged(record: LoginRecord, login: LoginPlan): boolean {
  return record.definition !== undefined && record.definition !== login.digests.definition;
}

/**
 * When the present run of failures lets us try again. A request by annotation, new inputs, a changed login definition,
 * a turn to probe, and the recovery of the whole origin lift it; a provider's own "wait" (Throttled) none of them lifts.
 */
function backingOff(observed: Observed, login: LoginPlan, context: Context): number | undefined {
  const { previous, observation, plan, key } = observed;
  const failures = failuresOf(previous);
  if (failures?.retryAt === undefined || plan === undefined) return undefined;
  // Another origin did not ask to wait; after a restart nothing tells which did.
  const elsewhere = (observed.memory.run?.lane ?? plan.lane) !== plan.lane;
  if (failures.reason === 'Throttled') return elsewhere ? undefined : failures.retryAt;
  if (observation.refreshRequested) return undefined;
  const record = loginRecord(previous);
  if (record.inputs !== login.digests.digest || definitionChanged(record, login)) return undefined;
  const { lane } = plan;
  if (context.health.isProbing(lane, key)) return undefined;
  // Its turn to be refused again comes from the line, not from its own count.
  if (record.provenAt !== undefined && context.health.rejectsAll(lane)) return undefined;
  const recovered = context.health.recoveredAt(lane) - context.clock.monotonic() + context.serverTime.now();
  return recovered > failures.lastAt ? undefined : failures.retryAt;
}

/** Logins that put back what someone changed or deleted: at least a minute apart, doubling to an hour. */
function repairSpacing(observed: Observed, want: Want, login: LoginPlan): number {
  if (!isRepair(observed, want, login)) return Number.NEGATIVE_INFINITY;
  const { count, lastAt } = observed.memory.repairs;
  return Math.max(
    lastGrantAt(observed, login) + MINUTE_MS,
    lastAt + Math.min(HOUR_MS, MINUTE_MS * 2 ** Math.min(count, 10)),
  );
}

/** Whether a login would put back what was there, and not bring what is new, nor what the API server did not take. */
export function isRepair(observed: Observed, want: Want, login: LoginPlan): boolean {
  return (
    want.do === 'login' &&
    observed.memory.blocked === undefined &&
    REPAIRS.includes(want.why) &&
    lastGrantAt(observed, login) !== Number.NEGATIVE_INFINITY
  );
}

const REPAIRS: readonly Check[] = ['SecretEdited', 'SecretMissing', 'TokenMissing', 'ShapeChanged'];

/** When a token was last brought, as far as anything still tells: its Secret may be gone. */
function lastGrantAt({ previous, observation }: Observed, login: LoginPlan): number {
  const record = loginRecord(previous);
  return Math.max(
    observation.held?.issuedAt ?? Number.NEGATIVE_INFINITY,
    previous?.token === undefined ? Number.NEGATIVE_INFINITY : Date.parse(previous.token.issuedAt),
    record.inputs === login.digests.digest
      ? (record.provenAt ?? Number.NEGATIVE_INFINITY)
      : Number.NEGATIVE_INFINITY,
  );
}
