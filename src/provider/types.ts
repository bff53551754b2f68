import type { ParameterSpec, ProviderSpec } from '../api/provider.ts';
import type { Reason } from '../api/reasons.ts';
import type { Failure, FieldProblem } from '../errors.ts';

/** The border of provider/: what the reconciler gives and gets. The engine behind it knows no cluster and no clock of its own. */

/** A definition that can work, compiled once. Immutable; shared by every credential that uses it. */
export interface CompiledProvider {
  readonly name: string;
  readonly spec: ProviderSpec;
  readonly flows: ReadonlyMap<string, CompiledFlow>;
  /** By environment name. */
  readonly environments: ReadonlyMap<string, CompiledEnvironment>;
  readonly parameters: ReadonlyMap<string, CompiledParameter>;
  readonly limits: {
    readonly concurrency: number;
    readonly requestsPerMinute?: number;
    readonly timeoutMs: number;
  };
  /** Changes when anything that is sent, or how an answer is read, changes; not with documentation or descriptions. */
  readonly fingerprint: string;
}

/** Opaque outside provider/, but for these. */
export interface CompiledFlow {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly maxRejections: number;
  /** Whether an answer of this flow can hold a refresh token that a refresh step can use. */
  readonly refreshable: boolean;
  /** Changes when the login's request or response changes. */
  readonly loginFingerprint: string;
}
export interface CompiledEnvironment {
  readonly name: string;
  readonly unavailable?: string;
}
export interface CompiledParameter {
  readonly spec: ParameterSpec;
}

export type Compiled =
  | { readonly ok: true; readonly provider: CompiledProvider }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] };

/** A credential's choice among what the provider offers, checked. Holds nothing secret. */
export interface Account {
  readonly provider: CompiledProvider;
  readonly flow: CompiledFlow;
  readonly environment: CompiledEnvironment;
  /** Scheme, host and port, lower case, default port left out: `https://acme.example.com`. */
  readonly origin: string;
  readonly baseUrl: string;
  /** Typed; absent optional parameters are absent. */
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
}

/** Why a credential's spec does not fit its provider; names the field of the credential and what to do. */
export interface Problem {
  readonly reason: Reason;
  readonly message: string;
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: Problem };

export type Inputs = Readonly<Record<string, string>>;

/** A request as it would be sent. **Secret throughout**: never logged, never in an error. */
export interface ProviderRequest {
  readonly step: 'login' | 'refresh';
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What came back, whole. **Secret throughout**. */
export interface ProviderAnswer {
  readonly status: number;
  /** Lower-case names; a repeated header is joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type Sent =
  | { readonly ok: true; readonly answer: ProviderAnswer }
  | { readonly ok: false; readonly failure: Failure };

/** Sends requests. One lives as long as the process; it pools connections and judges addresses. */
export interface Transport {
  /**
   * One exchange, no redirect followed, within the provider's deadline, never throwing.
   * `signal` aborts it (then the failure says whether it may have been sent).
   * @param mayStart asked at the last moment before a byte is written, with the ms that are left of the deadline:
   * making a connection takes time, and a process may be paused in it. False: nothing is sent.
   */
  send(
    account: Account,
    request: ProviderRequest,
    signal: AbortSignal,
    mayStart?: (leftMs: number) => boolean,
  ): Promise<Sent>;
  close(): Promise<void>;
}

/** A token as the provider gave it. **Secret** but for its times. */
export interface Grant {
  readonly token: string;
  readonly tokenType?: string;
  /** Absent when none came: the held one stays. */
  readonly refreshToken?: string;
  readonly outputs: Readonly<Record<string, string>>;
  /** Milliseconds to live, counted from before the request was sent; absent when nothing tells an expiry. */
  readonly lifetimeMs?: number;
}

export type Read =
  | { readonly ok: true; readonly grant: Grant }
  | {
      readonly ok: false;
      readonly failure: Failure;
      /** Readable although the rest is not: it must be saved, since its predecessor may be dead. */
      readonly refreshToken?: string;
    };

/** What the engine offers. Its implementation is `provider/engine.ts`; all but `transport` is pure. */
export interface Engine {
  compile(name: string, spec: ProviderSpec): Compiled;
  /** Picks flow, environment and parameters; refuses what does not fit, naming the credential's field. */
  resolve(
    provider: CompiledProvider,
    choice: {
      readonly flow?: string | undefined;
      readonly environment?: string | undefined;
      readonly parameters: Readonly<Record<string, string>>;
    },
  ): Result<Account>;
  /** A value that breaks the URL, a header or a pattern is a `SourceValueInvalid` that names the input, never the value. */
  fillLogin(account: Account, inputs: Inputs): Result<ProviderRequest>;
  /** Only for a `refreshable` flow. */
  fillRefresh(account: Account, inputs: Inputs, refreshToken: string): Result<ProviderRequest>;
  /** @param nowMs the API server's time, milliseconds since 1970; the answer's own `Date` comes before it. */
  read(account: Account, step: 'login' | 'refresh', answer: ProviderAnswer, nowMs: number): Read;
  /** Fills `usage` and a credential's `target.data` (or the default keys). Refuses unknown names. */
  render(
    account: Account,
    grant: Omit<Grant, 'refreshToken' | 'lifetimeMs'>,
    expiresAt: string | undefined,
    data: Readonly<Record<string, string>> | undefined,
  ): Result<Record<string, string>>;
  /** Checks `target.data` without a grant, so that a mistake is told before anything is sent. */
  checkTemplates(account: Account, data: Readonly<Record<string, string>> | undefined): Problem | undefined;
}
