import type { Verdict } from '../decide/decide.ts';
import type { LoginRecord } from '../decide/login-limit.ts';
import type { Failures } from '../decide/status.ts';
import type { Failure } from '../errors.ts';
import type { Held, Token } from '../held.ts';
import type { Read } from '../provider/types.ts';

/** What came of a wish to log in or refresh. */
export type Attempt =
  /** Woken by an event, or at `until`. */
  | { readonly kind: 'waiting'; readonly until?: number | undefined; readonly verdict?: Verdict | undefined }
  /** Only a person, or a change of the definition, can help. */
  | { readonly kind: 'stopped'; readonly verdict: Verdict }
  /** The answer could not be published, so nothing was sent. */
  | { readonly kind: 'blocked'; readonly verdict: Verdict }
  /** The world changed under us, and nothing was sent: look again. `login` takes a count back that was written already. */
  | { readonly kind: 'overtaken'; readonly login?: LoginRecord }
  | {
      readonly kind: 'failed';
      readonly failure: Failure;
      readonly failures: Failures;
      readonly login?: LoginRecord;
      readonly verdict: Verdict;
    }
  | {
      readonly kind: 'granted';
      readonly held: Held;
      readonly token: Token;
      readonly login?: LoginRecord;
      readonly unsaved?: Verdict | undefined;
    };

export interface AttemptPorts {
  /** Writes the count before a login is sent. @returns false when the credential is gone or changed: then nothing is sent. */
  readonly count: (record: LoginRecord) => Promise<boolean>;
}

export type Step = 'login' | 'refresh';

/** A request was answered, or failed to be. */
export interface Answered {
  readonly sentAt: number;
  /** The login record before it was counted. */
  readonly before: LoginRecord;
  readonly read: Read;
}
