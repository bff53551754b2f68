import type { Verdict } from './decide/decide.ts';
import { succeeded, uncounted } from './decide/login-limit.ts';
import type { CredentialObject } from './kube/objects.ts';
import { type Attempt, attempt, withdraw } from './steps/attempt.ts';
import { blockedBefore, limit, standingRecord } from './steps/clearance.ts';
import { announce, type Facts, nextLook, published, statusOf, writeStatus } from './steps/conclude.ts';
import type { Context } from './steps/context.ts';
import { type Memory, newMemory } from './steps/memory.ts';
import { atHand, type Observed, observe } from './steps/observe.ts';
import { publishToken, removeFormer, saveSession } from './steps/publish.ts';
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
  if (credential.spec === undefined) return refuseSpec(key, credential, context);

  const observed = await observe(credential, credential.spec, memory, context);
  const { facts, until } = await act(observed, context);
  const concluded = statusOf(observed, facts, context);
  if (!(await writeStatus(observed, concluded.status, context))) return undefined;
  announce(observed, concluded, facts.held, context);
  return nextLook(concluded, facts.held, until, context);
}

interface Done {
  readonly facts: Facts;
  /** When to try again, ms by the API server's clock. */
  readonly until?: number | undefined;
}

async function act(observed: Observed, context: Context): Promise<Done> {
  const { want, blocker, target, key, memory, plan } = observed;
  const asItWas = { held: observed.observation.held, data: target.data };
  if (target.owner === 'foreign' || plan === undefined) return withdraw(key, context, { facts: asItWas });
  const unsaved =
    memory.unsavedSession === undefined
      ? undefined
      : await saveSession(observed, memory.unsavedSession, context);
  const saving = unsaved === undefined ? {} : { until: context.serverTime.now() + SAVE_AGAIN_MS };
  switch (want.do) {
    case 'keep':
      await removeFormer(observed, context);
      return withdraw(key, context, {
        facts: { ...asItWas, refreshed: unsaved, secretName: target.name },
        ...saving,
      });
    case 'publish':
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

/** Counts a login in status before it is sent. */
function count(observed: Observed, login: NonNullable<Facts['login']>, context: Context): Promise<boolean> {
  const { observation, target } = observed;
  const facts: Facts = { held: observation.held, data: target.data, login, requestHandled: true };
  return writeStatus(observed, statusOf(observed, facts, context).status, context);
}

/** The Secret is not as it should be, and the token's value is at hand: no request is needed. */
async function republish(observed: Observed, context: Context): Promise<Done> {
  const { plan, memory, observation, target, want } = observed;
  const asItWas = { held: observation.held, data: target.data };
  const now = context.serverTime.now();
  const wait = Math.max(blockedBefore(observed) ?? 0, repairAgainAt(memory));
  if (wait > now) return { facts: asItWas, until: wait };
  const token = atHand(plan, memory, now);
  if (plan === undefined || token === undefined) return { facts: asItWas, until: now + LOOK_AGAIN_MS };
  if (want.do === 'publish' && want.why !== 'TokenNewerAtHand') {
    memory.repairs = { count: memory.repairs.count + 1, lastAt: now };
    context.log.info(
      { namespace: observed.identity.namespace, name: observed.identity.name, check: want.why },
      'Secret written again',
    );
  }
  // A login that a crash cut short of its status has worked all the same: its count ends.
  const login = plan.login;
  const proven =
    login !== undefined &&
    token.held.grant === 'Login' &&
    token.held.issuedAt > (observation.held?.issuedAt ?? 0)
      ? {
          login: succeeded(uncounted(standingRecord(observed, login, context)), login.digests, now),
          failures: 'none' as const,
        }
      : {};
  return publish(observed, token, proven, context);
}

/** Against an edit war: three repairs at once, then ever further apart, up to a minute. Calm for ten minutes ends it. */
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
      return { facts: { ...asItWas, refreshed: result.verdict }, until: result.until };
    case 'stopped':
      return { facts: { ...asItWas, stopped: result.verdict } };
    case 'overtaken':
      return { facts: { ...asItWas, login: result.login }, until: now + LOOK_AGAIN_MS };
    case 'blocked':
      return {
        facts: { ...asItWas, refreshed: result.verdict },
        until: blockedUntil(observed, result.verdict, now),
      };
    case 'granted': {
      const { login, unsaved } = result;
      return publish(
        observed,
        result,
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
  token: NonNullable<Memory['token']>,
  facts: Partial<Facts>,
  context: Context,
): Promise<Done> {
  const { plan, observation, target, key, credential } = observed;
  const asItWas = { ...facts, held: observation.held, data: target.data };
  const current = context.credentials.get(key)?.metadata;
  // Deleted while its login was under way: what is gone is not brought back.
  if (
    plan === undefined ||
    current?.uid !== credential.metadata.uid ||
    current.deletionTimestamp !== undefined
  ) {
    return { facts: asItWas };
  }
  const written = await publishToken(observed, plan, token.held, token.token, context);
  if (!written.ok) {
    return {
      facts: { ...asItWas, refreshed: written.verdict },
      until: blockedUntil(observed, written.verdict, context.serverTime.now()),
    };
  }
  await removeFormer(observed, context);
  return {
    facts: {
      ...facts,
      held: written.held,
      data: 'intact',
      secretName: target.name,
      refreshed: facts.refreshed ?? published(written.held),
    },
    ...(facts.refreshed === undefined ? {} : { until: context.serverTime.now() + SAVE_AGAIN_MS }),
  };
}

/** The API server refuses the write: tried again after half a minute, doubling to ten. */
function blockedUntil({ memory, credential }: Observed, verdict: Verdict, now: number): number {
  // The watch tells when a stranger's Secret goes.
  if (verdict.reason === 'SecretConflict') return now + 30_000;
  const refused = (memory.blocked?.count ?? 0) + 1;
  const retryAt = now + Math.min(600_000, 30_000 * 2 ** Math.min(10, refused - 1));
  memory.blocked = { count: refused, retryAt, generation: credential.metadata.generation };
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
  const known = context.memories.get(key);
  if (known !== undefined && known.uid === credential.metadata.uid) return known;
  if (known !== undefined) forget(key, context);
  const memory = newMemory(credential.metadata.uid);
  context.memories.set(key, memory);
  return memory;
}

function forget(key: string, context: Context): void {
  context.memories.delete(key);
  context.gate.cancel(key);
  context.health.forget(key);
  context.demand.remove(key);
  const slash = key.indexOf('/');
  context.metrics.removeCredential(key.slice(0, slash), key.slice(slash + 1));
}
