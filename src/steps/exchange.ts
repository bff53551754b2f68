import { attemptId } from '../decide/attempt-id.ts';
import { counted, mustCount, notRefused } from '../decide/login-limit.ts';
import { failuresOf } from '../decide/status.ts';
import type { Session } from '../kube/session.ts';
import type { Account, ProviderRequest, Read, Sent } from '../provider/types.ts';
import { blockedBefore, standingRecord } from './clearance.ts';
import type { Context } from './context.ts';
import type { Observed } from './observe.ts';
import type { Answered, Attempt, AttemptPorts, Step } from './outcome.ts';
import type { LoginPlan, Plan } from './planned.ts';
import { ensureSession, rehearse } from './publish.ts';
import { sourceCurrent } from './source.ts';

export type Exchanged = Answered | Extract<Attempt, { kind: 'blocked' | 'overtaken' | 'waiting' }>;

/** Steps 0 to 3 of the order of writes: what is to be written can be, the count, inputs current, send. */
export async function exchange(
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
  const { timeoutMs } = account.provider.limits;
  if (!isCurrent(observed, context)) return { kind: 'overtaken' };
  // It comes back when it is ours again.
  if (!context.owns(key, timeoutMs)) return { kind: 'waiting' };
  // A refused refresh token may be how a changed password looks.
  const failing =
    failuresOf(observed.previous) !== undefined || memory.refreshFailures > 0 || lateFor(observed, context);
  const counts = mustCount(before, failing) || observed.observation.refreshRequested;
  let takenBack: Pick<Extract<Attempt, { kind: 'overtaken' }>, 'login'> = {};
  // What Ready says of another account is said before its token comes, too.
  if (step === 'login' && (counts || observed.observation.account === 'other')) {
    const now = context.serverTime.now();
    const written = await ports.count(counts ? counted(before, login.digests, now) : before);
    if (!written) return { kind: 'overtaken' };
    takenBack = { login: notRefused(before, login.digests) };
    if (!mayStart(observed, timeoutMs, context)) return { kind: 'overtaken', ...takenBack };
  }

  const sentAt = context.serverTime.now();
  const began = context.clock.monotonic();
  const sent = await send(observed, account, request, context);
  if (sent === 'held back') return { kind: 'overtaken', ...takenBack };
  const read: Read = sent.ok
    ? context.engine.read(account, step, sent.answer, context.serverTime.now())
    : { ok: false, failure: sent.failure };
  const id = attemptId(observed.identity.uid, step, sentAt);
  memory.lastAttempt = id;
  report(observed, plan, step, read, id, (context.clock.monotonic() - began) / 1000, context);
  return { sentAt, before, read };
}

/** Sends, unless the key was lost or changed while the connection was made: the provider has no part in that. */
async function send(
  observed: Observed,
  account: Account,
  request: ProviderRequest,
  context: Context,
): Promise<Sent | 'held back'> {
  const abandon = context.abandon(observed.key);
  const may = (ms: number): boolean => mayStart(observed, ms, context);
  const sent = await context.outside(context.transport.send(account, request, abandon, may));
  const heldBack = !sent.ok && sent.failure.sent === 'no' && (abandon.aborted || !may(0));
  return heldBack ? 'held back' : sent;
}

function mayStart(observed: Observed, ms: number, context: Context): boolean {
  return isCurrent(observed, context) && context.owns(observed.key, ms);
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
  attempt: string,
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
    credential: observed.key,
    attempt,
    provider: account.provider.name,
    flow: account.flow.name,
    environment: account.environment.name,
    grant: step === 'login' ? 'Login' : 'Refresh',
    class: result,
    durationMs: Math.round(seconds * 1000),
  };
  if (read.ok) context.log.info(fields, 'token obtained');
  else context.log.warn({ ...fields, reason: read.failure.reason, detail: read.failure.message }, 'no token');
}
