import type { CredentialState, Kept } from './credential-columns.ts';
import type { State } from './credentials.ts';

/** The credentials of a provider, counted: what alerts need where there are too many for a series each. */
export interface Summary {
  readonly states: Record<State, number>;
  /** `true/TokenLive` and the like. */
  readonly ready: Map<string, number>;
  readonly stopped: Map<string, number>;
  readonly failing: Map<string, number>;
  /** By whether the last attempt failed. */
  readonly pastRenewal: { true: number; false: number };
  refused: number;
  expiring: number;
  expired: number;
  /** ms since 1970, of tokens that still live. */
  soonestExpiry: number | undefined;
}

/** A renewal is sent within seconds; what waits for a place in the queue is not late yet. */
const PAST_RENEWAL_MS = 60_000;

export function newSummary(): Summary {
  return {
    states: { live: 0, dead: 0, new: 0, suspended: 0 },
    ready: new Map(),
    stopped: new Map(),
    failing: new Map(),
    pastRenewal: { true: 0, false: 0 },
    refused: 0,
    expiring: 0,
    expired: 0,
    soonestExpiry: undefined,
  };
}

/** @param now ms since 1970. @param providers that are shown also when they have no credentials. */
export function summarize(
  credentials: Iterable<readonly [Pick<Kept, 'provider' | 'state'>, State]>,
  providers: Iterable<string>,
  now: number,
): Map<string, Summary> {
  const summaries = new Map<string, Summary>();
  for (const provider of providers) summaries.set(provider, newSummary());
  for (const [{ provider, state: credential }, state] of credentials) {
    let summary = summaries.get(provider);
    if (summary === undefined) {
      summary = newSummary();
      summaries.set(provider, summary);
    }
    summary.states[state] += 1;
    // A person wants it so: nothing else to tell of.
    if (state === 'suspended') bump(summary.ready, `${credential.ready}/Suspended`);
    else {
      conditions(summary, credential);
      times(summary, credential, now);
    }
  }
  return summaries;
}

function conditions(
  summary: Summary,
  { ready, reason, stopped, failing, rejections }: CredentialState,
): void {
  bump(summary.ready, `${ready}/${reason}`);
  if (stopped !== undefined) bump(summary.stopped, stopped);
  if (failing !== undefined) bump(summary.failing, failing);
  if (rejections > 0 && stopped === undefined) summary.refused += 1;
}

function times(summary: Summary, credential: CredentialState, now: number): void {
  const { expiresAt, renewAt, failing, rejections, stopped } = credential;
  if (renewAt !== undefined && renewAt + PAST_RENEWAL_MS < now)
    summary.pastRenewal[failing === undefined ? 'false' : 'true'] += 1;
  if (expiresAt === undefined) return;
  if (expiresAt <= now) {
    summary.expired += 1;
    return;
  }
  summary.soonestExpiry = Math.min(summary.soonestExpiry ?? expiresAt, expiresAt);
  const halfGone = renewAt !== undefined && renewAt < now && expiresAt - now < (expiresAt - renewAt) / 2;
  if (halfGone && rejections === 0 && stopped === undefined) summary.expiring += 1;
}

function bump(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
