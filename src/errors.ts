import type { Reason } from './api/reasons.ts';

/**
 * What went wrong with a provider, and so what to do next. One place reads it (decide/), one place shows it (status).
 *
 * - Rejected: these credentials are wrong, says the provider. Counted.
 * - Throttled: asked to wait.
 * - Unavailable: not reached, or no answer. `sent` tells whether a login may have been counted over there.
 * - Unusable: a 2xx whose answer cannot be read.
 * - Invalid: cannot work until the definition changes (a redirect, an address that the guard refuses).
 */
export type FailureClass = 'Rejected' | 'Throttled' | 'Unavailable' | 'Unusable' | 'Invalid';

export interface Failure {
  readonly class: FailureClass;
  readonly reason: Reason;
  /** Whether the provider may have seen the request. `maybe` is a time-out, a reset, a 5xx. */
  readonly sent: 'no' | 'maybe' | 'yes';
  /**
   * Safe to show anywhere. Built from our own words, the definition's field, a status and sizes:
   * never from a body, a key that only the answer has, or a library's message.
   */
  readonly message: string;
  /** Milliseconds that the provider asked to wait. */
  readonly retryAfterMs?: number;
}

/** A mistake in an object, with the path of the field: `spec.flows[jwt].login.request.path`. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}
