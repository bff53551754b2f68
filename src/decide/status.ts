import type { CredentialStatus } from '../api/credential.ts';
import { instant } from '../api/instant.ts';
import type { Condition } from '../api/meta.ts';
import { CONDITION } from '../api/reasons.ts';
import type { Held } from '../held.ts';
import type { Verdict } from './decide.ts';
import { type LoginRecord, NO_LOGIN_YET } from './login-limit.ts';

/** Everything that a status says, for success and failure alike. Times in ms, by the API server's clock. */
export interface Conclusion {
  readonly generation: number;
  readonly now: number;
  readonly ready: Verdict;
  /** The last attempt; absent: as it was. */
  readonly refreshed?: Verdict | undefined;
  readonly stalled?: Verdict | undefined;
  readonly held?: Held | undefined;
  readonly secretName?: string | undefined;
  readonly renewAt?: number | undefined;
  readonly versions?: Versions | undefined;
  readonly login: LoginRecord;
  readonly failures: Failures | undefined;
  /** Of the last request sent. */
  readonly attempt?: string | undefined;
  readonly handledRefresh?: string | undefined;
  readonly handledProviderRefresh?: string | undefined;
}

/** Of the Secrets that a token stands in and came from, when it was written. */
export type Versions = Pick<NonNullable<CredentialStatus['token']>, 'secretVersion' | 'sourceVersion'>;

export interface Failures {
  readonly consecutive: number;
  /** Of the last one; absent in a status of an older version. */
  readonly reason?: string | undefined;
  readonly lastAt: number;
  readonly retryAt?: number | undefined;
}

export function conclude(previous: CredentialStatus | undefined, c: Conclusion): CredentialStatus {
  const refreshed = c.refreshed ?? verdictOf(previous, CONDITION.refreshed);
  const conditions = [
    condition(previous, CONDITION.ready, c.ready, c),
    ...(refreshed === undefined ? [] : [condition(previous, CONDITION.refreshed, refreshed, c)]),
    ...(c.stalled === undefined ? [] : [condition(previous, CONDITION.stalled, c.stalled, c)]),
  ];
  const told = previous?.conditions;
  return dropAbsent({
    observedGeneration: c.generation,
    conditions: told !== undefined && alike(told, conditions) ? told : conditions,
    token:
      c.held === undefined || c.secretName === undefined
        ? undefined
        : dropAbsent({
            issuedAt: instant(c.held.issuedAt),
            expiresAt: c.held.expiresAt === undefined ? undefined : instant(c.held.expiresAt),
            renewAt: c.renewAt === undefined ? undefined : instant(c.renewAt),
            grant: c.held.grant,
            secretName: c.secretName,
            secretVersion: c.versions?.secretVersion,
            sourceVersion: c.versions?.sourceVersion,
          }),
    login: loginStatus(c.login),
    failures:
      c.failures === undefined
        ? undefined
        : dropAbsent({
            consecutive: c.failures.consecutive,
            reason: c.failures.reason,
            lastAt: instant(c.failures.lastAt),
            retryAt: c.failures.retryAt === undefined ? undefined : instant(c.failures.retryAt),
          }),
    lastAttemptId: c.attempt,
    lastHandledRefreshAt: c.handledRefresh,
    lastHandledProviderRefreshAt: c.handledProviderRefresh,
  });
}

function alike(a: readonly Condition[], b: readonly Condition[]): boolean {
  return a.length === b.length && a.every((condition, at) => condition === b[at]);
}

export function conditionOf(status: CredentialStatus | undefined, type: string): Condition | undefined {
  return status?.conditions?.find(condition => condition.type === type);
}

function verdictOf(status: CredentialStatus | undefined, type: string): Verdict | undefined {
  const found = conditionOf(status, type);
  if (found === undefined || found.status === 'Unknown') return undefined;
  return { status: found.status, reason: found.reason as Verdict['reason'], message: found.message };
}

function condition(
  previous: CredentialStatus | undefined,
  type: string,
  verdict: Verdict,
  { generation, now }: Conclusion,
): Condition {
  const before = conditionOf(previous, type);
  // The same object tells at once that there is nothing to write.
  if (
    before?.status === verdict.status &&
    before.reason === verdict.reason &&
    before.message === verdict.message &&
    before.observedGeneration === generation
  )
    return before;
  return {
    type,
    status: verdict.status,
    observedGeneration: generation,
    lastTransitionTime: before?.status === verdict.status ? before.lastTransitionTime : instant(now),
    reason: verdict.reason,
    message: verdict.message,
  };
}

/** As read from a status: a look at a credential asks several times. */
const records = new WeakMap<NonNullable<CredentialStatus['login']>, LoginRecord>();

export function loginRecord(status: CredentialStatus | undefined): LoginRecord {
  const login = status?.login;
  if (login === undefined) return NO_LOGIN_YET;
  const known = records.get(login);
  if (known !== undefined) return known;
  const record = readRecord(login);
  records.set(login, record);
  return record;
}

function readRecord(login: NonNullable<CredentialStatus['login']>): LoginRecord {
  return {
    ...(login.inputs === undefined ? {} : { inputs: login.inputs }),
    ...(login.definition === undefined ? {} : { definition: login.definition }),
    refused: login.refused ?? [],
    refusedAt: (login.refusedAt ?? []).map(Date.parse),
    tries: login.tries ?? 0,
    unanswered: login.unanswered ?? 0,
    ...(login.lastTriedAt === undefined ? {} : { lastTriedAt: Date.parse(login.lastTriedAt) }),
    ...(login.provenAt === undefined ? {} : { provenAt: Date.parse(login.provenAt) }),
  };
}

function loginStatus(login: LoginRecord): CredentialStatus['login'] {
  if (login === NO_LOGIN_YET) return undefined;
  return dropAbsent({
    inputs: login.inputs,
    definition: login.definition,
    refused: login.refused.length === 0 ? undefined : [...login.refused],
    refusedAt: login.refusedAt.length === 0 ? undefined : login.refusedAt.map(at => instant(at)),
    tries: login.tries,
    unanswered: login.unanswered === 0 ? undefined : login.unanswered,
    lastTriedAt: login.lastTriedAt === undefined ? undefined : instant(login.lastTriedAt),
    provenAt: login.provenAt === undefined ? undefined : instant(login.provenAt),
  });
}

export function failuresOf(status: CredentialStatus | undefined): Failures | undefined {
  const failures = status?.failures;
  if (failures === undefined || failures.consecutive === 0 || failures.lastAt === undefined) return undefined;
  return {
    consecutive: failures.consecutive,
    reason: failures.reason,
    lastAt: Date.parse(failures.lastAt),
    retryAt: failures.retryAt === undefined ? undefined : Date.parse(failures.retryAt),
  };
}

/** Whether writing would change nothing. */
export function sameStatus(a: CredentialStatus | undefined, b: CredentialStatus | undefined): boolean {
  return same(a ?? {}, b ?? {});
}

/**
 * A merge patch that turns one status into another: fields that went are `null`.
 * One writer owns our status, so a merge patch loses nothing, and it costs the server less than an apply.
 */
export function statusPatch(
  from: CredentialStatus | undefined,
  to: CredentialStatus,
): Record<string, unknown> {
  return diff((from ?? {}) as Tree, to as Tree);
}

type Tree = { readonly [field: string]: unknown };

function diff(from: Tree, to: Tree): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  for (const field of Object.keys(to)) {
    const before = from[field];
    const after = to[field];
    if (after === undefined || before === after) continue;
    if (isTree(before) && isTree(after)) {
      const inner = diff(before, after);
      if (!isEmpty(inner)) patch[field] = inner;
    } else if (!same(before, after)) patch[field] = after;
  }
  for (const field of Object.keys(from))
    if (from[field] !== undefined && to[field] === undefined) patch[field] = null;
  return patch;
}

/** Whether such a patch changes nothing. */
export function isEmpty(patch: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(patch).length === 0;
}

/** Equal as JSON: absent and undefined are one. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => same(item, b[index]));
  if (!isTree(a) || !isTree(b)) return false;
  return [...Object.keys(a), ...Object.keys(b)].every(key => same(a[key], b[key]));
}

function isTree(value: unknown): value is Tree {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function dropAbsent<T extends object>(object: T): Defined<T> {
  const kept: Partial<T> = {};
  for (const field of Object.keys(object) as (keyof T)[])
    if (object[field] !== undefined) kept[field] = object[field];
  return kept as Defined<T>;
}
