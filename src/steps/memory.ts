import type { CredentialStatus } from '../api/credential.ts';
import type { Held, Token } from '../held.ts';
import type { Session } from '../kube/session.ts';
import type { Account, Compiled, Inputs, Result } from '../provider/types.ts';
import type { Choice, Planned } from './planned.ts';

/**
 * What is remembered of one credential between two looks, and may be lost at any time: everything that must outlive
 * the process stands in the Secret, the session or the status. Keyed by namespace and name, and bound to the UID, so that
 * nothing of one credential can ever serve another.
 */
export interface Memory {
  readonly uid: string;
  /** What the spec of that generation chooses of that definition. */
  choice?: { readonly generation: number; readonly compiled: Compiled; readonly choice: Choice };
  /** What follows from that account and these inputs: a renewal changes neither. **Secret.** */
  planned?: { readonly account: Account; readonly inputs: Result<Inputs>; readonly result: Planned };
  /** The inputs, as read from that version of the source Secret. **Secret.** */
  source?: {
    readonly name: string;
    readonly keys: string;
    readonly version: string;
    readonly inputs: Result<Inputs>;
  };
  /** What was found when that version of the target was read (or written). */
  target?: { readonly name: string; readonly version: string; readonly intact: boolean };
  /** The last token seen or obtained, for repair without a login; newer than the Secret's: not published yet. **Secret.** */
  token?: { readonly held: Held; readonly token: Token };
  /** As read from, or written at, that version. **Secret.** */
  session?: { readonly version: string; readonly content: Session | undefined };
  /** An answer with a refresh token whose saving failed: it goes on. **Secret.** */
  unsavedSession?: Session;
  /** The sequence of a session whose refresh token was refused: it is not sent again. */
  deadSession?: number;
  /** Of the last request sent; absent until one is. */
  lastAttempt?: string;
  refreshFailures: number;
  /** A refresh failed so that a login is due in its place, and that waits for its turn. */
  loginNext?: boolean;
  /** Failures of one kind in a row, for backoff. */
  run?: { readonly reason: string; readonly count: number; readonly lane?: string };
  /** Writes and logins that put a Secret back, since that generation of the credential. */
  repairs: { count: number; lastAt: number; generation: number };
  /** Writes of the target that were refused in a row; the UID is of what stood there. */
  blocked: { count: number; retryAt: number; generation: number; uid: string | undefined } | undefined;
  /** A status that is true but could not be written yet. */
  unwrittenStatus?: CredentialStatus;
  /** The last that was written by us. */
  writtenStatus?: CredentialStatus;
}

export function newMemory(uid: string): Memory {
  return { uid, refreshFailures: 0, repairs: { count: 0, lastAt: 0, generation: 0 }, blocked: undefined };
}
