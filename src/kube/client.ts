import { FIELD_MANAGER } from '../api/names.ts';
import type { Clock } from '../loop/clock.ts';
import { Answer } from './answer.ts';
import { APPLY, type CallName, callName, MERGE_PATCH } from './call-name.ts';
import type { Endpoint } from './endpoint.ts';
import { type AnswerHeaders, Exchange } from './exchange.ts';
import { KubeError, refusal } from './kube-error.ts';
import { LineSplitter } from './lines.ts';
import type { Reader } from './reader.ts';
import type { ServerTime } from './server-time.ts';
import type { WriteBudget } from './write-budget.ts';

export interface KubeCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From the API's root: `/api/v1/namespaces/a/secrets/b`. */
  readonly path: string;
  readonly query?: Query | undefined;
  readonly body?: unknown;
  /** Default: `application/json`. */
  readonly contentType?: string | undefined;
  /** Default: `application/json`. */
  readonly accept?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The call carries secret values: nothing of the server's text is kept in an error. */
  readonly secret?: boolean | undefined;
  /** Milliseconds for the whole exchange, in place of the client's. */
  readonly timeoutMs?: number | undefined;
  /** Over a connection that no other request is waiting for: what must be in time stands in no line. */
  readonly apart?: boolean | undefined;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;
export type WatchCall = Pick<KubeCall, 'path' | 'query' | 'accept'> & { readonly signal: AbortSignal };
/** What most calls may add. */
export type CallOptions = Pick<KubeCall, 'accept' | 'secret' | 'signal' | 'timeoutMs' | 'apart'> & {
  /** Checks admission, quota and conflicts, and stores nothing. */
  readonly dryRun?: boolean | undefined;
};

export interface CallRecord extends CallName {
  /** HTTP status, or `error` when no whole answer came. */
  readonly code: number | 'error';
  readonly seconds: number;
}

const TIMEOUT_MS = 30_000;
/** Some ten times the largest object. */
const LINE_MAX_BYTES = 16 * 1024 * 1024;

export interface WatchReceiver {
  /** The server accepted the watch. */
  head?(): void;
  /** One event, as JSON. */
  line(text: string): void;
}

/** The API server, as thin as can be: paths in, checked objects or a {@link KubeError} out. It retries nothing but a 401, once. */
export class KubeClient {
  readonly #endpoint: Endpoint;
  readonly #clock: Clock;
  readonly #serverTime: ServerTime;
  readonly #onCall: (call: CallRecord) => void;
  readonly #timeoutMs: number;
  readonly #lineMaxBytes: number;
  readonly #budget: WriteBudget | undefined;
  readonly #later: (read: () => void) => void;
  readonly #origin: string;
  readonly #basePath: string;
  #made = { of: {}, headers: new Map<string, Readonly<Record<string, string>>>() };

  constructor(options: {
    readonly endpoint: Endpoint;
    readonly clock: Clock;
    readonly serverTime: ServerTime;
    readonly onCall?: (call: CallRecord) => void;
    /** Milliseconds for a whole exchange; a watch has none. */
    readonly timeoutMs?: number;
    /** Bytes of one line of a watch; more breaks it. */
    readonly lineMaxBytes?: number;
    /** For writes; absent: no limit of our own. */
    readonly budget?: WriteBudget | undefined;
    /**
     * Puts off what a watch brought until all that came with it was heard: an event often comes beside the answer to the write
     * that made it, and who knows the answer need not read the event. Absent: nothing is put off.
     */
    readonly later?: ((read: () => void) => void) | undefined;
  }) {
    this.#endpoint = options.endpoint;
    this.#clock = options.clock;
    this.#serverTime = options.serverTime;
    this.#onCall = options.onCall ?? (() => {});
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#lineMaxBytes = options.lineMaxBytes ?? LINE_MAX_BYTES;
    this.#budget = options.budget;
    this.#later = options.later ?? (read => read());
    const url = new URL(options.endpoint.server);
    this.#origin = url.origin;
    this.#basePath = url.pathname.replace(/\/+$/, '');
  }

  /** @throws KubeError for every outcome but a 2xx that fits the schema. */
  async request<T>(call: KubeCall, schema: Reader<T>): Promise<T> {
    const name = callName(call);
    const answer = await this.#once(() => this.#send(call, name));
    const atOnce = schema.ofText?.(answer.text());
    if (atOnce !== undefined) return atOnce;
    const parsed = schema.safeParse(answer.json());
    if (parsed.success) return parsed.data;
    throw new KubeError({
      what: describe(name),
      code: answer.status,
      reason: 'UnexpectedAnswer',
      sent: 'yes',
      // Paths are the schema's own, but for a record's keys.
      ...(call.secret === true
        ? {}
        : { fields: parsed.error.issues.slice(0, 3).map(issue => ({ field: issue.path.join('.') })) }),
    });
  }

  /**
   * Streams a watch. Resolves when the server ends it, rejects with a KubeError or with what `on` threw.
   * Has no deadline: whoever calls watches over it, by `signal` (a KubeError as its reason is thrown as it is).
   */
  async watch(call: WatchCall, on: WatchReceiver): Promise<void> {
    const name = callName({ method: 'GET', path: call.path }, true);
    await this.#once(() => this.#stream(call, name, on));
  }

  /**
   * @param notOlderThan a resourceVersion of the object that was seen: as new as that the server may tell it from its cache, and
   * need not ask etcd.
   */
  async get<T>(
    path: string,
    schema: Reader<T>,
    { notOlderThan, ...options }: CallOptions & { readonly notOlderThan?: string | undefined } = {},
  ): Promise<T> {
    const call: KubeCall = { ...options, method: 'GET', path };
    if (notOlderThan === undefined) return this.request(call, schema);
    try {
      return await this.request({ ...call, query: { resourceVersion: notOlderThan } }, schema);
    } catch (error) {
      // Its cache has not come so far: it lags behind another server's, or its history was set back.
      if (!(error instanceof KubeError && error.code === 504)) throw error;
      return this.request(call, schema);
    }
  }

  /** @param path of the collection. */
  create<T>(path: string, body: unknown, schema: Reader<T>, options: CallOptions = {}): Promise<T> {
    const query = options.dryRun === true ? { ...WRITE_QUERY, ...DRY } : WRITE_QUERY;
    return this.request({ ...options, method: 'POST', path, body, query }, schema);
  }

  /** Server-side apply as our field manager, by force: a uid and resourceVersion in the body are the preconditions. */
  apply<T>(path: string, body: unknown, schema: Reader<T>, options: CallOptions = {}): Promise<T> {
    const query = options.dryRun === true ? { ...APPLY_QUERY, ...DRY } : APPLY_QUERY;
    return this.request({ ...options, method: 'PATCH', path, body, query, contentType: APPLY }, schema);
  }

  mergePatch<T>(path: string, body: unknown, schema: Reader<T>, options: CallOptions = {}): Promise<T> {
    const query = options.dryRun === true ? { ...WRITE_QUERY, ...DRY } : WRITE_QUERY;
    return this.request({ ...options, method: 'PATCH', path, body, query, contentType: MERGE_PATCH }, schema);
  }

  /** Deletes what was decided on: with a precondition that no longer holds it is a conflict. The answer is not read. */
  async remove(
    path: string,
    preconditions: { readonly uid?: string; readonly resourceVersion?: string },
    options: CallOptions = {},
  ): Promise<void> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions };
    const query = options.dryRun === true ? DRY : {};
    const call: KubeCall = { ...options, method: 'DELETE', path, body, query };
    const name = callName(call);
    await this.#once(() => this.#send(call, name));
  }

  /** After a 401 the credentials are read afresh, and the call made once more: a rotated token is no failure. */
  async #once<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof KubeError && error.code === 401)) throw error;
      try {
        await this.#endpoint.refresh();
      } catch {
        throw error;
      }
      return attempt();
    }
  }

  async #send(call: KubeCall, name: CallName): Promise<Answer> {
    if (this.#budget !== undefined && isBudgeted(call, name)) await this.#inTurn(this.#budget, call, name);
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const { accept, contentType = 'application/json' } = call;
    const sender = this.#endpoint.headers();
    const authentic = sender instanceof Promise ? await sender : sender;
    const headers = this.#headers(authentic, accept, body === undefined ? undefined : contentType);
    const what = describe(name);
    const began = this.#clock.monotonic();
    const answer = new Answer(what, received => this.#observe(received, began));
    const { method, signal } = call;
    const exchange = new Exchange(
      call.apart === true ? this.#endpoint.watchDispatcher : this.#endpoint.dispatcher,
      { what, origin: this.#origin, method, path: this.#path(call), headers, body, signal },
      answer,
    );
    const deadline = this.#clock.after(call.timeoutMs ?? this.#timeoutMs, () => exchange.timeOut());
    try {
      await exchange.done;
    } catch (error) {
      this.#record(name, 'error', began);
      throw error;
    } finally {
      deadline.cancel();
    }
    this.#record(name, answer.status, began);
    if (answer.status < 200 || answer.status > 299) throw this.#refused(what, answer, call.secret);
    return answer;
  }

  /** The deadline of a call begins after it. */
  async #inTurn(budget: WriteBudget, { signal }: KubeCall, name: CallName): Promise<void> {
    try {
      await budget.take(name.resource === 'events', signal);
    } catch (error) {
      if (error instanceof KubeError) throw error;
      throw new KubeError({ what: describe(name), code: 0, reason: 'Aborted', sent: 'no' });
    }
  }

  async #stream(call: WatchCall, name: CallName, on: WatchReceiver): Promise<void> {
    const headers = this.#headers(await this.#endpoint.headers(), call.accept, undefined);
    const what = describe(name);
    const broken = (reason: string): KubeError => new KubeError({ what, code: 0, reason, sent: 'yes' });
    const began = this.#clock.monotonic();
    const answer = new Answer(what, received => this.#observe(received, began));
    const lines = new LineSplitter(line => on.line(line), this.#lineMaxBytes);
    const arrived: Buffer[] = [];
    const read = (): void => {
      for (const chunk of arrived.splice(0)) if (!lines.push(chunk)) throw broken('LineTooLong');
    };
    const path = this.#path({ path: call.path, query: { ...call.query, watch: true } });
    const exchange = new Exchange(
      this.#endpoint.watchDispatcher,
      { what, origin: this.#origin, method: 'GET', path, headers, signal: call.signal },
      {
        head: (status, received) => {
          answer.head(status, received);
          this.#record(name, status, began);
          if (status === 200) on.head?.();
        },
        data: chunk => {
          if (answer.status !== 200) answer.data(chunk);
          else if (arrived.push(chunk) === 1) this.#later(() => exchange.attempt(read));
        },
      },
    );
    try {
      await exchange.done;
    } catch (error) {
      if (answer.status === 0) this.#record(name, 'error', began);
      throw error;
    }
    read();
    if (answer.status !== 200) throw this.#refused(what, answer, false);
    if (lines.pending > 0) throw broken('CutShort');
  }

  /** Made once for each kind of call, as long as what authenticates is the same. */
  #headers(
    authentic: Readonly<Record<string, string>>,
    accept = 'application/json',
    contentType: string | undefined,
  ): Readonly<Record<string, string>> {
    if (this.#made.of !== authentic) this.#made = { of: authentic, headers: new Map() };
    const kind = `${accept} ${contentType}`;
    let headers = this.#made.headers.get(kind);
    if (headers === undefined) {
      const common = { ...authentic, accept, 'user-agent': FIELD_MANAGER };
      headers = contentType === undefined ? common : { ...common, 'content-type': contentType };
      this.#made.headers.set(kind, headers);
    }
    return headers;
  }

  #path(call: { readonly path: string; readonly query?: Query | undefined }): string {
    return this.#basePath + call.path + (call.query === undefined ? '' : queryText(call.query));
  }

  #observe(headers: AnswerHeaders, began: number): void {
    const { date } = headers;
    this.#serverTime.observe(typeof date === 'string' ? date : undefined, began, this.#clock.monotonic());
  }

  #refused(what: string, answer: Answer, secret: boolean | undefined): KubeError {
    const retryAfterMs = this.#retryAfter(answer.headers['retry-after']);
    return refusal({ what, code: answer.status, secret, retryAfterMs }, answer.json());
  }

  #retryAfter(header: string | string[] | undefined): number | undefined {
    if (typeof header !== 'string') return undefined;
    if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
    const until = Date.parse(header);
    return Number.isNaN(until) ? undefined : Math.max(0, until - this.#serverTime.now());
  }

  #record(name: CallName, code: number | 'error', began: number): void {
    this.#onCall({ ...name, code, seconds: (this.#clock.monotonic() - began) / 1000 });
  }
}

/** Created to ask a question: nothing is stored. */
const QUESTIONS: readonly string[] = ['tokenreviews', 'subjectaccessreviews'];

/** A dry run costs the server as much as a write. What must be in time (a Lease) stands in no line. */
function isBudgeted({ method, apart }: KubeCall, { resource }: CallName): boolean {
  return method !== 'GET' && apart !== true && !QUESTIONS.includes(resource);
}

function describe(name: CallName): string {
  return `${name.verb} ${name.resource}`;
}

const DRY: Query = { dryRun: 'All' };
const WRITE_QUERY: Query = { fieldManager: FIELD_MANAGER };
const APPLY_QUERY: Query = { ...WRITE_QUERY, force: true };

function queryText(query: Query): string {
  if (query === WRITE_QUERY) return WRITE_TEXT;
  if (query === APPLY_QUERY) return APPLY_TEXT;
  let text = '';
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined)
      text += `${text === '' ? '?' : '&'}${encodeURIComponent(key)}=${encodeURIComponent(value)}`;
  }
  return text;
}
/** Of nearly every request. */
const WRITE_TEXT = `?fieldManager=${FIELD_MANAGER}`;
const APPLY_TEXT = `${WRITE_TEXT}&force=true`;
