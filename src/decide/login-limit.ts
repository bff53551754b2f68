/**
 * How often a login may be refused before it locks an account. Pure; times in ms since 1970, by the API server's clock.
 *
 * A login that may be refused is counted before it is sent; the outcome then takes the count back or leaves it.
 * The count ends only when the request as it would be sent is new.
 */
export interface LoginRecord {
  /** Digest of the login request last tried. */
  readonly inputs?: string;
  /** What the definition was when it was last tried. */
  readonly definition?: string;
  readonly refused: readonly string[];
  readonly refusedAt: readonly number[];
  readonly tries: number;
  readonly unanswered: number;
  readonly lastTriedAt?: number;
  readonly provenAt?: number;
}

/** A login as it would be sent now. */
export interface LoginRequest {
  readonly digest: string;
  readonly definition: string;
  /** Whether two digests can be compared: false when one was made with a key that is gone. */
  readonly comparable: (digest: string) => boolean;
}

export const NO_LOGIN_YET: LoginRecord = { refused: [], refusedAt: [], tries: 0, unanswered: 0 };

const DAY_MS = 86_400_000;
const REMEMBERED_REFUSALS = 4;
/** Never more refused logins of a credential in 24 hours, whatever changed. */
const REFUSALS_A_DAY = 6;
/** A status holds the time of a refusal cut to the second: it may be nearer than it says. */
const WINDOW_MS = DAY_MS + 1000;
/** How often inputs that never worked may go unanswered: it may be how a wrong password looks. */
const MAX_UNANSWERED = 5;
/** After the quick tries of inputs that once worked. */
const SLOW_DELAYS_MS = [6 * 3_600_000, DAY_MS];

/** The record as it stands for this request: what is new starts afresh, what was refused before goes on counting. */
export function standing(record: LoginRecord, request: LoginRequest): LoginRecord {
  if (record.inputs === undefined || record.inputs === request.digest) return record;
  if (!request.comparable(record.inputs) || record.refused.some(digest => digest === request.digest))
    return record;
  // A digest made with a lost key can't be compared: it may be this very request.
  if (record.refused.some(digest => !request.comparable(digest))) return record;
  const { refused, refusedAt, definition } = record;
  return { ...NO_LOGIN_YET, refused, refusedAt, ...(definition === undefined ? {} : { definition }) };
}

export interface LimitPolicy {
  readonly maxRejections: number;
  /** Waits between refused logins of inputs that never worked. */
  readonly rejectionDelaysMs: readonly number[];
}

export type Permission =
  | { readonly may: 'send' }
  | { readonly may: 'wait'; readonly until: number }
  | { readonly may: 'stop'; readonly why: 'rejections' | 'unanswered' };

/**
 * @param oneTry a person asked, or the definition changed: one try past the count, never past the day's bound.
 * @param expiresAt of the live token, if one is held.
 */
export function mayLogin(
  record: LoginRecord,
  policy: LimitPolicy,
  now: number,
  expiresAt: number | undefined,
  oneTry: boolean,
): Permission {
  const proven = record.provenAt !== undefined;
  if (!oneTry && record.tries >= policy.maxRejections + (proven ? SLOW_DELAYS_MS.length : 0))
    return { may: 'stop', why: 'rejections' };
  if (!oneTry && !proven && record.unanswered >= MAX_UNANSWERED) return { may: 'stop', why: 'unanswered' };
  const today = record.refusedAt.filter(at => at > now - WINDOW_MS);
  if (today.length >= REFUSALS_A_DAY) return { may: 'wait', until: Math.min(...today) + WINDOW_MS };
  if (oneTry) return { may: 'send' };
  if (record.tries === 0 || record.lastTriedAt === undefined) return { may: 'send' };
  const until = record.lastTriedAt + waitAfter(record.tries, record.lastTriedAt, policy, proven, expiresAt);
  return until <= now ? { may: 'send' } : { may: 'wait', until };
}

function waitAfter(
  tries: number,
  lastTriedAt: number,
  policy: LimitPolicy,
  proven: boolean,
  expiresAt: number | undefined,
): number {
  const delays = policy.rejectionDelaysMs;
  const quick = delays[Math.min(tries, delays.length) - 1] ?? DAY_MS;
  if (!proven) return quick;
  if (tries >= policy.maxRejections) return SLOW_DELAYS_MS[tries - policy.maxRejections] ?? DAY_MS;
  const left = expiresAt === undefined ? 0 : expiresAt - lastTriedAt;
  if (left <= 0) return quick;
  // A locked account is worse than a late token: the second try waits 5 % of what is left, the third half of it.
  return Math.max(60_000, left * (tries === 1 ? 0.05 : 0.5));
}

/** Whether the next login must be counted before it is sent. */
export function mustCount(record: LoginRecord, failing: boolean): boolean {
  return record.provenAt === undefined || record.tries > 0 || failing;
}

/** Before sending: as though it were refused, so that a crash after it leaves it counted. */
export function counted(record: LoginRecord, request: LoginRequest, now: number): LoginRecord {
  return {
    ...record,
    inputs: request.digest,
    definition: request.definition,
    refused: [...record.refused.filter(digest => digest !== request.digest), request.digest].slice(
      -REMEMBERED_REFUSALS,
    ),
    refusedAt: [...record.refusedAt.filter(at => at > now - WINDOW_MS), now].slice(-REFUSALS_A_DAY),
    tries: record.tries + 1,
    lastTriedAt: now,
  };
}

/** @param before the record as it stood before the count. */
export function succeeded(before: LoginRecord, request: LoginRequest, now: number): LoginRecord {
  return {
    inputs: request.digest,
    definition: request.definition,
    refused: before.refused.filter(digest => digest !== request.digest),
    refusedAt: before.refusedAt.filter(at => at > now - WINDOW_MS),
    tries: 0,
    unanswered: 0,
    lastTriedAt: now,
    provenAt: now,
  };
}

/**
 * A crash after the token was published left the count as though the login were refused; the held token tells better.
 * @param issuedAt of a held token that a login with these very inputs brought.
 */
export function settled(record: LoginRecord, request: LoginRequest, issuedAt: number): LoginRecord {
  const { tries, inputs, lastTriedAt } = record;
  const answered =
    tries > 0 && inputs === request.digest && lastTriedAt !== undefined && issuedAt >= lastTriedAt;
  if (!answered) return record;
  const before = { ...record, refusedAt: record.refusedAt.filter(at => at !== lastTriedAt) };
  return succeeded(before, request, issuedAt);
}

/** Refusals that were the provider's own trouble: inputs that once worked have no count from them. */
export function forgiven(record: LoginRecord): LoginRecord {
  return record.provenAt === undefined || record.tries === 0 ? record : { ...record, tries: 0 };
}

/** Sent, outcome unknown: no refusal, but for inputs that never worked it is counted apart. */
export function unanswered(before: LoginRecord, request: LoginRequest, now: number): LoginRecord {
  return {
    ...before,
    inputs: request.digest,
    definition: request.definition,
    lastTriedAt: now,
    // Two values in turn are not new: what may be how a wrong password looks is remembered like a refusal.
    ...(before.provenAt === undefined ? { refused: counted(before, request, now).refused } : {}),
    unanswered: before.provenAt === undefined ? before.unanswered + 1 : 0,
  };
}

/** Not refused: the provider was not reached, asked to wait, or answered unreadably. The count is taken back. */
export function notRefused(before: LoginRecord, request: LoginRequest): LoginRecord {
  return { ...before, inputs: request.digest, definition: request.definition };
}
