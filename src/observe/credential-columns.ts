import { REASONS, type Reason } from '../api/reasons.ts';
import { roomFor, Slots } from '../loop/slots.ts';

/** What is known of one credential. Times in ms since 1970, by the API server's clock. */
export interface CredentialState {
  readonly ready: boolean;
  /** Of the condition Ready. */
  readonly reason: Reason;
  /** It holds a token, or did once. */
  readonly begun?: boolean;
  readonly suspended?: boolean;
  readonly expiresAt?: number | undefined;
  /** When the held token is to be renewed; absent when nothing will be sent. */
  readonly renewAt?: number | undefined;
  /** When the held token was asked for. */
  readonly lastSuccess?: number | undefined;
  /** Refused logins with the present inputs. */
  readonly rejections: number;
  /** Why nothing is sent until a person helps. */
  readonly stopped?: Reason | undefined;
  /** Why the last attempt failed. */
  readonly failing?: Reason | undefined;
}

/** What is kept of one. */
export interface Kept {
  readonly provider: string;
  readonly state: CredentialState;
  /** Up to when its seconds are counted; monotonic ms. */
  readonly since: number;
  /** Monotonic ms; a token dies by the clock, whether or not anyone looks at it. */
  readonly liveUntil: number;
}

const REASON_OF = Object.keys(REASONS) as Reason[];
/** 0 is none. */
const CODE_OF = new Map(REASON_OF.map((reason, index) => [reason, index + 1]));
/** More reasons than there will be. */
const CODES = 256;

/** Numbers of one credential, where they stand from the first one on. */
const [FLAGS, REJECTIONS, EXPIRES, RENEWS, SUCCEEDED, SINCE, LIVE_UNTIL, WIDTH] = [
  0, 1, 2, 3, 4, 5, 6, 7,
] as const;
const [READY, BEGUN, SUSPENDED, REASON] = [1, 2, 4, 8] as const;
const [STOPPED, FAILING] = [REASON * CODES, REASON * CODES * CODES] as const;

/** Credentials as numbers in one array, since there may be very many. */
export class Columns {
  readonly #slots = new Slots();
  readonly #providers: string[] = [];
  #numbers = new Float64Array(0);

  get size(): number {
    return this.#slots.size;
  }

  set(key: string, { provider, state, since, liveUntil }: Kept): void {
    const slot = this.#slots.take(key);
    this.#numbers = roomFor(this.#numbers, WIDTH * this.#slots.limit);
    this.#providers[slot] = provider;
    const numbers = this.#numbers;
    const first = WIDTH * slot;
    numbers[first + FLAGS] =
      (state.ready ? READY : 0) +
      (state.begun === true ? BEGUN : 0) +
      (state.suspended === true ? SUSPENDED : 0) +
      REASON * codeOf(state.reason) +
      STOPPED * codeOf(state.stopped) +
      FAILING * codeOf(state.failing);
    numbers[first + REJECTIONS] = state.rejections;
    numbers[first + EXPIRES] = state.expiresAt ?? Number.NaN;
    numbers[first + RENEWS] = state.renewAt ?? Number.NaN;
    numbers[first + SUCCEEDED] = state.lastSuccess ?? Number.NaN;
    numbers[first + SINCE] = since;
    numbers[first + LIVE_UNTIL] = liveUntil;
  }

  find(key: string): Kept | undefined {
    const slot = this.#slots.find(key);
    return slot === undefined ? undefined : this.at(slot);
  }

  at(slot: number): Kept {
    const number = (index: number): number => this.#numbers[WIDTH * slot + index] ?? 0;
    const time = (index: number): number | undefined => {
      const ms = number(index);
      return Number.isNaN(ms) ? undefined : ms;
    };
    const flags = number(FLAGS);
    return {
      provider: this.#providers[slot] ?? '',
      state: {
        ready: (flags & READY) !== 0,
        begun: (flags & BEGUN) !== 0,
        suspended: (flags & SUSPENDED) !== 0,
        reason: reasonAt(flags, REASON) ?? 'TokenMissing',
        stopped: reasonAt(flags, STOPPED),
        failing: reasonAt(flags, FAILING),
        rejections: number(REJECTIONS),
        expiresAt: time(EXPIRES),
        renewAt: time(RENEWS),
        lastSuccess: time(SUCCEEDED),
      },
      since: number(SINCE),
      liveUntil: number(LIVE_UNTIL),
    };
  }

  /** Its seconds are counted up to then. */
  settled(slot: number, now: number): void {
    this.#numbers[WIDTH * slot + SINCE] = now;
  }

  delete(key: string): void {
    this.#slots.release(key);
  }

  /** Keys and slots. */
  slots(): IterableIterator<[string, number]> {
    return this.#slots.entries();
  }
}

const codeOf = (reason: Reason | undefined): number =>
  reason === undefined ? 0 : (CODE_OF.get(reason) ?? 0);

function reasonAt(flags: number, unit: number): Reason | undefined {
  return REASON_OF[(Math.floor(flags / unit) % CODES) - 1];
}
