/** What is known of a held token beside its value. Times are ms since 1970, by the API server's clock. */
export interface Held {
  /** Keyed digest of what it was obtained for: provider, environment, origin, flow, parameters. */
  readonly account: string;
  /** Keyed digest of the input values. */
  readonly inputs: string;
  /** The source Secret and its keys, in words. */
  readonly source: string;
  /** Before the request was sent. */
  readonly issuedAt: number;
  /** Absent when nothing tells an expiry. */
  readonly expiresAt?: number;
  /** Set when the grant brought no later expiry than the one before. */
  readonly renewNotBefore?: number;
  readonly grant: 'Login' | 'Refresh';
  /** Grants so far; 1 for the first. */
  readonly grants: number;
  /** Of the session that it came with; 0 without one. */
  readonly sessionSequence: number;
}

/** The value itself. **Secret.** */
export interface Token {
  readonly token: string;
  readonly tokenType?: string;
  readonly outputs: Readonly<Record<string, string>>;
}

export function isLive(held: Pick<Held, 'expiresAt'>, now: number): boolean {
  return held.expiresAt === undefined || held.expiresAt > now;
}
