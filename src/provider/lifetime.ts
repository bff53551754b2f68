import { Duration } from '@marcbachmann/cel-js/evaluator';
import { kindOf } from './cel-value.ts';
import { headerOf } from './content.ts';
import { readClaims } from './jwt.ts';
import type { ProviderAnswer } from './types.ts';

/**
 * How long a token lives: the smaller of what the answer says and what the JWT's own `exp` leaves by the provider's clock.
 * All in milliseconds from the moment the answer was made.
 */

export type Lifetime =
  | { readonly kind: 'known'; readonly ms: number }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unusable'; readonly field: string; readonly why: string };

/** A value that the definition reads, and where the definition says so. */
export interface Stated {
  readonly field: string;
  readonly value: unknown;
}

export interface Statements {
  readonly token: { readonly field: string; readonly value: string };
  readonly expiresIn?: Stated | undefined;
  readonly expiresAt?: Stated | undefined;
  /** What the definition assumes when neither the answer nor the token tells. */
  readonly assumedMs?: number | undefined;
}

/** Whose time it was when the answer was made. */
export interface AnswerClock {
  /** The provider's, from its `Date`; absent without one, and where a cache may have kept the answer. */
  readonly providerMs?: number;
  /** A cache stood between. */
  readonly aged: boolean;
  /** Ours, for want of the provider's. */
  readonly ownMs: number;
}

const TEN_YEARS = 10 * 365.25 * 86_400_000;
/** Not worth publishing: dead before a pod can read it. */
const SHORTEST = 5000;
/** Seconds since 1970; beyond it a number is in milliseconds, or no time. */
const LATEST_EXP = 1e11;

export function answerClock(answer: ProviderAnswer, nowMs: number): AnswerClock {
  const aged = headerOf(answer.headers, 'age') !== undefined;
  const date = parseHttpDate(headerOf(answer.headers, 'date') ?? '');
  return aged || date === undefined ? { aged, ownMs: nowMs } : { aged, ownMs: nowMs, providerMs: date };
}

/** @returns milliseconds since 1970, for the one form of date that HTTP still allows to be sent. */
export function parseHttpDate(text: string): number | undefined {
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

export function lifetimeOf(statements: Statements, clock: AnswerClock): Lifetime {
  const stated = statedBy(statements, clock);
  if (stated?.kind === 'unusable') return stated;
  const own = ownLife(statements.token.value, clock);
  const { field } = statements.token;
  if (own === 'absurd') {
    const known = stated?.ms ?? statements.assumedMs;
    if (known !== undefined) return { kind: 'known', ms: known };
    return { kind: 'unusable', field, why: "the token's own exp is no time in seconds" };
  }
  if (own === undefined) {
    if (stated !== undefined) return stated;
    return statements.assumedMs === undefined
      ? { kind: 'unknown' }
      : { kind: 'known', ms: statements.assumedMs };
  }
  // only the provider's own clock can tell that a token is dead of which the answer says that it lives
  if (own <= 0 && clock.providerMs === undefined && stated !== undefined) return stated;
  if (own <= 0) return { kind: 'unusable', field, why: 'the token had expired when it came' };
  if (own < SHORTEST) return { kind: 'unusable', field, why: 'the token lives less than 5s' };
  return { kind: 'known', ms: Math.floor(Math.min(own, stated?.ms ?? own)) };
}

function statedBy(
  { expiresIn, expiresAt }: Statements,
  clock: AnswerClock,
): Exclude<Lifetime, { kind: 'unknown' }> | undefined {
  if (expiresIn !== undefined) {
    return judged(expiresIn, secondsOf(expiresIn.value), 'a number of seconds');
  }
  if (expiresAt !== undefined) {
    const at = timeOf(expiresAt.value);
    const left = at === undefined ? undefined : (at - (clock.providerMs ?? clock.ownMs)) / 1000;
    return judged(expiresAt, left, 'a time: seconds since 1970 or RFC 3339');
  }
  return undefined;
}

function judged(
  { field, value }: Stated,
  seconds: number | undefined,
  wanted: string,
): Exclude<Lifetime, { kind: 'unknown' }> {
  const unusable = (why: string) => ({ kind: 'unusable', field, why }) as const;
  if (seconds === undefined) return unusable(`is ${kindOf(value)} that is not ${wanted}`);
  const ms = seconds * 1000;
  if (!(Math.abs(ms) <= TEN_YEARS)) return unusable('is more than ten years away');
  if (ms <= 0) return unusable('says that the token has no time left');
  if (ms < SHORTEST) return unusable('says that the token lives less than 5s');
  return { kind: 'known', ms: Math.floor(ms) };
}

/** Seconds of a number, a string of one, or a CEL duration; undefined for what is none, NaN included. */
export function secondsOf(value: unknown): number | undefined {
  if (value instanceof Duration) return value.valueOf() / 1000;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number') return Number.isNaN(value) ? undefined : value;
  if (typeof value !== 'string' || value.length > 32) return undefined;
  return /^\s*[+-]?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : undefined;
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

function timeOf(value: unknown): number | undefined {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.getTime();
  if (typeof value === 'string' && RFC3339.test(value)) {
    const ms = Date.parse(value.toUpperCase().replace(' ', 'T'));
    return Number.isNaN(ms) ? undefined : ms;
  }
  const seconds = secondsOf(value);
  return seconds === undefined ? undefined : seconds * 1000;
}

/** Milliseconds that the token's own claims leave; undefined when it claims none. */
function ownLife(token: string, clock: AnswerClock): number | 'absurd' | undefined {
  const claims = readClaims(token);
  if (claims?.exp === undefined) return undefined;
  const exp = numericDate(claims.exp);
  if (exp === undefined) return 'absurd';
  const iat = numericDate(claims.iat);
  const span = iat !== undefined && iat < exp ? exp - iat : undefined;
  let left = exp - (clock.providerMs ?? clock.ownMs);
  if (span !== undefined) {
    // a clock that is off: the token can't live longer than from its making, and claims to live that long
    if (left <= 0 || clock.aged) left = span;
    left = Math.min(left, span);
  }
  return left > TEN_YEARS ? 'absurd' : left;
}

/** @returns milliseconds since 1970. */
function numericDate(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 && value < LATEST_EXP ? value * 1000 : undefined;
}
