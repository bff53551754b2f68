import type { Reason } from '../api/reasons.ts';
import type { Failure, FailureClass } from '../errors.ts';
import { type Expression, evaluating, trace, type Variables } from './cel.ts';
import { kindOf } from './cel-value.ts';
import { type Content, headerOf, readContent } from './content.ts';
import {
  type AnswerClock,
  answerClock,
  lifetimeOf,
  parseHttpDate,
  type Stated,
  secondsOf,
} from './lifetime.ts';
import type { ResponsePlan } from './response.ts';
import type { Grant, ProviderAnswer, Read } from './types.ts';
import { hasControl, MAX_VALUE_LENGTH } from './values.ts';

/**
 * Reads an answer, judged in this order: throttled, rejected, status, success, token.
 * What is said of it is made of the definition's fields, of statuses and of sizes.
 */

export interface Reading {
  readonly step: 'login' | 'refresh';
  readonly plan: ResponsePlan;
  /** Where the request went, to tell a redirect within from one away. */
  readonly url: string;
  /** What the flow's `usage` can't do without: `tokenType`, `output.x`. */
  readonly needed: ReadonlySet<string>;
}

const MAX_TYPE_LENGTH = 256;
const LONGEST_WAIT_MS = 366 * 86_400_000;

export function readAnswer(reading: Reading, answer: ProviderAnswer, nowMs: number): Read {
  return evaluating(() => new Reader(reading, answer, nowMs).read());
}

/** Ends a reading; what it says is fit to be shown. */
class UnusableError extends Error {
  readonly why: string;
  constructor(why: string) {
    super('unusable');
    this.why = why;
  }
}

class Reader {
  readonly #reading: Reading;
  readonly #plan: ResponsePlan;
  readonly #answer: ProviderAnswer;
  readonly #clock: AnswerClock;
  readonly #content: Content;
  readonly #variables: Variables;

  constructor(reading: Reading, answer: ProviderAnswer, nowMs: number) {
    this.#reading = reading;
    this.#plan = reading.plan;
    this.#answer = answer;
    this.#clock = answerClock(answer, nowMs);
    this.#content = readContent(answer, reading.plan.format);
    this.#variables = {
      status: BigInt(answer.status),
      // Few definitions read them.
      get headers() {
        return new Map(Object.entries(answer.headers));
      },
      now: new Date(this.#clock.providerMs ?? nowMs),
      ...(this.#content.ok ? { body: this.#content.body } : {}),
    };
  }

  read(): Read {
    const early = this.#throttled() ?? this.#rejected() ?? this.#byStatus();
    if (early !== undefined) return { ok: false, failure: early };
    let refreshToken: string | undefined;
    try {
      const unsuccessful = this.#unsuccessful();
      if (unsuccessful !== undefined) return { ok: false, failure: unsuccessful };
      refreshToken = this.#secret(this.#plan.refreshToken);
      return { ok: true, grant: this.#grant(refreshToken) };
    } catch (error) {
      if (!(error instanceof UnusableError)) throw error;
      const failure = this.#failure('Unusable', 'Unusable', error.why);
      return refreshToken === undefined ? { ok: false, failure } : { ok: false, failure, refreshToken };
    }
  }

  #failure(kind: FailureClass, reason: Reason, why: string, sent: Failure['sent'] = 'yes'): Failure {
    const message = `the provider answered HTTP ${this.#answer.status}: ${why}`;
    const retryAfterMs = kind === 'Throttled' || kind === 'Unavailable' ? this.#retryAfter() : undefined;
    const failure = { class: kind, reason, sent, message };
    return retryAfterMs === undefined ? failure : { ...failure, retryAfterMs };
  }

  #throttled(): Failure | undefined {
    const { throttled } = this.#plan;
    if (this.#answer.status === 429) return this.#failure('Throttled', 'Throttled', 'it asks to wait');
    return this.#holds(throttled)
      ? this.#failure('Throttled', 'Throttled', `it asks to wait (${throttled?.field})`)
      : undefined;
  }

  /** Milliseconds; an HTTP date is measured by the clock of the same answer. */
  #retryAfter(): number | undefined {
    const { retryAfter } = this.#plan;
    const outcome = retryAfter?.evaluate(this.#variables);
    const seconds = outcome?.kind === 'value' ? secondsOf(outcome.value) : undefined;
    if (seconds !== undefined) return clampWait(seconds * 1000);
    const header = headerOf(this.#answer.headers, 'retry-after')?.trim() ?? '';
    if (/^\d{1,10}$/.test(header)) return clampWait(Number(header) * 1000);
    const date = parseHttpDate(header);
    return date === undefined ? undefined : clampWait(date - (this.#clock.providerMs ?? this.#clock.ownMs));
  }

  #rejected(): Failure | undefined {
    const { rejected } = this.#plan;
    if (rejected === undefined ? this.#answer.status === 401 : this.#holds(rejected)) {
      return this.#refused(rejected === undefined ? '' : ` (${rejected.field})`);
    }
    return undefined;
  }

  #refused(how: string): Failure {
    return this.#reading.step === 'login'
      ? this.#failure('Rejected', 'Rejected', `it refuses the login${how}`)
      : this.#failure('Rejected', 'RefreshTokenRejected', `it refuses the refresh token${how}`);
  }

  #byStatus(): Failure | undefined {
    const { status } = this.#answer;
    if (status >= 200 && status < 300) return undefined;
    if (status >= 300 && status < 400) {
      const why = `it redirects ${this.#target()}, and a redirected login is no login: correct the URL in the definition`;
      return this.#failure('Invalid', 'Redirected', why);
    }
    if (status === 408 || status === 425 || (status >= 500 && status < 600)) {
      return this.#failure('Unavailable', 'OutcomeUnknown', 'whether it saw the request is unknown', 'maybe');
    }
    if (status >= 400 && status < 500) return this.#refused('');
    return this.#failure('Unusable', 'Unusable', 'this is no status that ends a request');
  }

  #target(): string {
    const location = headerOf(this.#answer.headers, 'location');
    if (location === undefined || !URL.canParse(location, this.#reading.url)) return 'without saying where';
    const same = new URL(location, this.#reading.url).host === new URL(this.#reading.url).host;
    return same ? 'to another address of the same host' : 'to another host';
  }

  #unsuccessful(): Failure | undefined {
    const { success } = this.#plan;
    if (success === undefined) return undefined;
    const outcome = success.evaluate(this.#variables);
    if (outcome.kind === 'value' && typeof outcome.value === 'boolean') {
      return outcome.value ? undefined : this.#refused(` (${success.field} is false)`);
    }
    // an answer that can't be read is a fault of the provider, not a refused login
    if (!this.#content.ok || outcome.kind !== 'absent') this.#unreadable(success, outcome);
    return this.#refused(` (${success.field} is false)`);
  }

  /** An absent key, or anything but true, is false. */
  #holds(expression: Expression | undefined): boolean {
    const outcome = expression?.evaluate(this.#variables);
    return outcome?.kind === 'value' && outcome.value === true;
  }

  #grant(refreshToken: string | undefined): Grant {
    const plan = this.#plan;
    const token = this.#token();
    const tokenType = this.#tokenType();
    const outputs = plan.outputs.flatMap(([name, expression]) => {
      const value = this.#output(name, expression);
      return value === undefined ? [] : [[name, value] as const];
    });
    const lifetime = lifetimeOf(
      {
        token: { field: plan.token?.field ?? plan.field, value: token },
        expiresIn: this.#stated(plan.expiresIn),
        expiresAt: this.#stated(plan.expiresAt),
        assumedMs: plan.assumedMs,
      },
      this.#clock,
    );
    if (lifetime.kind === 'unusable') throw new UnusableError(`${lifetime.field} ${lifetime.why}`);
    const expiry = plan.expiresIn ?? plan.expiresAt;
    // else a changed answer would make a token that is never renewed
    if (lifetime.kind === 'unknown' && expiry !== undefined) {
      throw new UnusableError(
        `it does not say when the token expires: ${expiry.field}: ${this.#reached(expiry, { kind: 'absent' })}; set lifetime in the definition if the provider leaves it out on purpose`,
      );
    }
    return {
      token,
      outputs: Object.fromEntries(outputs),
      ...(tokenType === undefined ? {} : { tokenType }),
      ...(refreshToken === undefined ? {} : { refreshToken }),
      ...(lifetime.kind === 'known' ? { lifetimeMs: lifetime.ms } : {}),
    };
  }

  #token(): string {
    const { token } = this.#plan;
    if (token === undefined) throw new UnusableError(`${this.#plan.field}.token is not defined`);
    const value = this.#secret(token);
    return value ?? this.#unreadable(token, { kind: 'absent' });
  }

  /** A token or a refresh token. */
  #secret(expression: Expression | undefined): string | undefined {
    const value = this.#value(expression);
    if (expression === undefined || value === undefined || value === '') return undefined;
    if (typeof value !== 'string') return this.#unreadable(expression, { kind: 'value', value });
    const wrong = secretFault(value);
    if (wrong !== undefined) throw new UnusableError(`${expression.field} ${wrong}`);
    return value;
  }

  #tokenType(): string | undefined {
    const { tokenType } = this.#plan;
    const value = this.#value(tokenType);
    if (tokenType === undefined || value === undefined || value === '') {
      if (tokenType !== undefined && this.#reading.needed.has('tokenType')) {
        this.#unreadable(tokenType, { kind: 'absent' });
      }
      return undefined;
    }
    if (typeof value !== 'string') return this.#unreadable(tokenType, { kind: 'value', value });
    if (value.length > MAX_TYPE_LENGTH || secretFault(value) !== undefined) {
      throw new UnusableError(`${tokenType.field} is no plain word`);
    }
    return value;
  }

  #output(name: string, expression: Expression): string | undefined {
    const value = this.#value(expression);
    // it becomes part of a header
    const needed = this.#reading.needed.has(`output.${name}`);
    switch (typeof value) {
      case 'undefined':
        if (needed) this.#unreadable(expression, { kind: 'absent' });
        return undefined;
      case 'string':
        if (value.length > MAX_VALUE_LENGTH || !value.isWellFormed()) {
          throw new UnusableError(`${expression.field} is too long, or no valid text`);
        }
        if (needed && hasControl(value)) throw new UnusableError(`${expression.field} ${HAS_CONTROL}`);
        return value;
      case 'bigint':
      case 'number':
      case 'boolean':
        return String(value);
      default:
        return this.#unreadable(expression, { kind: 'value', value });
    }
  }

  #stated(expression: Expression | undefined): Stated | undefined {
    const value = this.#value(expression);
    return expression === undefined || value === undefined ? undefined : { field: expression.field, value };
  }

  /** Absent and null are the same: servers write either. */
  #value(expression: Expression | undefined): unknown {
    const outcome = expression?.evaluate(this.#variables);
    if (expression === undefined || outcome === undefined || outcome.kind === 'absent') return undefined;
    if (outcome.kind === 'failed') return this.#unreadable(expression, outcome);
    return outcome.value === null ? undefined : outcome.value;
  }

  #unreadable(expression: Expression, outcome: { kind: string; value?: unknown }): never {
    const size = `${this.#answer.body.byteLength} bytes`;
    if (!this.#content.ok) {
      throw new UnusableError(
        `${expression.field} cannot be read, since the body ${this.#content.why} (${size})`,
      );
    }
    const reached = this.#reached(expression, outcome);
    throw new UnusableError(`${expression.field} cannot be read: ${reached} (a body of ${size})`);
  }

  #reached(expression: Expression, outcome: { kind: string; value?: unknown }): string {
    return trace(expression, this.#variables) ?? OUTCOMES.get(outcome.kind) ?? kindOf(outcome.value);
  }
}

const OUTCOMES: ReadonlyMap<string, string> = new Map([
  ['absent', 'a key that it reads is absent or null'],
  ['failed', 'the values are not of the kind that it works with'],
]);

const HAS_CONTROL = 'has a newline or another control character';

function secretFault(value: string): string | undefined {
  if (value.length > MAX_VALUE_LENGTH) return `is longer than ${MAX_VALUE_LENGTH} characters`;
  if (hasControl(value)) return HAS_CONTROL;
  if (value.trim() !== value) return 'has space around it';
  if (!value.isWellFormed()) return 'is no valid text';
  return undefined;
}

function clampWait(ms: number): number {
  return Number.isFinite(ms) ? Math.min(Math.max(0, Math.round(ms)), LONGEST_WAIT_MS) : LONGEST_WAIT_MS;
}
