import type { Verdict, Want } from '../decide/decide.ts';
import { mustCount } from '../decide/login-limit.ts';
import { clearance, standingRecord } from './clearance.ts';
import type { Context } from './context.ts';
import { type Exchanged, exchange } from './exchange.ts';
import { judge } from './judge.ts';
import type { Observed } from './observe.ts';
import type { Attempt, AttemptPorts, Step } from './outcome.ts';
import type { LoginPlan, Plan } from './planned.ts';

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
    context.limits(plan.account.provider.limits),
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
