export type Verdict = 'ok' | 'wrong' | 'locked';

export interface Account {
  /** What logs and tests call it; for a tenant's user `tenant/user`. */
  readonly id: string;
  /** Assign to change the password over there. */
  password: string;
  locked: boolean;
  /** Bad tries since the last good one. */
  badTries: number;
}

/** Who may log in, and how often who was refused. */
export class Accounts {
  readonly #byId = new Map<string, Account>();
  readonly #refusals = new Map<string, number[]>();
  /** Bad tries in a row after which an account is locked. */
  lockAfter: number;

  constructor(lockAfter = Number.POSITIVE_INFINITY) {
    this.lockAfter = lockAfter;
  }

  add(id: string, password: string): Account {
    const account: Account = { id, password, locked: false, badTries: 0 };
    this.#byId.set(id, account);
    return account;
  }

  get(id: string): Account {
    const account = this.#byId.get(id);
    if (account === undefined) throw new Error(`no account ${id}`);
    return account;
  }

  values(): IterableIterator<Account> {
    return this.#byId.values();
  }

  /** Whose secret this is, where the secret alone tells the account. */
  withPassword(password: string): Account | undefined {
    for (const account of this.#byId.values()) if (account.password === password) return account;
    return undefined;
  }

  unlock(id: string): void {
    const account = this.get(id);
    account.locked = false;
    account.badTries = 0;
  }

  /** Judges one try. @param at milliseconds since 1970, for {@link refusedAt}. */
  check(id: string, password: string, at: number): Verdict {
    const account = this.#byId.get(id);
    if (account !== undefined && !account.locked && account.password === password) {
      account.badTries = 0;
      return 'ok';
    }
    this.#refuse(id, at);
    if (account === undefined) return 'wrong';
    account.badTries++;
    account.locked ||= account.badTries >= this.lockAfter;
    return account.locked ? 'locked' : 'wrong';
  }

  /** When logins of this account were refused, an unknown account's included. */
  refusedAt(id: string): readonly number[] {
    return this.#refusals.get(id) ?? [];
  }

  /** Refused logins of all accounts. */
  get refused(): ReadonlyMap<string, readonly number[]> {
    return this.#refusals;
  }

  #refuse(id: string, at: number): void {
    const times = this.#refusals.get(id);
    if (times === undefined) this.#refusals.set(id, [at]);
    else times.push(at);
  }
}
