import { instant } from '../api/instant.ts';
import type { ObjectMeta } from '../api/meta.ts';
import type { Verdict } from '../decide/decide.ts';
import type { Held, Token } from '../held.ts';
import type { CallOptions } from '../kube/client.ts';
import { isConflict, isImmutable, isNotFound, isRetriable, KubeError } from '../kube/kube-error.ts';
import { METADATA_ONLY, Metadata } from '../kube/metadata-only.ts';
import { findSecret, type Secret, type SecretMeta, secretPath } from '../kube/secret.ts';
import { desiredSession, emptySession, parseSession, type Session, sessionName } from '../kube/session.ts';
import {
  type Desired,
  dataHash,
  desiredSecret,
  heldOf,
  type OwnerIdentity,
  ownerOf,
  type Precondition,
} from '../kube/target.ts';
import { sleep } from '../loop/clock.ts';
import type { Context } from './context.ts';
import { isGone, type Observed } from './observe.ts';
import type { Plan } from './planned.ts';
import { readSession } from './session.ts';
import { formerSecrets } from './target.ts';

/** Writing the two Secrets. What was decided on is the precondition of each write; a stranger's is never touched. */

export type Written =
  | { readonly ok: true; readonly held: Held }
  /** `later`: the API server did not take it now, the answer stays in memory and its write is tried again. */
  | { readonly ok: false; readonly verdict: Verdict; readonly later: boolean };

const CONFLICTS_MOST = 5;
const WRITE_TRIES = 3;
/** While draining nothing will try again after us. */
const WRITE_TRIES_DRAINING = 20;

/** Puts a token into the target Secret. Retries what may pass; on a conflict reads again, and gives way to a newer token. */
export async function publishToken(
  observed: Observed,
  plan: Plan,
  held: Held,
  token: Token,
  context: Context,
): Promise<Written> {
  const rendered = render(observed, plan, held, token, context);
  if (!rendered.ok) return rendered;
  const digest = (text: string): string => context.digester.ofText(observed.identity.uid, text);
  const content = { held, data: rendered.data, dataHash: dataHash(held, rendered.data, digest) };
  return writeTarget(observed, plan, content, context);
}

/** Writes the target's content under the shape that the spec asks for. */
export async function writeTarget(
  observed: Observed,
  plan: Plan,
  content: Pick<Desired, 'held' | 'data' | 'dataHash'>,
  context: Context,
): Promise<Written> {
  const { identity, memory, target } = observed;
  const { held } = content;
  let precondition = asDecided(target);
  for (let conflicts = 0; conflicts < CONFLICTS_MOST; conflicts += 1) {
    const body = desiredSecret(
      { credential: identity, name: target.name, shape: plan.shape, ...content },
      precondition,
    );
    try {
      const written = await persistently(context, () =>
        applySecret(context, identity.namespace, target.name, body),
      );
      memory.target = { name: target.name, version: written.metadata.resourceVersion, intact: true };
      memory.blocked = undefined;
      context.secrets.set(written);
      return { ok: true, held };
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) return refusedWrite(error, target.name);
    }
    const now = await readNow(context, identity.namespace, target.name);
    const leads = context.owns(observed.key, 0);
    if (now === undefined) {
      // What became of it is for whoever leads now.
      if (!leads) return overtaken(target.name);
      precondition = 'absent';
      continue;
    }
    if (ownerOf(now.metadata, identity) === 'foreign') return conflict(target.name);
    const other = heldOf(now.metadata);
    if (other !== undefined && other.account === held.account && other.issuedAt > held.issuedAt) {
      delete memory.token;
      return { ok: true, held: other };
    }
    if (!leads && other?.account !== held.account) return overtaken(target.name);
    precondition = { uid: now.metadata.uid, resourceVersion: now.metadata.resourceVersion };
  }
  return {
    ok: false,
    later: true,
    verdict: blocked(`Secret ${target.name} changes faster than it can be written.`),
  };
}

function asDecided({ metadata }: Observed['target']): Precondition {
  return metadata === undefined ? 'absent' : { uid: metadata.uid, resourceVersion: metadata.resourceVersion };
}

/** Whether the target could be written, where it was not written before: told by a dry run, before anything is sent. */
export async function rehearse(
  observed: Observed,
  plan: Plan,
  context: Context,
): Promise<Verdict | undefined> {
  const { identity, target, memory } = observed;
  // What is intact under a digest of ours, we wrote: also where it is retained, and has no owner.
  const wrote = target.owner === 'ours' || (target.owner === 'adoptable' && target.data === 'intact');
  // A write that was refused since would be refused again, and its login be lost.
  if (wrote && memory.blocked === undefined) return undefined;
  const held: Held = {
    account: plan.accountDigest,
    inputs: plan.login?.inputsDigest ?? '',
    source: plan.source,
    issuedAt: context.serverTime.now(),
    expiresAt: context.serverTime.now(),
    grant: 'Login',
    grants: 1,
    sessionSequence: 0,
  };
  const outputs = Object.fromEntries(plan.account.flow.outputs.map(name => [name, 'x']));
  const rendered = render(observed, plan, held, { token: 'x', tokenType: 'x', outputs }, context);
  if (!rendered.ok) return rendered.verdict;
  const body = desiredSecret(
    {
      credential: identity,
      name: target.name,
      shape: plan.shape,
      held,
      data: rendered.data,
      dataHash: dataHash(held, rendered.data, text => context.digester.ofText(identity.uid, text)),
    },
    asDecided(target),
  );
  try {
    // It holds no value yet, and where nothing stands there none at all: then the server's own words may be shown.
    const secret = target.metadata !== undefined;
    await applySecret(context, identity.namespace, target.name, body, { dryRun: true, secret });
    return undefined;
  } catch (error) {
    if (isRetriable(error)) throw error;
    if (isConflict(error)) {
      // Made a moment ago, and not seen by the watch yet.
      const now = await readNow(context, identity.namespace, target.name);
      if (now !== undefined && ownerOf(now.metadata, identity) !== 'foreign') return undefined;
      delete memory.target;
      return conflict(target.name).verdict;
    }
    return refusedWrite(error, target.name).verdict;
  }
}

/** The session exists and is ours; without that no refresh token could be kept. @throws KubeError when it may pass. */
export async function ensureSession(observed: Observed, context: Context): Promise<Verdict | undefined> {
  const { identity, memory } = observed;
  const name = sessionName(identity.name);
  await readSession(identity, memory, context);
  const meta = context.secrets.get(`${identity.namespace}/${name}`)?.metadata;
  if (
    meta !== undefined &&
    ownerOf(meta, identity) === 'ours' &&
    memory.session?.content?.uid === identity.uid
  )
    return undefined;
  if (meta !== undefined && ownerOf(meta, identity) === 'foreign') return conflict(name).verdict;
  try {
    await writeSession(observed, emptySession(identity.uid), context);
    return undefined;
  } catch (error) {
    if (isRetriable(error)) throw error;
    if (isConflict(error)) {
      const now = await readNow(context, identity.namespace, name);
      if (now !== undefined && ownerOf(now.metadata, identity) === 'foreign') return conflict(name).verdict;
      // Ours, and newer than the watch: look again.
      throw error;
    }
    return refusedWrite(error, name).verdict;
  }
}

/** How long the saving of a session may hold up the publishing of its token. */
export const SESSION_PATIENCE_MS = 5000;
const MIN_TIMEOUT_MS = 1000;

/** Saves an answer before it is published. @returns what to say when it could not be saved in time; saving then goes on. */
export async function saveSession(
  observed: Observed,
  session: Session,
  context: Context,
): Promise<Verdict | undefined> {
  const { memory } = observed;
  if (isGone(observed, context)) return undefined;
  memory.unsavedSession = session;
  const until = context.clock.monotonic() + SESSION_PATIENCE_MS;
  for (let wait = 250; ; wait *= 2) {
    try {
      const patience = Math.max(MIN_TIMEOUT_MS, until - context.clock.monotonic());
      await writeSession(observed, session, context, patience);
      return undefined;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) await settleSession(observed, session, context);
      if (memory.unsavedSession === undefined) return undefined;
      const left = until - context.clock.monotonic();
      if (left <= 0 || !(isRetriable(error) || isConflict(error) || isNotFound(error))) {
        return {
          status: 'False',
          reason: 'SessionNotSaved',
          message: `The token was published, but its refresh token is not saved in Secret ${sessionName(observed.identity.name)} yet (${whyNot(error)}); saving goes on.`,
        };
      }
      await sleep(context.clock, Math.min(wait, left));
    }
  }
}

/** After a conflict: what stands there is read; a stranger's ends the saving. */
async function settleSession(observed: Observed, session: Session, context: Context): Promise<void> {
  const { identity, memory } = observed;
  const name = sessionName(identity.name);
  const now = await readNow(context, identity.namespace, name).catch(() => undefined);
  if (now === undefined) {
    delete memory.session;
    return;
  }
  const content = parseSession(now);
  memory.session = { version: now.metadata.resourceVersion, content };
  // Another replica saved a later answer: ours would bring back a dead refresh token.
  if (content?.uid === identity.uid && isLater(content, session, !context.owns(observed.key, 0)))
    delete memory.unsavedSession;
}

/**
 * Whether another's session is the later one. Two replicas may have counted on from the same sequence, the one that led
 * before not knowing of the other: so when they were sent comes first. @param otherwise who leads has the later one.
 */
function isLater(other: Session, ours: Session, otherwise: boolean): boolean {
  const [theirs, own] = [other.answer?.issuedAt, ours.answer?.issuedAt];
  if (theirs !== undefined && own !== undefined && theirs !== own) return theirs > own;
  return other.sequence === ours.sequence ? otherwise : other.sequence > ours.sequence;
}

async function writeSession(
  observed: Observed,
  session: Session,
  context: Context,
  timeoutMs?: number,
): Promise<void> {
  const { identity, memory } = observed;
  const name = sessionName(identity.name);
  const meta = context.secrets.get(`${identity.namespace}/${name}`)?.metadata;
  if (meta !== undefined && ownerOf(meta, identity) === 'foreign') throw foreignSession();
  const precondition: Precondition =
    meta === undefined
      ? 'absent'
      : { uid: meta.uid, resourceVersion: memory.session?.version ?? meta.resourceVersion };
  const written = await applySecret(
    context,
    identity.namespace,
    name,
    desiredSession(identity, session, precondition),
    { timeoutMs },
  );
  memory.session = { version: written.metadata.resourceVersion, content: session };
  delete memory.unsavedSession;
  context.secrets.set(written);
}

function foreignSession(): KubeError {
  return new KubeError({ what: 'apply secrets', code: 403, reason: 'SecretConflict', sent: 'no' });
}

/** Removes every Secret where the token stood before, unless they are to be retained. Absent is as good. */
export async function removeFormer(observed: Observed, context: Context): Promise<void> {
  const { former, identity, spec, target } = observed;
  if (spec.target.deletionPolicy === 'Retain') return;
  const found = formerSecrets(identity, target.name, context);
  // Someone may have taken its annotations off; status knows it all the same.
  const known = former?.owner === 'ours' ? former.metadata : undefined;
  if (known !== undefined && !found.some(({ uid }) => uid === known.uid)) found.push(known);
  for (const metadata of found) await removeSecret(metadata, identity, context);
}

async function removeSecret(
  { name: secret, uid }: ObjectMeta,
  { namespace, name }: OwnerIdentity,
  context: Context,
): Promise<void> {
  try {
    await context.client.remove(secretPath(namespace, secret), { uid });
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return;
    if (!(error instanceof KubeError) || isRetriable(error)) throw error;
    // It may stay: the token is where it should be, and status must say so.
    context.log.warn(
      { credential: `${namespace}/${name}`, secret, code: error.code },
      'former Secret not removed',
    );
  }
}

function render(
  { spec }: Observed,
  plan: Plan,
  held: Held,
  token: Token,
  context: Context,
): { ok: true; data: Record<string, string> } | { ok: false; verdict: Verdict; later: false } {
  const expiresAt = held.expiresAt === undefined ? undefined : instant(held.expiresAt);
  const rendered = context.engine.render(plan.account, token, expiresAt, spec.target.data);
  if (rendered.ok) return { ok: true, data: rendered.value };
  return { ok: false, later: false, verdict: { status: 'False', ...rendered.problem } };
}

function applySecret(
  context: Context,
  namespace: string,
  name: string,
  body: unknown,
  options: Pick<CallOptions, 'dryRun' | 'timeoutMs' | 'secret'> = {},
): Promise<SecretMeta> {
  return context.client.apply(secretPath(namespace, name), body, Metadata, {
    secret: true,
    ...options,
    accept: METADATA_ONLY,
  });
}

/** Reads past the watch. */
export const readNow = (context: Context, namespace: string, name: string): Promise<Secret | undefined> =>
  findSecret(context.client, namespace, name);

/** Retries a write whose answer lives: its login is never repeated for it. */
async function persistently<T>(context: Context, write: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await write();
    } catch (error) {
      const most = context.draining() ? WRITE_TRIES_DRAINING : WRITE_TRIES;
      if (!isRetriable(error) || tried >= most) throw error;
      const wait = error instanceof KubeError ? error.retryAfterMs : undefined;
      await sleep(context.clock, Math.min(5000, wait ?? 200 * 2 ** Math.min(tried, 4)));
    }
  }
}

const DELETE_IMMUTABLE = 'someone has set it immutable: delete it, and it is made again';

function refusedWrite(error: unknown, name: string): { ok: false; verdict: Verdict; later: boolean } {
  if (!(error instanceof KubeError)) throw error;
  const advice = isImmutable(error) ? DELETE_IMMUTABLE : 'look for a quota, a policy or a permission';
  return {
    ok: false,
    later: isRetriable(error),
    verdict: blocked(`Secret ${name} cannot be written (${error.message}): ${advice}.`),
  };
}

function whyNot(error: unknown): string {
  if (isImmutable(error)) return DELETE_IMMUTABLE;
  return error instanceof KubeError
    ? `${error.code === 0 ? 'no answer' : error.code} ${error.reason}`
    : 'unknown error';
}

function conflict(name: string): { ok: false; verdict: Verdict; later: false } {
  return {
    ok: false,
    later: false,
    verdict: {
      status: 'False',
      reason: 'SecretConflict',
      message: `Secret ${name} belongs to someone else and is never touched: choose another name, or remove it.`,
    },
  };
}

/** A late answer: another replica leads, and what it did with the Secret stands. */
function overtaken(name: string): { ok: false; verdict: Verdict; later: true } {
  return { ok: false, later: true, verdict: blocked(`Secret ${name} was changed by another replica.`) };
}

function blocked(message: string): Verdict {
  return { status: 'False', reason: 'PublishBlocked', message };
}
