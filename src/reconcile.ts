import type { Verdict } from './decide/decide.ts';
import { failuresOf } from './decide/status.ts';
import type { CredentialObject } from './kube/objects.ts';
import { sleep } from './loop/clock.ts';
import { attempt, withdraw } from './steps/attempt.ts';
import { blockedBefore, limit } from './steps/clearance.ts';
import { announce, type Facts, nextLook, published, statusOf, writeStatus } from './steps/conclude.ts';
import type { Context } from './steps/context.ts';
import { copySecret } from './steps/copy.ts';
import { type Memory, newMemory } from './steps/memory.ts';
import { atHand, isGone, type Observed, observe } from './steps/observe.ts';
import type { Attempt } from './steps/outcome.ts';
import { publishToken, removeFormer, saveSession, type Written } from './steps/publish.ts';
import { refuseSpec } from './steps/refuse-spec.ts';

/**
 * The story of one token: observe, decide, act, publish, conclude, and when to look again.
 *
 * Knows a key and nothing of why it is looked at. Run for one key at a time, and any number of keys at once.
 * @returns ms to the next look; undefined when an event will bring it.
 * @throws KubeError when the API server stands in the way; what must not be lost is then in memory, and the key is retried.
 */
export async function reconcile(key: string, context: Context): Promise<number | undefined> {
  const credential = context.credentials.get(key);
  if (credential === undefined || credential.metadata.deletionTimestamp !== undefined) {
    forget(key, context);
    return undefined;
  }
  const memory = remember(key, credential, context);
  try {
    return await pass(key, credential, memory, context);
  } finally {
    context.memories.rest(key);
  }
}

async function pass(
  key: string,
  credential: CredentialObject,
  memory: Memory,
  context: Context,
): Promise<number | undefined> {
  if (credential.spec === undefined) return withdraw(key, context, refuseSpec(key, credential, context));

  const observed = await observe(key, credential, credential.spec, memory, context);
  const { facts, until } = await act(observed, context);
  const concluded = statusOf(observed, facts, context);
  if (!(await writeStatus(observed, concluded.status, context))) return undefined;
  announce(observed, concluded, facts.held, context);
  return nextLook(concluded, facts.held, until, observed.observation.now, context.serverTime);
}

interface Done {
  readonly facts: Facts;
  /** When to try again, ms by the API server's clock. */
  readonly until?: number | undefined;
}

async function act(observed: Observed, context: Context): Promise<Done> {
  const { memory } = observed;
  const unsaved =
    memory.unsavedSession === undefined
      ? undefined
      : await saveSession(observed, memory.unsavedSession, context);
  const { facts, until } = await pursue(observed, context);
  // Nothing goes on after a drain: it waits for this, as long as its grace lasts.
  while (context.draining() && memory.unsavedSession !== undefined && !isGone(observed, context)) {
    const saved = await saveSession(observed, memory.unsavedSession, context);
    if (saved !== undefined) await sleep(context.clock, 500);
  }
  if (memory.unsavedSession === undefined) return { facts, until };
  // Whatever else came of it, saving goes on.
  const saveAt = context.serverTime.now() + SAVE_AGAIN_MS;
  return {
    facts: { ...facts, refreshed: facts.refreshed ?? unsaved },
    until: Math.min(until ?? saveAt, saveAt),
  };
}

async function pursue(observed: Observed, context: Context): Promise<Done> {
  const { want, blocker, target, key, plan } = observed;
  const asItWas = { held: observed.observation.held, data: target.data };
  if (target.owner === 'foreign' || plan === undefined) return withdraw(key, context, { facts: asItWas });
  switch (want.do) {
    case 'keep':
      await removeFormer(observed, context);
      return withdraw(key, context, { facts: { ...asItWas, secretName: target.name } });
    case 'publish':
    case 'copy':
      return withdraw(key, context, await republish(observed, context));
    case 'login':
    case 'refresh':
      // Nothing may be sent; what is held is kept as it is.
      if (blocker !== undefined) return withdraw(key, context, { facts: asItWas });
      return settle(
        observed,
        await attempt(observed, want, context, { count: record => count(observed, record, context) }),
        context,
      );
  }
}

const SAVE_AGAIN_MS = 10_000;
const LOOK_AGAIN_MS = 1000;
const CALM_MS = 600_000;

/** Counts a login in status before it is sent. */
async function count(
  observed: Observed,
  login: NonNullable<Facts['login']>,
  context: Context,
): Promise<boolean> {
  const { observation, target, memory, previous } = observed;
  const facts: Facts = { held: observation.held, data: target.data, login, requestHandled: true };
  try {
    return await writeStatus(observed, statusOf(observed, facts, context).status, context);
  } catch (error) {
    // Nothing is sent then: the count is not true, although its write may have got through.
    if (previous === undefined) delete memory.unwrittenStatus;
    else memory.unwrittenStatus = previous;
    throw error;
  }
}

/** The Secret is not as it should be, and the token's value is at hand: no request is needed. */
async function republish(observed: Observed, context: Context): Promise<Done> {
  const { plan, memory, observation, target, want } = observed;
  calm(observed, context);
  const asItWas = { held: observation.held, data: target.data };
  const now = context.serverTime.now();
  const wait = Math.max(blockedBefore(observed) ?? 0, repairAgainAt(memory));
  if (wait > now) return { facts: asItWas, until: wait };
  const token = atHand(plan, memory, now);
  if (plan === undefined || (token === undefined && want.do !== 'copy')) {
    return { facts: asItWas, until: now + LOOK_AGAIN_MS };
  }
  // What the API server did not take nobody has changed.
  if (want.do !== 'keep' && want.why !== 'TokenNewerAtHand' && memory.blocked === undefined) {
    memory.repairs = { ...memory.repairs, count: memory.repairs.count + 1, lastAt: now };
    context.log.info({ credential: observed.key, check: want.why }, 'Secret written again');
  }
  if (token === undefined) return publish(observed, () => copySecret(observed, plan, context), {}, context);
  const write = () => publishToken(observed, plan, token.held, token.token, context);
  return publish(observed, write, {}, context);
}

/** Ten minutes of calm, or another wish of the author, end an edit war. */
function calm({ memory, credential }: Observed, context: Context): void {
  const { generation } = credential.metadata;
  const { repairs } = memory;
  if (repairs.generation === generation && context.serverTime.now() - repairs.lastAt < CALM_MS) return;
  memory.repairs = { count: 0, lastAt: 0, generation };
}

/** Against an edit war: three repairs at once, then ever further apart, up to a minute. */
function repairAgainAt({ repairs }: Memory): number {
  return repairs.count < 3
    ? 0
    : repairs.lastAt + Math.min(60_000, 1000 * 2 ** Math.min(10, repairs.count - 3));
}

/** What came of an attempt, as facts for status; a granted token is published on the way. */
async function settle(observed: Observed, result: Attempt, context: Context): Promise<Done> {
  const { observation, target } = observed;
  const now = context.serverTime.now();
  const asItWas = { held: observation.held, data: target.data };
  switch (result.kind) {
    case 'waiting':
      // Its own failure says more than that it waits in line for the next probe.
      return {
        facts: {
          ...asItWas,
          refreshed:
            result.verdict?.reason === 'CircuitOpen' && failuresOf(observed.previous) !== undefined
              ? undefined
              : result.verdict,
        },
        until: result.until,
      };
    case 'stopped':
      return { facts: { ...asItWas, stopped: result.verdict } };
    case 'overtaken':
      return { facts: { ...asItWas, login: result.login }, until: now + LOOK_AGAIN_MS };
    case 'blocked':
      return {
        facts: { ...asItWas, refreshed: result.verdict },
        until: blockedUntil(observed, result.verdict, false, now),
      };
    case 'granted': {
      const { login, unsaved } = result;
      const { plan } = observed;
      if (plan === undefined) return { facts: asItWas };
      return publish(
        observed,
        () => publishToken(observed, plan, result.held, result.token, context),
        { login, refreshed: unsaved, failures: 'none', requestHandled: true },
        context,
      );
    }
    case 'failed':
      return failed(observed, result, asItWas, context);
  }
}

async function publish(
  observed: Observed,
  write: () => Promise<Written | undefined>,
  facts: Partial<Facts>,
  context: Context,
): Promise<Done> {
  const { observation, target } = observed;
  const asItWas = { ...facts, held: observation.held, data: target.data };
  if (isGone(observed, context)) return { facts: asItWas };
  const written = await write();
  if (written === undefined) return { facts: asItWas, until: context.serverTime.now() + LOOK_AGAIN_MS };
  if (!written.ok) {
    return {
      facts: { ...asItWas, refreshed: written.verdict },
      until: blockedUntil(observed, written.verdict, written.later, context.serverTime.now()),
    };
  }
  await removeFormer(observed, context);
  // A token that is put back tells nothing of an attempt that failed since.
  const { previous } = observed;
  const known = observation.held?.issuedAt ?? Date.parse(previous?.token?.issuedAt ?? '');
  const repaired = written.held.issuedAt === known && failuresOf(previous) !== undefined;
  return {
    facts: {
      ...facts,
      held: written.held,
      data: 'intact',
      secretName: target.name,
      refreshed: facts.refreshed ?? (repaired ? undefined : published(written.held)),
    },
  };
}

/**
 * The API server refuses the write: tried again after half a minute, doubling to ten.
 * @param later it is not well: tried again after a second, doubling to half a minute, since the token is losing time.
 */
function blockedUntil(
  { memory, credential, target }: Observed,
  verdict: Verdict,
  later: boolean,
  now: number,
): number {
  // The watch tells when a stranger's Secret goes.
  if (verdict.reason === 'SecretConflict') return now + 30_000;
  const refused = (memory.blocked?.count ?? 0) + 1;
  const [first, most] = later ? [1000, 30_000] : [30_000, 600_000];
  const retryAt = now + Math.min(most, first * 2 ** Math.min(10, refused - 1));
  const { generation } = credential.metadata;
  memory.blocked = { count: refused, retryAt, generation, uid: target.metadata?.uid };
  return retryAt;
}

function failed(
  observed: Observed,
  { failure, failures, login, verdict }: Extract<Attempt, { kind: 'failed' }>,
  asItWas: Pick<Facts, 'held' | 'data'>,
  context: Context,
): Done {
  const next = login === undefined ? undefined : limit(observed, login, false, context);
  const stopped = failure.class === 'Invalid' ? verdict : next?.may === 'stop' ? next.verdict : undefined;
  const waits = [failures.retryAt, next?.may === 'wait' ? next.until : undefined].filter(
    at => at !== undefined,
  );
  const retryAt = stopped !== undefined || waits.length === 0 ? undefined : Math.max(...waits);
  return {
    facts: {
      ...asItWas,
      login,
      refreshed: verdict,
      stopped,
      failures: { ...failures, retryAt },
      requestHandled: login !== undefined,
    },
    until: retryAt,
  };
}

/** What is remembered belongs to one UID; a credential made again under the same name starts with nothing. */
function remember(key: string, credential: CredentialObject, context: Context): Memory {
  const known = context.memories.hold(key, credential.metadata.uid);
  if (known !== undefined) return known;
  if (context.memories.has(key)) forget(key, context);
  const memory = newMemory(credential.metadata.uid);
  context.memories.set(key, memory);
  return memory;
}

/** Drops all that is remembered of a credential that is gone, or another replica's. */
export function forget(key: string, context: Context): void {
  context.memories.delete(key);
  context.gate.cancel(key);
  context.health.forget(key);
  const relieved = context.demand.remove(key);
  if (relieved !== undefined) context.demandChanged(relieved);
  context.metrics.removeCredential(key);
}
