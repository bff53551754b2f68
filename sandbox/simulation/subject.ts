import { ANNOTATION } from '../../src/api/names.ts';
import { isObject, type JsonObject, type KubeObject } from '../apiserver/json.ts';
import type { LogEntry } from '../providers/log.ts';
import type { SimulatedProvider } from '../providers/simulated.ts';
import { Calm } from './calm.ts';
import { DAY, HOUR, MINUTE } from './chance.ts';
import type { Member } from './population.ts';

/** Clocks are compared by whole seconds. */
const TOLERANCE_MS = 2000;
/** The operator's default margin for mounted Secrets (design: when to refresh). */
const MARGIN_MS = 95_000;

/** After so many grants at first, the next may come in half of its time. */
const SPREAD_GRANTS = 3;

/** How long a token of a flow lives at least, whatever befalls it. */
const LEAST_LIFE_MS: Readonly<Record<Member['fixture']['flow'], number>> = {
  'admintotal/api-key': Number.POSITIVE_INFINITY,
  'admintotal/jwt': HOUR,
  'ventiapp/password': 7 * DAY - 1000,
  'sendfact/token': 2 * MINUTE,
  'firmeasy/login': HOUR / 2,
  'pgf/login': DAY,
  'pgf/login-token': 365 * DAY,
};

/** What the target Secret holds, judged by the provider that issued it. Times in ms since 1970, by the sandbox's clock. */
export interface HeldToken {
  readonly value: string;
  readonly bornAt: number;
  /** Infinity: never, or not before it is revoked. */
  readonly diesAt: number;
  /** Nothing but a cause asks for another one before. */
  renewFrom: number;
}

interface Grant {
  readonly at: number;
  /** The operator's run that asked for it. */
  readonly run: number;
  /** Its answer may never have arrived. */
  readonly doubtful: boolean;
}

/** One credential as seen from outside the operator: what the cluster holds, what the provider says, what people did to it. */
export class Subject {
  readonly member: Member;
  readonly provider: SimulatedProvider;
  readonly key: string;
  /** Inputs right, not suspended, there, and its Secrets let alone but for edits of the target. */
  readonly calm: Calm;
  target: string;
  token: HeldToken | undefined;
  /** When someone made the target something else than what the operator wrote; undefined once it is written again. */
  editedAt: number | undefined;
  /** When a person last gave a cause for a login, and why. */
  cause = { at: Number.NEGATIVE_INFINITY, why: '' };
  /** Requests by annotation for the present input values: each is good for one more try. */
  requests = 0;
  requestedAt = Number.NEGATIVE_INFINITY;
  lastGrant: Grant | undefined;
  /** Of the last 24 hours, where the answer surely arrived. */
  refusals: number[] = [];
  #lastRefusals: number[] = [];
  refusedAt = Number.NEGATIVE_INFINITY;
  refusalsSinceGrant = 0;
  /** Of the present input values while they never worked; -Infinity once they did. */
  freshRefusals = 0;
  /** When the present input values came to be. */
  inputsAt = Number.NEGATIVE_INFINITY;
  refreshToken: string | undefined;
  ready = false;
  stalled = false;

  constructor(member: Member, provider: SimulatedProvider, now: () => number, beforeTrouble: () => void) {
    this.member = member;
    this.provider = provider;
    this.key = `${member.fixture.namespace}/${member.fixture.name}`;
    this.target = `${member.fixture.name}-token`;
    this.calm = new Calm(now, beforeTrouble);
  }

  get flow(): Member['fixture']['flow'] {
    return this.member.fixture.flow;
  }

  get account(): string {
    return this.member.fixture.account;
  }

  /** Whether the token lives, by its provider, and is this account's. */
  isLive(now: number): boolean {
    return this.token !== undefined && this.editedAt === undefined && now < this.token.diesAt;
  }

  /** Since when no live token is held; undefined while one is. */
  deadSince(now: number): number | undefined {
    if (this.isLive(now)) return undefined;
    return Math.min(
      this.editedAt ?? Number.POSITIVE_INFINITY,
      this.token?.diesAt ?? Number.NEGATIVE_INFINITY,
    );
  }

  /** The target was written or is gone. @param ours by the operator. */
  targetChanged(object: KubeObject | undefined, ours: boolean, now: number): void {
    const value = object === undefined ? undefined : decode(object, 'token');
    const known = value === undefined ? undefined : this.#judge(value, object?.metadata.annotations ?? {});
    // A cache gave the same expiry again: then the next is asked for at half of what remains.
    if (known !== undefined && this.token !== undefined && known.diesAt <= this.token.diesAt + 5000)
      known.renewFrom = Math.min(known.renewFrom, (known.bornAt + known.diesAt) / 2 - TOLERANCE_MS);
    if (ours) {
      this.token = known;
      this.editedAt = undefined;
    } else if (value !== this.token?.value) {
      this.editedAt ??= now;
    }
  }

  #judge(value: string, annotations: Readonly<Record<string, string>>): HeldToken | undefined {
    if (this.provider.tokens.ownerOf(value) !== this.account) return undefined;
    const bornAt = Date.parse(annotations[ANNOTATION.issuedAt] ?? '');
    const expiry = this.provider.tokens.expiresAt(value);
    const diesAt =
      expiry === undefined ? Number.POSITIVE_INFINITY : expiry - this.provider.behaviour.clockSkewMs;
    const share = Number(annotations[ANNOTATION.grants]) <= SPREAD_GRANTS ? 0.5 : 0.9;
    return { value, bornAt, diesAt, renewFrom: bornAt + share * waitOf(diesAt - bornAt) - TOLERANCE_MS };
  }

  sessionChanged(object: KubeObject | undefined): void {
    const text = object === undefined ? undefined : decode(object, 'session');
    const session: unknown = text === undefined ? undefined : JSON.parse(text);
    const token = isObject(session) ? session.refreshToken : undefined;
    this.refreshToken = typeof token === 'string' ? token : undefined;
  }

  statusChanged(status: JsonObject): void {
    const conditions = Array.isArray(status.conditions) ? status.conditions : [];
    const is = (type: string): boolean =>
      conditions.some(
        condition => isObject(condition) && condition.type === type && condition.status === 'True',
      );
    this.ready = is('Ready');
    this.stalled = is('Stalled');
  }

  /** What the provider's log says. @param doubtful the answer may be lost. */
  asked({ at, outcome }: LogEntry, run: number, doubtful: boolean): void {
    switch (outcome) {
      case 'granted':
      case 'cached':
        this.lastGrant = { at, run, doubtful };
        if (doubtful) break;
        this.refusalsSinceGrant = 0;
        this.freshRefusals = Number.NEGATIVE_INFINITY;
        break;
      case 'refused':
      case 'locked':
        this.#lastRefusals = [...this.#lastRefusals.filter(then => then > at - 2 * DAY), at];
        this.refusedAt = at;
        this.refusalsSinceGrant++;
        if (doubtful) break;
        this.refusals = [...this.refusals.filter(then => then > at - DAY), at];
        this.freshRefusals++;
        break;
      default:
    }
  }

  /** Refusals since then, those included whose answer may have been lost: the operator may know of them. */
  refusalsSince(then: number): number {
    return this.#lastRefusals.filter(at => at > then).length;
  }

  /** When the last answer, were it lost by the operator, might first be asked for again with good reason. */
  get grantHoldsUntil(): number {
    const { lastGrant } = this;
    return lastGrant === undefined
      ? Number.NEGATIVE_INFINITY
      : lastGrant.at + waitOf(LEAST_LIFE_MS[this.flow]) / 2 - TOLERANCE_MS;
  }

  /** Someone gave a reason for a login. */
  caused(why: string, now: number): void {
    this.cause = { at: now, why };
  }

  newInputs(why: string, now: number): void {
    this.caused(why, now);
    this.inputsAt = now;
    this.freshRefusals = 0;
    this.requests = 0;
  }

  requested(now: number): void {
    this.caused('requested', now);
    this.requestedAt = now;
    this.requests++;
  }

  /** Another object of the same name: what was known of the first is not its concern. */
  madeAgain(now: number): void {
    this.newInputs('made again', now);
    this.refusals = [];
    this.target = `${this.member.fixture.name}-token`;
    this.#noTarget(now);
  }

  moved(target: string, now: number): void {
    this.caused('target moved', now);
    this.target = target;
    this.#noTarget(now);
  }

  #noTarget(now: number): void {
    this.token = undefined;
    this.editedAt = now;
  }
}

/** From issue to renewal at the earliest, without jitter: the rule has a step, and lives are known to some two seconds. */
function waitOf(lifeMs: number): number {
  if (lifeMs === Number.POSITIVE_INFINITY) return lifeMs;
  return Math.min(
    exactWaitOf(lifeMs - TOLERANCE_MS),
    exactWaitOf(lifeMs),
    exactWaitOf(lifeMs + TOLERANCE_MS),
  );
}

function exactWaitOf(lifeMs: number): number {
  const before = MARGIN_MS > (lifeMs * 4) / 5 ? lifeMs / 3 : Math.max(lifeMs / 3, MARGIN_MS);
  return lifeMs - before;
}

function decode(object: KubeObject, key: string): string | undefined {
  const value = isObject(object.data) ? object.data[key] : undefined;
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString() : undefined;
}
