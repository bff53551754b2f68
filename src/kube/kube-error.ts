import { z } from 'zod';
import type { LogFields } from '../api/log.ts';

/** One thing that the API server found wrong. */
export interface FieldCause {
  /** Path as the server writes it: `spec.source`; empty when the cause is about no field. */
  readonly field: string;
  readonly reason?: string;
  /** The server's text; absent for calls that carry secrets. */
  readonly message?: string;
}

export type Sent = 'no' | 'maybe' | 'yes';

interface Facts {
  /** Whose doing failed: `apply secrets`. */
  readonly what: string;
  /** HTTP status; 0 when no whole answer came. */
  readonly code: number;
  /** `Status.reason` (`Conflict`), or in place of an answer a code such as `ECONNREFUSED`, `Timeout`, `Aborted`. */
  readonly reason: string;
  readonly sent: Sent;
  readonly fields?: readonly FieldCause[];
  readonly retryAfterMs?: number | undefined;
  /** The server's own message. Only for calls that carry no secret. */
  readonly detail?: string | undefined;
}

/** A call of the API server that failed. Safe to show: holds no value that was sent, and has no `cause`. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly code: number;
  readonly reason: string;
  readonly fields: readonly FieldCause[];
  /** Milliseconds that the server asked to wait. */
  readonly retryAfterMs: number | undefined;
  /** Whether the server may have acted on the call. */
  readonly sent: Sent;

  constructor(facts: Facts) {
    super(sentence(facts));
    this.code = facts.code;
    this.reason = facts.reason;
    this.fields = facts.fields ?? [];
    this.retryAfterMs = facts.retryAfterMs;
    this.sent = facts.sent;
  }

  /** What a log line tells of it. */
  get logged(): LogFields {
    return { code: this.code, reason: this.reason, detail: this.message };
  }
}

const DETAIL_MAX = 300;
const CAUSES_MAX = 10;

function sentence({ what, code, reason, fields = [], detail }: Facts): string {
  const outcome = code === 0 ? `no answer from the API server (${reason})` : `${code} ${reason}`;
  const named = [...new Set(fields.flatMap(cause => (cause.field === '' ? [] : [cause.field])))];
  const at = named.length === 0 ? '' : ` at ${named.join(', ')}`;
  const text = detail === undefined || detail === '' ? '' : `: ${cut(detail, DETAIL_MAX)}`;
  return `${what}: ${outcome}${at}${text}`;
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text;
}

const Status = z.object({
  code: z.number().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z
    .object({
      retryAfterSeconds: z.number().optional(),
      causes: z
        .array(
          z.object({
            reason: z.string().optional(),
            message: z.string().optional(),
            field: z.string().optional(),
          }),
        )
        .nullish(),
    })
    .nullish(),
});

/** Paths and reasons have these shapes; what has not is no path, and may be a value. */
const FIELD = /^[\w.[\]$\-/:@]{1,253}$/;
const REASON = /^[A-Za-z]{1,64}$/;

/**
 * What a `Status` object says: the body of a refusal, or the object of a watch's ERROR event.
 * @param call.secret drops every text of the server's.
 */
export function refusal(
  call: {
    readonly what: string;
    readonly code: number;
    readonly secret?: boolean | undefined;
    readonly retryAfterMs?: number | undefined;
  },
  body: unknown,
): KubeError {
  const parsed = Status.safeParse(body);
  const status = parsed.success ? parsed.data : {};
  const code = call.code === 0 ? (status.code ?? 500) : call.code;
  const seconds = status.details?.retryAfterSeconds;
  return new KubeError({
    what: call.what,
    code,
    reason: nameLike(REASON, status.reason) ?? REASONS[code] ?? 'Unknown',
    sent: 'yes',
    fields: (status.details?.causes ?? []).slice(0, CAUSES_MAX).map(cause => {
      const reason = nameLike(REASON, cause.reason);
      return {
        field: nameLike(FIELD, cause.field) ?? '',
        ...(reason === undefined ? {} : { reason }),
        ...(call.secret === true || cause.message === undefined
          ? {}
          : { message: cut(cause.message, DETAIL_MAX) }),
      };
    }),
    retryAfterMs: waitAskedFor(
      call.retryAfterMs ?? (seconds === undefined || seconds <= 0 ? undefined : seconds * 1000),
    ),
    detail: call.secret === true ? undefined : status.message,
  });
}

/** A server that asks for a day is asked again all the same. */
const RETRY_AFTER_MAX_MS = 120_000;

function waitAskedFor(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.min(ms, RETRY_AFTER_MAX_MS);
}

/** For answers without a Status: of flow control, an overloaded server, or whatever stands before it. */
const REASONS: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  429: 'TooManyRequests',
  500: 'InternalError',
  502: 'BadGateway',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function nameLike(shape: RegExp, text: string | undefined): string | undefined {
  return text !== undefined && shape.test(text) ? text : undefined;
}

function is(error: unknown, code: number): error is KubeError {
  return error instanceof KubeError && error.code === code;
}

// Plain booleans: a type guard would make `never` of a KubeError that is another.
export const isNotFound = (error: unknown): boolean => is(error, 404);
/** The resourceVersion or the continue token is too old. */
export const isGone = (error: unknown): boolean => is(error, 410);
/**
 * A precondition (uid, resourceVersion) or another field manager stands against the write.
 * An apply with another object's uid is refused as an invalid change of it.
 */
export const isConflict = (error: unknown): boolean =>
  (is(error, 409) && error.reason !== 'AlreadyExists') ||
  (is(error, 422) && error.fields.length > 0 && error.fields.every(cause => cause.field === 'metadata.uid'));
export const isAlreadyExists = (error: unknown): boolean =>
  is(error, 409) && error.reason === 'AlreadyExists';

/** A Secret that someone has set `immutable`: the one thing about `data` that is forbidden. */
export const isImmutable = (error: unknown): boolean =>
  is(error, 422) &&
  error.fields.some(({ field, reason }) => field === 'data' && reason === 'FieldValueForbidden');

/** No answer, or one that says "later". */
export function isRetriable(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return error.code === 0 || error.code === 429 || error.code >= 500 || error.code === 401;
}
