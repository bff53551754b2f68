import type { CredentialStatus } from '../api/credential.ts';
import { CREDENTIAL_KIND } from '../api/names.ts';
import { CONDITION, REASONS, type Reason } from '../api/reasons.ts';
import { type Observation, readiness, type Verdict } from '../decide/decide.ts';
import type { LoginRecord } from '../decide/login-limit.ts';
import { renewal } from '../decide/renewal.ts';
import {
  conclude,
  conditionOf,
  type Failures,
  failuresOf,
  isEmpty,
  sameStatus,
  statusPatch,
  type Versions,
} from '../decide/status.ts';
import type { Held } from '../held.ts';
import type { EventFacts } from '../kube/events.ts';
import { isConflict, isNotFound } from '../kube/kube-error.ts';
import { METADATA_ONLY, Version } from '../kube/metadata-only.ts';
import { CredentialAnswer, credentialPath } from '../kube/objects.ts';
import type { ServerTime } from '../kube/server-time.ts';
import { truthfulRecord } from './clearance.ts';
import type { Context } from './context.ts';
import type { Observed } from './observe.ts';

/** What a pass through reconcile brought, for the one place that status is made from. */
export interface Facts {
  /** What the target holds now. */
  readonly held: Held | undefined;
  readonly data: Observation['data'];
  /** What to say of the last attempt; absent: as it was. */
  readonly refreshed?: Verdict | undefined;
  /** Why only a person can help; shown while no token lives. */
  readonly stopped?: Verdict | undefined;
  readonly login?: LoginRecord | undefined;
  /** `none` ends the run of failures; absent: as it was. */
  readonly failures?: Failures | 'none' | undefined;
  readonly secretName?: string | undefined;
  /** A login that was asked for by annotation is on its way, or done. */
  readonly requestHandled?: boolean;
}

export interface Concluded {
  readonly status: CredentialStatus;
  readonly ready: Verdict;
  readonly renewAt: number | undefined;
  /** Why only a person can help, also while a token lives and status does not say so yet. */
  readonly stopped: Verdict | undefined;
}

/** Status, for success and failure alike: from what was found and what came of it. Pure but for the time. */
export function statusOf(observed: Observed, facts: Facts, context: Context): Concluded {
  const { credential, spec, previous, observation, blocker, requests, policy, identity } = observed;
  const now = context.serverTime.now();
  const { held } = facts;
  const next = held === undefined ? undefined : renewal(held, policy, identity.uid);
  const fresh = held !== undefined && held.issuedAt !== observation.held?.issuedAt;
  const untold = held !== undefined && isUntold(held, previous);
  const lastRefreshed = facts.refreshed ?? (untold ? published(held) : lastAttempt(previous, held));
  const why = blocker ?? facts.stopped ?? (lastRefreshed?.status === 'False' ? lastRefreshed : undefined);
  const ready = readiness(
    {
      held,
      now,
      account: fresh ? 'same' : observation.account,
      inputs: fresh ? 'same' : observation.inputs,
      data: facts.data,
      renewal: next,
    },
    fresh || observed.sourceSame,
    spec.suspend,
    why ?? (spec.suspend ? suspended() : undefined),
  );
  const stalled = ready.status === 'False' && blocker === undefined ? facts.stopped : undefined;
  const failures =
    facts.failures === 'none' ? undefined : (facts.failures ?? (untold ? undefined : failuresOf(previous)));
  const status = conclude(previous, {
    generation: credential.metadata.generation,
    now,
    ready,
    refreshed: blocker === undefined ? lastRefreshed : { ...blocker, status: 'False' },
    stalled: stalled === undefined ? undefined : { ...stalled, status: 'True' },
    held,
    secretName: facts.secretName ?? previous?.token?.secretName ?? observed.target.name,
    renewAt: next?.at,
    versions: versionsOf(observed, held),
    login: facts.login ?? truthfulRecord(observed, held, context),
    failures,
    attempt: observed.memory.lastAttempt ?? previous?.lastAttemptId,
    handledRefresh:
      facts.requestHandled === true
        ? (requests.own ?? previous?.lastHandledRefreshAt)
        : previous?.lastHandledRefreshAt,
    handledProviderRefresh: handledProviderRefresh(observed, facts, stalled !== undefined),
  });
  return { status, ready, renewAt: next?.at, stopped: facts.stopped };
}

/** Those of the write that brought the token; later ones, of labels and the like, are not worth a write of the status. */
function versionsOf({ previous, plan, memory }: Observed, held: Held | undefined): Versions | undefined {
  const told = previous?.token;
  if (held === undefined || (told !== undefined && Date.parse(told.issuedAt) === held.issuedAt)) return told;
  if (memory.target?.intact !== true || plan?.login?.inputsDigest !== held.inputs) return undefined;
  return { secretVersion: memory.target.version, sourceVersion: memory.source?.version };
}

/** A crash, or the API server, may have kept from status that the last attempt worked: the Secret tells. */
function isUntold(held: Held, previous: CredentialStatus | undefined): boolean {
  const known = Math.max(
    Date.parse(previous?.token?.issuedAt ?? '1970-01-01T00:00:00Z'),
    failuresOf(previous)?.lastAt ?? 0,
  );
  return held.issuedAt > known;
}

/** A provider's value asks those that are stalled when it comes; it is old for who is stalled after it. */
function handledProviderRefresh(
  { requests, previous }: Observed,
  { requestHandled }: Facts,
  stalls: boolean,
): string | undefined {
  const before = previous?.lastHandledProviderRefreshAt;
  if (stalls && conditionOf(previous, CONDITION.stalled) === undefined) return requests.standing ?? before;
  return requestHandled === true ? (requests.provider ?? before) : before;
}

function suspended(): Verdict {
  return {
    status: 'False',
    reason: 'Suspended',
    message: 'spec.suspend is true: nothing is sent to the provider.',
  };
}

/** Reasons that tell of an attempt; any other stood in the way of one, and goes when it no longer does. */
const OF_ATTEMPTS: readonly Reason[] = [
  'TokenPublished',
  'Rejected',
  'Throttled',
  'Unreachable',
  'OutcomeUnknown',
  'CircuitOpen',
  'ProviderRejectsAll',
  'Unusable',
  'Redirected',
  'AddressRefused',
  'RequestInvalid',
  'PublishBlocked',
];

function lastAttempt(previous: CredentialStatus | undefined, held: Held | undefined): Verdict | undefined {
  const last = conditionOf(previous, CONDITION.refreshed);
  if (last === undefined || last.status === 'Unknown') return undefined;
  if (OF_ATTEMPTS.some(reason => reason === last.reason)) {
    return { status: last.status, reason: last.reason as Reason, message: last.message };
  }
  return held === undefined ? undefined : published(held);
}

export function published({ grant }: Pick<Held, 'grant'>): Verdict {
  return {
    status: 'True',
    reason: 'TokenPublished',
    message: `The last ${grant === 'Login' ? 'login' : 'refresh'} worked, and its token is in the Secret.`,
  };
}

/** Whoever conflicts with us as often as this is waited for. */
const TRIES_MOST = 5;

/**
 * Writes a status where it differs. A conflict is no reason to lose it: what was counted must stay counted.
 * @returns false when the credential is gone. @throws KubeError; the status is then kept in memory and counts all the same.
 */
export async function writeStatus(
  observed: Observed,
  status: CredentialStatus,
  context: Context,
): Promise<boolean> {
  const { key, identity, memory } = observed;
  const path = credentialPath(identity.namespace, identity.name);
  memory.unwrittenStatus = status;
  for (let tried = 1; ; tried += 1) {
    const latest = context.credentials.get(key);
    if (latest === undefined || latest.metadata.uid !== identity.uid) return false;
    // Whoever leads now has counted since, and knows better.
    if (!context.owns(key, 0) && isOthers(latest.status, observed)) {
      delete memory.unwrittenStatus;
      return false;
    }
    const patch = statusPatch(latest.status, status);
    if (isEmpty(patch)) {
      delete memory.unwrittenStatus;
      return true;
    }
    const { uid, resourceVersion } = latest.metadata;
    const body = { metadata: { uid, resourceVersion }, status: patch };
    try {
      const written = await context.client.mergePatch(`${path}/status`, body, Version, {
        accept: METADATA_ONLY,
      });
      delete memory.unwrittenStatus;
      memory.writtenStatus = status;
      context.credentials.set({
        ...latest,
        metadata: { ...latest.metadata, resourceVersion: written },
        status,
      });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      if (!isConflict(error) || tried >= TRIES_MOST) throw error;
    }
    try {
      const now = await context.client.get(path, CredentialAnswer);
      if (now.metadata.uid !== uid) return false;
      context.credentials.set(now);
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

/** A status that is neither as we found it nor as we wrote it. */
function isOthers(status: CredentialStatus | undefined, { credential, memory }: Observed): boolean {
  const known = [credential.status, memory.writtenStatus];
  return status !== undefined && !known.some(each => each !== undefined && sameStatus(status, each));
}

/** What the world sees besides status: gauges, and an event where something changed. */
export function announce(
  observed: Observed,
  concluded: Concluded,
  held: Held | undefined,
  context: Context,
): void {
  const { spec, plan, key } = observed;
  const { status, ready } = concluded;
  context.metrics.setCredential(key, spec.providerRef.name, {
    ready: ready.status === 'True',
    reason: ready.reason,
    begun: held !== undefined || status.login?.provenAt !== undefined,
    suspended: spec.suspend,
    expiresAt: held?.expiresAt,
    renewAt: spec.suspend ? undefined : concluded.renewAt,
    lastSuccess: held?.issuedAt,
    rejections: status.login?.tries ?? 0,
    stopped: concluded.stopped?.reason,
    failing: asReason(status.failures?.reason),
  });
  if (plan !== undefined) {
    const period =
      held === undefined || concluded.renewAt === undefined || spec.suspend
        ? undefined
        : concluded.renewAt - held.issuedAt;
    context.demand.set(key, plan.account.provider.name, plan.account.origin, period);
    context.demandChanged(plan.account.provider.name);
  } else {
    const relieved = context.demand.remove(key);
    if (relieved !== undefined) context.demandChanged(relieved);
  }
  // As a renewal in time leaves them.
  if (status.conditions === observed.previous?.conditions && !isFailed(status)) return;
  recordChanges(observed, concluded, context);
}

/** What stands in a status may have been written by anyone: a label takes only what we know. */
function asReason(text: string | undefined): Reason | undefined {
  return text !== undefined && Object.hasOwn(REASONS, text) ? (text as Reason) : undefined;
}

function isFailed(status: CredentialStatus): boolean {
  return conditionOf(status, CONDITION.refreshed)?.status === 'False';
}

/**
 * An event where something changed, and one more of its series for each attempt that fails again; a token that is renewed in time is
 * no event. What several conditions say for one reason is said once.
 */
function recordChanges(observed: Observed, { status }: Concluded, context: Context): void {
  const { identity, credential, previous } = observed;
  const regarding = {
    kind: CREDENTIAL_KIND,
    ...identity,
    resourceVersion: credential.metadata.resourceVersion,
  };
  const attempt = status.lastAttemptId === previous?.lastAttemptId ? undefined : status.lastAttemptId;
  const told = new Set<string>();
  for (const type of [CONDITION.stalled, CONDITION.ready, CONDITION.refreshed]) {
    const before = conditionOf(previous, type);
    const after = conditionOf(status, type);
    if (after === undefined || told.has(after.reason)) continue;
    const changed = before?.status !== after.status || before.reason !== after.reason;
    const failedAgain = type === CONDITION.refreshed && after.status === 'False' && attempt !== undefined;
    if (!changed && !failedAgain) continue;
    // A first success, and one that makes it ready again, say so by Ready.
    if (type === CONDITION.refreshed && after.status === 'True' && (before === undefined || told.size > 0))
      continue;
    told.add(after.reason);
    const ofAttempt = OF_ATTEMPTS.some(reason => reason === after.reason);
    const event: EventFacts = {
      type: type !== CONDITION.stalled && after.status === 'True' ? 'Normal' : 'Warning',
      reason: after.reason as Reason,
      action: ofAttempt ? 'Refresh' : 'Reconcile',
      note: attempt === undefined ? after.message : `${after.message} (attempt ${attempt})`,
    };
    if (changed) context.events.record(regarding, event);
    else context.events.repeat(regarding, event);
  }
}

/** Whatever is computed, a key never spins. */
const SOONEST_MS = 50;

/**
 * Milliseconds from now to the next look that no event brings: renewal, retry, expiry.
 * @param seenAt when this look began, by the API server's clock: what has fallen due since was not acted on, and needs another.
 */
export function nextLook(
  { renewAt }: Pick<Concluded, 'renewAt'>,
  held: Pick<Held, 'expiresAt'> | undefined,
  until: number | undefined,
  seenAt: number,
  serverTime: Pick<ServerTime, 'until'>,
): number | undefined {
  const times: number[] = [];
  if (until !== undefined) times.push(until);
  if (held?.expiresAt !== undefined && held.expiresAt > seenAt) times.push(held.expiresAt);
  // Also of a token that is dead: where no later expiry was to be had, the next try comes just after the end.
  if (renewAt !== undefined && renewAt > seenAt) times.push(renewAt);
  const next = Math.min(...times);
  // Both clocks may be off by a millisecond; a look too early would find nothing to do.
  return Number.isFinite(next) ? Math.max(SOONEST_MS, serverTime.until(next) + 1) : undefined;
}
