import type { LogEntry } from '../providers/log.ts';
import type { Calm } from './calm.ts';
import { DAY, MINUTE } from './chance.ts';
import type { Subject } from './subject.ts';
import type { Weather } from './weather.ts';

/** A promise that was broken. Names no secret. */
export interface Violation {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly promise: string;
  readonly credential: string;
  readonly detail: string;
}

/** How well things around the operator are. */
export type Conditions = Pick<Weather, 'api' | 'news' | 'provider'>;

/** The longest wait that a provider's trouble leaves behind (backoff after an unknown outcome: 30 min), and some to act in. */
const PROVIDER_PATIENCE_MS = 35 * MINUTE;
/** After the API server was away: four writes under way that hang for 30 s each, a wait of up to 75 s, and some to act in. */
const API_PATIENCE_MS = 5 * MINUTE;
/** After a person mended inputs or spec: the third try of a new login comes 10 min after the second. */
const PERSON_PATIENCE_MS = 15 * MINUTE;
/** In which what someone did to the target is put right, when all has been well for long. */
const REPAIR_MS = 5 * MINUTE;
/** Clocks are compared by whole seconds. */
const TOLERANCE_MS = 2000;
/** What needs nothing but a look and a write. */
const PROMPT_MS = MINUTE;
/** Two grants are at least 5 s apart; what is recorded of them is cut to the second. */
const SPACING_MS = 4000;
const REFUSALS_A_DAY = 6;
const REFUSALS_WITHOUT_SUCCESS = 3;

/** Holds what happens against what was promised. */
export class Judge {
  readonly violations: Violation[] = [];
  readonly #told = new Set<string>();
  readonly #now: () => number;
  readonly #weather: Conditions;
  /** The operator runs. */
  readonly #operator: Calm;

  constructor(now: () => number, weather: Conditions, operator: Calm) {
    this.#now = now;
    this.#weather = weather;
    this.#operator = operator;
  }

  /**
   * **No Secret holds a token past its expiry** while its provider could be reached early enough. That is: while provider,
   * API server, operator, inputs and spec have all been well without a break
   * - for as long as the waits last that a trouble leaves behind: {@link PROVIDER_PATIENCE_MS} for the provider,
   *   {@link API_PATIENCE_MS} for API server and operator, {@link PERSON_PATIENCE_MS} for inputs and spec; or
   * - since before the present token was issued, so that no trouble touched its renewal: this judges the shortest-lived.
   *
   * A target that someone edited or deleted holds a live token again within {@link REPAIR_MS}, when those waits have ended.
   * Excused is who waits for a person: refused three times since the last grant, or with inputs that never worked and met a
   * trouble of the provider, and not asked for since; or refused six times in 24 hours.
   * Judged each minute, before each trouble begins, and before each write.
   */
  tokenLives(subject: Subject): void {
    const now = this.#now();
    const dead = subject.deadSince(now - TOLERANCE_MS);
    if (dead === undefined || this.#waitsForPerson(subject)) return;
    const well = this.#wellSince(subject);
    const patient = this.#waitsEnd(subject) <= now;
    if (subject.editedAt !== undefined) {
      const repairable = Math.max(subject.editedAt, this.#weather.news.since) + REPAIR_MS <= now;
      if (patient && repairable)
        this.#broken('token lives', subject, `not repaired since ${iso(subject.editedAt)}`);
      return;
    }
    const untouched = subject.token !== undefined && subject.token.bornAt > well;
    if (patient || untouched)
      this.#broken('token lives', subject, `dead since ${iso(dead)}, though all is well since ${iso(well)}`);
  }

  /** **Ready=True means a live token of this account**, and Stalled never stands beside it. @param written the status is being written now. */
  statusIsTrue(subject: Subject, written: boolean): void {
    const now = this.#now();
    if (subject.ready && subject.stalled)
      this.#broken('status is true', subject, 'Stalled beside Ready=True');
    if (!subject.ready || subject.isLive(now - TOLERANCE_MS)) return;
    const { editedAt } = subject;
    const { api, news } = this.#weather;
    const known = Math.max(api.since, news.since, this.#operator.since, subject.calm.since) + API_PATIENCE_MS;
    if (editedAt !== undefined) {
      // the operator learns of it by a watch
      if (known <= now && editedAt + PROMPT_MS <= now)
        this.#broken('status is true', subject, `Ready, but the target was changed at ${iso(editedAt)}`);
      return;
    }
    const dead = subject.deadSince(now) ?? now;
    if (written || (known <= now && dead + PROMPT_MS <= now))
      this.#broken('status is true', subject, `Ready, but its token is dead since ${iso(dead)}`);
  }

  /** **Refusals are bounded**, by the provider's own log. Not judged where the operator may not have seen the answer. */
  refusalsAreBounded(subject: Subject): void {
    const now = this.#now();
    const today = subject.refusals.filter(at => at > now - DAY).length;
    if (today > REFUSALS_A_DAY) this.#broken('refusals are bounded', subject, `${today} in 24 hours`);
    const most = REFUSALS_WITHOUT_SUCCESS + subject.requests;
    if (subject.freshRefusals > most)
      this.#broken(
        'refusals are bounded',
        subject,
        `${subject.freshRefusals} of inputs that never worked, at most ${most} allowed`,
      );
  }

  /**
   * **Nothing is asked for without need**: not while a live token is held whose renewal is not due, whatever restarts,
   * edits of labels and relists there were, unless a person gave cause. And an answer that came is never asked for again.
   */
  askedWithNeed(subject: Subject, entry: LogEntry, run: number): void {
    const { token, cause, lastGrant, editedAt } = subject;
    const { at } = entry;
    if (
      lastGrant !== undefined &&
      at - lastGrant.at < SPACING_MS &&
      lastGrant.run === run &&
      !lastGrant.doubtful
    )
      this.#broken('asked with need', subject, `two grants ${at - lastGrant.at} ms apart`);
    const lives = token !== undefined && at < token.diesAt;
    if (lives && editedAt === undefined && at < token.renewFrom && cause.at < token.bornAt)
      this.#broken(
        'asked with need',
        subject,
        `${entry.step}, though the token's renewal begins at ${iso(token.renewFrom)}`,
      );
    const thrownAway =
      lastGrant !== undefined &&
      lastGrant.run === run &&
      !lastGrant.doubtful &&
      at < subject.grantHoldsUntil &&
      cause.at < lastGrant.at;
    if (thrownAway)
      this.#broken(
        'asked with need',
        subject,
        `${entry.step}, though the answer of ${iso(lastGrant.at)} still holds`,
      );
  }

  /**
   * **A refresh token is never lost**: a login in a flow with one comes only where the provider, the API server and people
   * did something since the last grant, or where that grant is older than a refresh token lives.
   */
  refreshTokenKept(subject: Subject, entry: LogEntry, refreshMs: number): void {
    const { lastGrant, cause } = subject;
    if (lastGrant === undefined || entry.step !== 'login' || lastGrant.doubtful) return;
    const well = Math.max(this.#weather.provider(subject.provider).since, this.#weather.api.since);
    if (well > lastGrant.at || cause.at > lastGrant.at || entry.at > lastGrant.at + refreshMs) return;
    this.#broken(
      'refresh token kept',
      subject,
      `a login, though the grant of ${iso(lastGrant.at)} left a refresh token`,
    );
  }

  /** The session holds a refresh token that the provider would take. */
  sessionLives(subject: Subject, isLive: (token: string) => boolean, refreshMs: number): void {
    const now = this.#now();
    const { lastGrant, refreshToken, cause } = subject;
    if (lastGrant === undefined || lastGrant.doubtful || lastGrant.at + refreshMs <= now) return;
    if (Math.max(this.#wellSince(subject), cause.at) + 2 * MINUTE > Math.min(now, lastGrant.at)) return;
    if (refreshToken === undefined || !isLive(refreshToken))
      this.#broken('refresh token kept', subject, 'the session holds no live refresh token');
  }

  /** The same breach, seen again each minute, is told once. */
  broken(promise: string, credential: string, detail: string): void {
    const what = `${promise} ${credential} ${detail}`;
    if (this.#told.has(what)) return;
    this.#told.add(what);
    this.violations.push({ at: this.#now(), promise, credential, detail });
  }

  #broken(promise: string, subject: Subject, detail: string): void {
    this.broken(promise, subject.key, detail);
  }

  #wellSince(subject: Subject): number {
    const { api } = this.#weather;
    return Math.max(
      this.#weather.provider(subject.provider).since,
      api.since,
      this.#operator.since,
      subject.calm.since,
    );
  }

  /** When the waits that troubles left behind have ended. */
  #waitsEnd(subject: Subject): number {
    return Math.max(
      this.#weather.provider(subject.provider).since + PROVIDER_PATIENCE_MS,
      Math.max(this.#weather.api.since, this.#operator.since) + API_PATIENCE_MS,
      subject.calm.since + PERSON_PATIENCE_MS,
      Math.max(subject.requestedAt, this.#weather.news.since) + PROMPT_MS,
    );
  }

  #waitsForPerson(subject: Subject): boolean {
    const { refusalsSinceGrant, requestedAt, freshRefusals } = subject;
    if (subject.refusalsSince(this.#now() - DAY - PROMPT_MS) >= REFUSALS_A_DAY) return true;
    // A try that was asked for in a trouble may have come to nothing.
    const { since } = this.#weather.provider(subject.provider);
    const limited = refusalsSinceGrant >= REFUSALS_WITHOUT_SUCCESS;
    if (limited && requestedAt < Math.max(subject.refusedAt, since)) return true;
    // Five logins without an answer are as many as inputs may have that never worked.
    const neverWorked = freshRefusals !== Number.NEGATIVE_INFINITY;
    return neverWorked && subject.inputsAt < since && requestedAt < since;
  }
}

const iso = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString() : 'ever');
