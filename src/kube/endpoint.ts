import type { ConnectionOptions } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { Clock } from '../loop/clock.ts';

/** Where the API server is, and as whom to speak to it. */
export interface Endpoint {
  /** `https://host:port`, with a path where the API's root is not `/`. */
  readonly server: string;
  /** What authenticates; read anew for each request. **Secret.** */
  headers(): Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>;
  /** Pooled, for requests. It may change: take it for each request. */
  readonly dispatcher: Dispatcher;
  /** For watches, which hold a connection each for as long as they last, and for what must not wait for one. */
  readonly watchDispatcher: Dispatcher;
  /** After a 401: reads the credentials again. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

export type TlsOptions = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;

/** **Secret throughout.** */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
  /** `http://host:port` of a proxy to tunnel through. */
  readonly proxy?: string;
}

/** Credentials are looked at again, at their next use, when they are older: as often as client-go does. */
const FRESH_MS = 60_000;
/** For requests; more wait for one of them. */
const CONNECTIONS = 16;
/** Shorter than any load balancer's idle limit that we know of. */
const KEEP_ALIVE_MS = 20_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** An exec plugin may ask a server of its own; what takes longer hangs, and would hold up every call. */
const LOAD_TIMEOUT_MS = 15_000;

/**
 * An endpoint whose credentials come from files or programs, and change: tokens rotate, and so do certificates.
 * They are read again at use, at most once a minute, and after a 401. Where reading fails or hangs, the last ones are kept.
 * Where TLS options differ, new connections are made with the new ones, and the old ones end with what runs on them.
 */
export class ReloadingEndpoint implements Endpoint {
  readonly server: string;
  readonly #load: (force: boolean) => Promise<Credentials>;
  readonly #clock: Clock;
  #credentials: Credentials;
  #readAt: number;
  #reading: Promise<void> | undefined;
  #forced = false;
  #connections: Connections;
  readonly #retired = new Set<Connections>();

  private constructor(
    server: string,
    load: (force: boolean) => Promise<Credentials>,
    clock: Clock,
    first: Credentials,
  ) {
    this.server = server;
    this.#load = load;
    this.#clock = clock;
    this.#credentials = first;
    this.#readAt = clock.monotonic();
    this.#connections = new Connections(server, first);
  }

  /**
   * @param load `force` asks to pass over what the loader itself has cached.
   * @throws what the first load throws, and when it takes too long.
   */
  static async open(
    server: string,
    load: (force: boolean) => Promise<Credentials>,
    clock: Clock,
  ): Promise<ReloadingEndpoint> {
    const timely = (force: boolean) => inTime(load(force), server, clock);
    return new ReloadingEndpoint(server, timely, clock, await timely(false));
  }

  get dispatcher(): Dispatcher {
    return this.#connections.requests;
  }

  get watchDispatcher(): Dispatcher {
    return this.#connections.watches;
  }

  headers(): Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>> {
    if (this.#clock.monotonic() - this.#readAt < FRESH_MS) return this.#credentials.headers;
    return this.#read(false).then(
      () => this.#credentials.headers,
      () => this.#credentials.headers,
    );
  }

  async refresh(): Promise<void> {
    // One that was begun without force may end with what was just refused.
    if (!this.#forced) await this.#reading?.catch(() => {});
    await this.#read(true);
  }

  async close(): Promise<void> {
    await Promise.all([this.#connections, ...this.#retired].map(each => each.destroy()));
  }

  /** Many calls may find the credentials old or refused at once: they share one reading. */
  #read(force: boolean): Promise<void> {
    if (this.#reading !== undefined) return this.#reading;
    this.#forced = force;
    this.#reading = this.#load(force)
      .then(next => this.#use(next))
      .finally(() => {
        this.#readAt = this.#clock.monotonic();
        this.#reading = undefined;
      });
    return this.#reading;
  }

  #use(next: Credentials): void {
    const { tls, proxy } = this.#credentials;
    this.#credentials = next;
    if (isDeepStrictEqual({ tls, proxy }, { tls: next.tls, proxy: next.proxy })) return;
    const old = this.#connections;
    this.#connections = new Connections(this.server, next);
    this.#retired.add(old);
    void old.close().finally(() => this.#retired.delete(old));
  }
}

/** What comes too late is dropped: by then something newer may be in use. */
function inTime<T>(loading: Promise<T>, server: string, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(LOAD_TIMEOUT_MS, () =>
      reject(
        new Error(
          `credentials for ${server} did not come within ${LOAD_TIMEOUT_MS / 1000}s: check the files that they are in, or the exec plugin that gives them`,
        ),
      ),
    );
    void loading.then(resolve, reject).finally(() => timer.cancel());
  });
}

/**
 * The connections that were made with one set of credentials. Pools and not an Agent: an Agent that is closing can no
 * longer be destroyed. The deadlines of requests are the client's, by its clock: undici's own are off.
 */
class Connections {
  readonly requests: Dispatcher;
  readonly watches: Dispatcher;

  constructor(server: string, credentials: Credentials) {
    this.requests = connect(server, credentials, { connections: CONNECTIONS });
    this.watches = connect(server, credentials, {});
  }

  async close(): Promise<void> {
    await Promise.all([this.requests.close(), this.watches.close()]);
  }

  async destroy(): Promise<void> {
    await Promise.all([this.requests.destroy(), this.watches.destroy()]);
  }
}

function connect(server: string, { tls, proxy }: Credentials, limit: { connections?: number }): Dispatcher {
  const secure = { ...tls, timeout: CONNECT_TIMEOUT_MS };
  const options = {
    ...limit,
    allowH2: false,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  return proxy === undefined
    ? new Pool(new URL(server).origin, { ...options, connect: secure })
    : new ProxyAgent({ ...options, uri: proxy, requestTls: secure });
}

/** An endpoint that never changes; for one in memory, and for tests. */
export function fixedEndpoint(
  server: string,
  dispatcher: Dispatcher,
  options: {
    readonly watchDispatcher?: Dispatcher;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Endpoint {
  const { watchDispatcher = dispatcher, headers = {} } = options;
  return {
    server,
    dispatcher,
    watchDispatcher,
    headers: () => headers,
    refresh: () => Promise.resolve(),
    close: async () => {
      await Promise.all([...new Set([dispatcher, watchDispatcher])].map(each => each.destroy()));
    },
  };
}
