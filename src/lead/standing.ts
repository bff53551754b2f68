import type { Lease } from '../kube/lease.ts';

/** What to do with a Lease as it is seen. Pure; all times are milliseconds of this process's monotonic clock. */

export interface LeaseTimes {
  /** How long a holder that is not heard of keeps the Lease. */
  readonly durationMs: number;
  /** A holder that could not renew for so long starts nothing new. */
  readonly renewDeadlineMs: number;
  /** From one renewal, or one failed try, to the next. */
  readonly retryMs: number;
}

/** The Lease as last seen. */
export interface Seen {
  /** Undefined: there is none. */
  readonly lease: Lease | undefined;
  /** The last that was there: while its holder may count on it, its deletion frees nothing. */
  readonly last: Lease | undefined;
  /** When this process first saw it so. Nobody's wall clock is asked. */
  readonly since: number;
}

/** That we hold it, or held it last. */
export interface Tenure {
  /** Before the last renewal that worked was sent. */
  readonly renewedAt: number;
  /** The Lease's count while it is ours: another's tenure raises it. */
  readonly transitions: number;
}

export type Step =
  /** Writes the Lease with us as its holder, at `at`. */
  | { readonly do: 'create' | 'acquire' | 'renew'; readonly at: number }
  | { readonly do: 'wait'; readonly until: number }
  /** Someone else held it since we did. */
  | { readonly do: 'end'; readonly holder: string };

export function nextStep(
  seen: Seen,
  tenure: Tenure | undefined,
  me: string,
  times: LeaseTimes,
  now: number,
): Step {
  const { lease } = seen;
  if (tenure !== undefined) return asHolder(lease, tenure, me, times, now);
  // Ours although we know of no success: the answer to our write was lost.
  if (lease?.holder === me) return { do: 'renew', at: now };
  const until = freeSince(seen, times);
  if (until > now) return { do: 'wait', until };
  return { do: lease === undefined ? 'create' : 'acquire', at: now };
}

function asHolder(
  lease: Lease | undefined,
  tenure: Tenure,
  me: string,
  times: LeaseTimes,
  now: number,
): Step {
  if (lease === undefined) {
    // Deleted while it is ours: put back. Deleted after it ran out: nothing tells who held it meanwhile.
    return now < tenure.renewedAt + times.durationMs ? { do: 'create', at: now } : { do: 'end', holder: '' };
  }
  if (lease.transitions !== tenure.transitions || (lease.holder !== me && lease.holder !== '')) {
    return { do: 'end', holder: lease.holder };
  }
  // Also when it ran out long ago: nobody held it in between, so nothing that we know is out of date by another's doing.
  return { do: 'renew', at: lease.holder === me ? tenure.renewedAt + times.retryMs : now };
}

/** From when on nobody may count on the Lease; it may lie ahead. */
export function freeSince({ lease, last, since }: Seen, { durationMs }: LeaseTimes): number {
  const holder = lease ?? last;
  if (holder === undefined || holder.holder === '') return since;
  return since + (holder.durationMs ?? durationMs);
}

/** What a holder may still do, by when it last renewed. */
export class Term {
  readonly #times: LeaseTimes;

  constructor(times: LeaseTimes) {
    this.#times = times;
  }

  /** When everything that is under way must have ended: a little before anyone else may begin. */
  endOf(tenure: Tenure): number {
    return tenure.renewedAt + this.#times.durationMs - this.#marginMs;
  }

  /**
   * Whether something that takes `ms` may be started. Of what takes longer than any lease can promise, the part that one
   * can: the lease is renewed meanwhile, or else ends it.
   */
  allows(tenure: Tenure, ms: number, now: number): boolean {
    if (now >= tenure.renewedAt + this.#times.renewDeadlineMs) return false;
    return now + Math.min(ms, this.promiseMs) <= this.endOf(tenure);
  }

  /**
   * What a lease in good standing has left at any time: two renewals may come late. Where the flags leave next to
   * nothing of that, a third, which a lease just renewed has.
   */
  get promiseMs(): number {
    const whole = this.#times.durationMs - this.#marginMs;
    return Math.max(whole - 2 * this.#times.retryMs, whole / 3);
  }

  /** For timers that fire late, and clocks that run apart. */
  get #marginMs(): number {
    return this.#times.durationMs / 15;
  }
}
