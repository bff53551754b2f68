import { backoff } from '../decide/backoff.ts';
import type { Verdict, Want } from '../decide/decide.ts';
import {
  counted,
  type LoginRecord,
  mustCount,
  notRefused,
  succeeded,
  unanswered,
} from '../decide/login-limit.ts';
import { noLaterExpiry } from '../decide/renewal.ts';
import { type Failures, failuresOf } from '../decide/status.ts';
import type { Failure } from '../errors.ts';
import { type Held, isLive, type Token } from '../held.ts';
import type { Session } from '../kube/session.ts';
import type { Grant, ProviderRequest, Read } from '../provider/types.ts';
import { blockedBefore, clearance, isRepair, standingRecord } from './clearance.ts';
import type { Context } from './context.ts';
import { newest, type Observed } from './observe.ts';
import type { LoginPlan, Plan } from './planned.ts';
import { ensureSession, rehearse, saveSession } from './publish.ts';
import { sourceCurrent } from './source.ts';

/** What came of a wish to log in or refresh. */
export type Attempt =
  /** Woken by an event, or at `until`. */
  | { readonly kind: 'waiting'; readonly until?: number | undefined; readonly verdict?: Verdict | undefined }
  /** Only a person, or a change of the definition, can help. */
  | { readonly kind: 'stopped'; readonly verdict: Verdict }
  /** The answer could not be published, so nothing was sent. */
  | { readonly kind: 'blocked'; readonly verdict: Verdict }
  /** The world changed under us, and nothing was sent: look again. `login` takes a count back that was written already. */
  | { readonly kind: 'overtaken'; readonly login?: LoginRecord }
  | {
      readonly kind: 'failed';
      readonly failure: Failure;
      readonly failures: Failures;
      readonly login?: LoginRecord;
      readonly verdict: Verdict;
    }
  | {
      readonly kind: 'granted';
      readonly held: Held;
      readonly token: Token;
      readonly login?: LoginRecord;
      readonly unsaved?: Verdict | undefined;
    };

export interface AttemptPorts {
  /** Writes the count before a login is sent. @returns false when the credential is gone or changed: then nothing is sent. */
  readonly count: (record: LoginRecord) => Promise<boolean>;
}

type Step = 'login' | 'refresh';

/** Sends what is wanted, where it may be sent. @throws KubeError from before the sending: then nothing was sent. */
export async function attempt(
  observed: Observed,
  want: Want & { do: Step },
  context: Context,
  ports: AttemptPorts,
): Promise<Attempt> {
  const { plan, key } = observed;
  if (plan?.login === undefined) return withdraw(key, context, { kind: 'waiting' });
  const cleared = clearance(observed, want, plan.login, context);
  // Not allowed to log in, it may still refresh.
  if (want.do === 'login' && cleared.may !== 'send') delete observed.memory.loginNext;
  if (cleared.may === 'stop') return withdraw(key, context, { kind: 'stopped', verdict: cleared.verdict });
  if (cleared.may === 'wait') {
    return withdraw(key, context, { kind: 'waiting', until: cleared.until, verdict: cleared.verdict });
  }
  const doubtful = want.do === 'login' && mustCount(standingRecord(observed, plan.login, context), false);
  if (!doubtful) return admitted(observed, want, plan, plan.login, context, ports);
  const { sharedDigest } = plan.login;
  if (!context.refusals.enter(sharedDigest, key)) return withdraw(key, context, { kind: 'waiting' });
  try {
    return await admitted(observed, want, plan, plan.login, context, ports);
  } finally {
    context.refusals.leave(sharedDigest);
  }
}

async function admitted(
  observed: Observed,
  want: Want & { do: Step },
  plan: Plan,
  login: LoginPlan,
  context: Context,
  ports: AttemptPorts,
): Promise<Attempt> {
  const { key } = observed;
  const admission = context.health.admit(plan.lane, key);
  if (!admission.admitted) {
    context.gate.cancel(key);
    return { kind: 'waiting', ...waitForOrigin(admission.reason, admission.until, context) };
  }
  const place = context.gate.tryAcquire(
    key,
    plan.lane,
    plan.account.provider.limits,
    need(observed, context),
  );
  if (place === undefined) return { kind: 'waiting', until: urgentAt(observed, context) };
  let exchanged: Exchanged | undefined;
  try {
    exchanged = await exchange(observed, plan, login, want.do, context, ports);
  } finally {
    place.release();
    // Whoever did not send passes the turn to probe on; an outcome does so by itself.
    if (exchanged === undefined || 'kind' in exchanged) context.health.leave(key);
  }
  if ('kind' in exchanged) return exchanged;
  const outcome = await judge(observed, plan, login, want.do, exchanged, context);
  if (outcome !== 'login instead') return outcome;
  observed.memory.loginNext = true;
  return attempt(observed, { do: 'login', why: want.why }, context, ports);
}

/** Wants nothing sent now: whoever waits behind this key moves up. */
export function withdraw<T>(key: string, context: Context, result: T): T {
  context.gate.cancel(key);
  context.health.leave(key);
  return result;
}

function waitForOrigin(
  reason: Verdict['reason'],
  until: number | undefined,
  context: Context,
): { until?: number; verdict: Verdict } {
  const messages: Partial<Record<Verdict['reason'], string>> = {
    Throttled: 'The provider asked several credentials to wait: its origin is left alone for a while.',
    CircuitOpen:
      'The provider does not answer several credentials: one of them probes, the others wait for it.',
    ProviderRejectsAll:
      'The provider refuses several logins that all once worked, and accepts none, so nothing is counted: one of them probes every 10 minutes.',
  };
  return {
    ...(until === undefined ? {} : { until: context.serverTime.now() + until - context.clock.monotonic() }),
    verdict: { status: 'False', reason, message: messages[reason] ?? 'Waiting for the provider.' },
  };
}

/** Near its end is a renewal whose token would not outlive a mounted Secret's delay. */
function need(
  { observation, identity }: Observed,
  context: Context,
): Parameters<Context['gate']['tryAcquire']>[3] {
  const { held, now } = observation;
  const { namespace } = identity;
  if (held === undefined) return { kind: 'new', urgent: false, namespace };
  const left = (held.expiresAt ?? Number.POSITIVE_INFINITY) - now;
  return {
    kind: 'renewal',
    expiresAt: context.clock.monotonic() + left,
    urgent: left <= context.settings.propagationMarginMs,
    namespace,
  };
}

/** In line, a renewal moves up when its end is near: it must ask again then. */
function urgentAt({ observation: { held, now } }: Observed, context: Context): number | undefined {
  if (held?.expiresAt === undefined) return undefined;
  const at = held.expiresAt - context.settings.propagationMarginMs;
  return at > now ? at : undefined;
}

interface Answered {
  readonly sentAt: number;
  /** The login record before it was counted. */
  readonly before: LoginRecord;
  readonly read: Read;
}
type Exchanged = Answered | Extract<Attempt, { kind: 'blocked' | 'overtaken' | 'waiting' }>;

/** Steps 0 to 3 of the order of writes: what is to be written can be, the count, inputs current, send. */
async function exchange(
  observed: Observed,
  plan: Plan,
  login: LoginPlan,
  step: Step,
  context: Context,
  ports: AttemptPorts,
): Promise<Exchanged> {
  const { account } = plan;
  const { memory, key } = observed;
  const blocked = blockedBefore(observed);
  if (blocked !== undefined && blocked > context.serverTime.now()) return { kind: 'waiting', until: blocked };
  const inTheWay =
    (account.flow.refreshable ? await ensureSession(observed, context) : undefined) ??
    (await rehearse(observed, plan, context));
  if (inTheWay !== undefined) return { kind: 'blocked', verdict: inTheWay };

  const request =
    step === 'login'
      ? login.request
      : refreshRequest(plan, login, memory.unsavedSession ?? memory.session?.content, context);
  if (request === undefined) {
    // A refresh token that cannot be sent is as good as refused.
    memory.deadSession = (memory.unsavedSession ?? memory.session?.content)?.sequence ?? 0;
    return { kind: 'overtaken' };
  }
  const before = standingRecord(observed, login, context);
  const maySend = (): boolean =>
    isCurrent(observed, context) && context.owns(key, account.provider.limits.timeoutMs);
  if (!maySend()) return { kind: 'overtaken' };
  // A refused refresh token may be how a changed password looks.
  const failing =
    failuresOf(observed.previous) !== undefined || memory.refreshFailures > 0 || lateFor(observed, context);
  const counts = mustCount(before, failing) || observed.observation.refreshRequested;
  // What Ready says of another account is said before its token comes, too.
  if (step === 'login' && (counts || observed.observation.account === 'other')) {
    const now = context.serverTime.now();
    const written = await ports.count(counts ? counted(before, login.digests, now) : before);
    if (!written) return { kind: 'overtaken' };
    if (!maySend()) return { kind: 'overtaken', login: notRefused(before, login.digests) };
  }

  const sentAt = context.serverTime.now();
  const began = context.clock.monotonic();
  const sent = await context.outside(context.transport.send(account, request, context.abandon));
  const read: Read = sent.ok
    ? context.engine.read(account, step, sent.answer, context.serverTime.now())
    : { ok: false, failure: sent.failure };
  report(observed, plan, step, read, (context.clock.monotonic() - began) / 1000, context);
  return { sentAt, before, read };
}

/** Well past its time, it may have been sent already by a process that died of the answer. */
function lateFor({ observation: { renewal } }: Observed, context: Context): boolean {
  return renewal?.at !== undefined && renewal.at + LATE_MS < context.serverTime.now();
}
const LATE_MS = 5000;

function refreshRequest(
  plan: Plan,
  login: LoginPlan,
  session: Session | undefined,
  context: Context,
): ProviderRequest | undefined {
  if (session?.refreshToken === undefined) return undefined;
  const filled = context.engine.fillRefresh(plan.account, login.inputs, session.refreshToken);
  return filled.ok ? filled.value : undefined;
}

/** The credential is as it was decided on, and so are its inputs; nothing new is sent while draining. */
function isCurrent({ key, credential, identity, memory }: Observed, context: Context): boolean {
  const now = context.credentials.get(key)?.metadata;
  return (
    !context.draining() &&
    now !== undefined &&
    now.uid === credential.metadata.uid &&
    now.generation === credential.metadata.generation &&
    now.deletionTimestamp === undefined &&
    sourceCurrent(identity.namespace, memory, context)
  );
}

/** One log line and one count for each request sent. */
function report(
  observed: Observed,
  plan: Plan,
  step: Step,
  read: Read,
  seconds: number,
  context: Context,
): void {
  const { account } = plan;
  const { want } = observed;
  const { renewal } = observed.observation;
  // What a person or a change asks for has no time of its own to be late for.
  const due = want.do !== 'keep' && (want.why === 'RenewalDue' || want.why === 'TokenExpired');
  const lateness =
    renewal?.at === undefined || !due ? undefined : (context.serverTime.now() - renewal.at) / 1000 - seconds;
  const result = read.ok ? 'Success' : read.failure.class;
  context.metrics.refreshed({
    provider: account.provider.name,
    flow: account.flow.name,
    grant: step === 'login' ? 'Login' : 'Refresh',
    result,
    seconds,
    ...(lateness === undefined ? {} : { latenessSeconds: Math.max(0, lateness) }),
  });
  const fields = {
    namespace: observed.identity.namespace,
    name: observed.identity.name,
    provider: account.provider.name,
    flow: account.flow.name,
    environment: account.environment.name,
    grant: step === 'login' ? 'Login' : 'Refresh',
    result,
    seconds: Math.round(seconds * 1000) / 1000,
  };
  if (read.ok) context.log.info(fields, 'token obtained');
  else context.log.warn({ ...fields, reason: read.failure.reason, detail: read.failure.message }, 'no token');
}

async function judge(
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
      { ...nextSession(memory.session?.content, plan, login, memory.uid), refreshToken },
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
