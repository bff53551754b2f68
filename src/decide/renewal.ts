import { parseDuration } from '../api/duration.ts';
import type { Held } from '../held.ts';
import { mix } from './mix.ts';

/** When a held token is renewed (design: lifetime, propagation margin, jitter). All pure; all times in ms. */

/** Two grants of a credential are at least this far apart. */
export const GRANT_SPACING_MS = 5000;
/** The least wait after a grant that brought no later expiry, and the least `maxAge`. */
export const NO_PROGRESS_WAIT_MS = 60_000;
/** Whatever is asked for, renewal begins at most this share of the lifetime before expiry. */
const MAX_BEFORE_SHARE = 4 / 5;
/** How many first renewals of a credential serve to spread what began together. */
const SPREAD_RENEWALS = 3;

export interface RenewalPolicy {
  /** How long the old token must outlive the new one's writing, for a mounted Secret to be safe. */
  readonly marginMs: number;
  readonly before?: { readonly ms: number } | { readonly share: number };
  readonly maxAgeMs?: number;
}

export interface Renewal {
  /** Absent: kept until its inputs change. */
  readonly at?: number;
  /** The lifetime is too short for any schedule to make a mounted Secret safe. */
  readonly belowPropagation: boolean;
}

/** Reads `spec.schedule`; what the schema would refuse is left out. */
export function renewalPolicy(
  schedule: { before?: string | undefined; maxAge?: string | undefined } | undefined,
  marginMs: number,
): RenewalPolicy {
  const before = schedule?.before;
  const share = before?.endsWith('%') ? Number(before.slice(0, -1)) / 100 : undefined;
  const ms = before === undefined || share !== undefined ? undefined : parseDuration(before);
  const maxAge = schedule?.maxAge === undefined ? undefined : parseDuration(schedule.maxAge);
  return {
    marginMs,
    ...(share !== undefined && share > 0
      ? { before: { share } }
      : ms === undefined
        ? {}
        : { before: { ms } }),
    ...(maxAge === undefined ? {} : { maxAgeMs: Math.max(maxAge, NO_PROGRESS_WAIT_MS) }),
  };
}

export function renewal(held: Held, policy: RenewalPolicy, uid: string): Renewal {
  const lifetime = held.expiresAt === undefined ? undefined : held.expiresAt - held.issuedAt;
  const belowPropagation = lifetime !== undefined && policy.marginMs > lifetime * MAX_BEFORE_SHARE;
  // Asking sooner brings nothing, and later is no better.
  if (held.renewNotBefore !== undefined) return { at: held.renewNotBefore, belowPropagation };
  const waits: number[] = [];
  if (lifetime !== undefined) waits.push(lifetime - beforeExpiry(lifetime, policy, belowPropagation));
  if (policy.maxAgeMs !== undefined) waits.push(policy.maxAgeMs);
  if (waits.length === 0) return { belowPropagation };

  const wait = Math.max(GRANT_SPACING_MS, jittered(Math.min(...waits), held, uid));
  return { at: Math.round(held.issuedAt + wait), belowPropagation };
}

function beforeExpiry(lifetime: number, policy: RenewalPolicy, belowPropagation: boolean): number {
  const most = lifetime * MAX_BEFORE_SHARE;
  if (policy.before !== undefined) {
    return Math.min(most, 'ms' in policy.before ? policy.before.ms : lifetime * policy.before.share);
  }
  return belowPropagation ? lifetime / 3 : Math.max(lifetime / 3, policy.marginMs);
}

/**
 * The first renewals lie anywhere in the second half of their wait, so that what was created together doesn't stay together
 * (one alone would leave it all in half of each cycle); later ones up to 10 % early. Derived, never drawn: each reconcile
 * must find the same time.
 */
function jittered(wait: number, held: Held, uid: string): number {
  const chance = derivedChance(`${uid}/${held.issuedAt}`);
  return held.grants <= SPREAD_RENEWALS ? wait * (0.5 + chance / 2) : wait * (1 - chance / 10);
}

/** A number in [0, 1) that depends on the text alone. */
export function derivedChance(text: string): number {
  return mix(text) / 2 ** 32;
}

/** A dead token is replaced as soon as the provider, too, must take it for dead. */
const JUST_AFTER_MS = 1000;
/** What is brought so shortly before the expiry that it shares is not worth publishing, and costs a backoff past it. */
const TOO_CLOSE_MS = 10_000;
/** Answers wobble by the latency and by the second of the provider's clock; real grants are further apart. */
const SAME_EXPIRY_MS = GRANT_SPACING_MS;

/**
 * A grant whose expiry is no later than the held one's is no progress (a provider's cache, a fixed end):
 * the next comes at half of what remains, at least a minute away, then just after expiry.
 * @returns the time before which asking again brings nothing, or undefined when there was progress.
 */
export function noLaterExpiry(
  before: Held | undefined,
  expiresAt: number | undefined,
  now: number,
): number | undefined {
  if (before?.expiresAt === undefined || expiresAt === undefined) return undefined;
  if (expiresAt > before.expiresAt + SAME_EXPIRY_MS) return undefined;
  const half = now + Math.max(NO_PROGRESS_WAIT_MS, (expiresAt - now) / 2);
  return Math.round(half < expiresAt - TOO_CLOSE_MS ? half : Math.max(expiresAt, now) + JUST_AFTER_MS);
}
