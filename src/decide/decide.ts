import { instant } from '../api/instant.ts';
import type { Reason } from '../api/reasons.ts';
import { type Held, isLive } from '../held.ts';
import { GRANT_SPACING_MS, type Renewal } from './renewal.ts';

/** Everything that the decision rests on, gathered beforehand. Times in ms, by the API server's clock. */
export interface Observation {
  readonly now: number;
  /** What is recorded of the held token, wherever its Secret is. */
  readonly held: Held | undefined;
  readonly renewal: Renewal | undefined;
  /** What the held token was obtained for, against what the spec says now; `unknown`: the digest's key is gone. */
  readonly account: 'same' | 'other' | 'unknown';
  readonly inputs: 'same' | 'other' | 'unknown';
  /** The target Secret's data: missing, as we wrote it, or changed by someone else. */
  readonly data: 'absent' | 'intact' | 'edited';
  /** Labels, annotations, templates, type and owner are as the spec says. */
  readonly shape: 'same' | 'other';
  /** A token's value is at hand, live and obtained for what the spec says: it can be published without a request. */
  readonly atHand: Held | undefined;
  /** A Secret of ours holds the data just as they should be: only its name, or what stands around them, differs. */
  readonly copyable: boolean;
  /** A refresh token is at hand, bound to what the spec says, and neither refused nor failing. */
  readonly refreshable: boolean;
  /** A person asked for a login by annotation, with a value not handled yet. */
  readonly refreshRequested: boolean;
}

export type Want =
  | { readonly do: 'keep' }
  | { readonly do: 'publish' | 'copy'; readonly why: Check }
  | { readonly do: 'login' | 'refresh'; readonly why: Check };

/** The facts that can be violated, in the order that they are looked at; the first hit decides. */
export type Check =
  | 'TokenNewerAtHand'
  | 'TokenMissing'
  | 'AccountChanged'
  | 'InputsChanged'
  | 'RefreshRequested'
  | 'TokenExpired'
  | 'RenewalDue'
  | 'SecretMissing'
  | 'SecretEdited'
  | 'ShapeChanged';

type Rule = (o: Observation) => Want | undefined;

const publish = (why: Check): Want => ({ do: 'publish', why });
const login = (why: Check): Want => ({ do: 'login', why });

/** A crash, a write that failed, or who deleted the Secret left a newer answer than what it holds: it needs no request. */
const newerAtHand: Rule = o => {
  if (o.atHand === undefined) return undefined;
  if (o.held === undefined) return publish(o.data === 'absent' ? 'SecretMissing' : 'SecretEdited');
  return o.atHand.issuedAt > o.held.issuedAt ? publish('TokenNewerAtHand') : undefined;
};

const missing: Rule = o => (o.held === undefined ? login('TokenMissing') : undefined);

const accountChanged: Rule = o => (o.account === 'other' ? login('AccountChanged') : undefined);

const inputsChanged: Rule = o => (o.inputs === 'other' ? login('InputsChanged') : undefined);

const requested: Rule = o => (o.refreshRequested ? login('RefreshRequested') : undefined);

const due: Rule = o => {
  if (o.held === undefined || o.renewal?.at === undefined || o.renewal.at > o.now) return undefined;
  return {
    do: o.refreshable ? 'refresh' : 'login',
    why: isLive(o.held, o.now) ? 'RenewalDue' : 'TokenExpired',
  };
};

/** The Secret is not as it should be, and the token lives: written again from what is at hand, copied, else by a login. */
const repair: Rule = o => {
  const why = flaw(o);
  if (why === undefined) return undefined;
  if (o.atHand !== undefined) return publish(why);
  return o.copyable && why !== 'SecretEdited' ? { do: 'copy', why } : login(why);
};

function flaw(o: Observation): Check | undefined {
  if (o.data === 'absent') return 'SecretMissing';
  if (o.data === 'edited') return 'SecretEdited';
  return o.shape === 'other' ? 'ShapeChanged' : undefined;
}

const RULES: readonly Rule[] = [newerAtHand, missing, accountChanged, inputsChanged, requested, due, repair];

/** What a credential wants. Whether it may have it now is for limits and backoff to say. */
export function decide(observation: Observation): Want {
  for (const rule of RULES) {
    const want = rule(observation);
    if (want !== undefined) return want;
  }
  return { do: 'keep' };
}

/** The earliest time of a next grant, whatever asks for it. */
export function grantSpacing(held: Held | undefined): number {
  return held === undefined ? Number.NEGATIVE_INFINITY : held.issuedAt + GRANT_SPACING_MS;
}

export interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason: Reason;
  readonly message: string;
}

/**
 * Ready: the target Secret holds a live token, obtained for what the spec says, whatever the last attempt did.
 * @param sourceSame the spec names the source that the token was obtained from: then changed values alone leave Ready as it is.
 * @param why what stands in the way when there is none.
 */
export function readiness(
  o: Pick<Observation, 'held' | 'now' | 'account' | 'inputs' | 'data' | 'renewal'>,
  sourceSame: boolean,
  suspended: boolean,
  why: Verdict | undefined,
): Verdict {
  const { held } = o;
  // why a credential is stalled is itself a verdict of True: it must not make Ready true
  const blocked = why === undefined ? undefined : no(why.reason, why.message);
  if (held === undefined || o.data === 'absent')
    return blocked ?? no('TokenMissing', 'The target Secret holds no token yet.');
  if (o.data === 'edited') {
    return blocked ?? no('TokenMissing', 'Someone changed the target Secret: the token is being put back.');
  }
  if (o.account === 'other' || (o.inputs !== 'same' && !sourceSame)) {
    return no(
      'InputsChanged',
      `The Secret still holds the token of what the spec said before${why === undefined ? '.' : `: ${why.message}`}`,
    );
  }
  if (!isLive(held, o.now)) return blocked ?? no('TokenExpired', `The token expired at ${expiry(held)}.`);
  // Until when is status.token's to say: what stands here is written anew only when it has changed.
  const until = held.expiresAt === undefined ? ' It has no stated expiry.' : '';
  if (suspended)
    return yes(
      'Suspended',
      `The Secret holds a live token; nothing is sent while spec.suspend is true.${until}`,
    );
  if (held.renewNotBefore !== undefined) {
    return yes('NoLaterExpiry', `The provider gave no later expiry than before.${until}`);
  }
  if (o.renewal?.belowPropagation === true) {
    return yes(
      'LifetimeBelowPropagation',
      `The token lives shorter than a mounted Secret takes to reach a pod: read it by the API.${until}`,
    );
  }
  return yes('TokenLive', `The Secret holds a live token.${until}`);
}

const yes = (reason: Reason, message: string): Verdict => ({ status: 'True', reason, message });
const no = (reason: Reason, message: string): Verdict => ({ status: 'False', reason, message });

const expiry = ({ expiresAt }: Held): string =>
  expiresAt === undefined ? 'an unknown time' : instant(expiresAt);
