import type { Log, LogFields } from '../api/log.ts';
import { keyOf, type ObjectMeta } from '../api/meta.ts';
import { type Clock, type Random, sleep } from '../loop/clock.ts';
import { backoff } from './backoff.ts';
import type { KubeClient, Query } from './client.ts';
import { codeOf } from './exchange.ts';
import { isNotFound, KubeError, refusal } from './kube-error.ts';
import { openWatch, silenceAllowedMs } from './open-watch.ts';
import { pagedList } from './paged-list.ts';
import { NO_INITIAL_END, watchEnd } from './watch-end.ts';
import {
  endsInitialEvents,
  identityOf,
  metadataOf,
  strip,
  uidOf,
  versionOf,
  type WatchEvent,
} from './watch-event.ts';

/** What is left to know of an object that was deleted: the version is that of its deletion. */
export interface Gone {
  readonly metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'uid' | 'resourceVersion'>;
}

/** Takes a list item by item. What was not added when it ends is gone. */
export interface Gathering<T> {
  add(item: T): void;
  remove(metadata: Pick<ObjectMeta, 'name' | 'namespace'>): void;
  end(version: string): void;
}

/** Told synchronously and in order. What throws is logged, and stops nothing. */
export interface ListWatchHandler<T> {
  /** The whole collection as of `version`: what is not among `items` is gone. The first call makes {@link ListWatch.synced}. */
  replace(items: readonly T[], version: string): void;
  upsert(item: T): void;
  /** Deleted, or no longer readable. */
  remove(gone: Gone): void;
  /** Everything up to `version` has been told. */
  progress?(version: string): void;
  /** A watch begins, of what may be another history. */
  begins?(): void;
  /** Takes the next list; undefined: it is to be given to `replace` as a whole. */
  gather?(): Gathering<T> | undefined;
  /** Whether this is the version of a write of ours since then that was not told of yet; that it now is. It is no event then. */
  echoes?(version: string): boolean;
  /** Whether just this version is held already, being the echo of a write: then it need not be read. */
  holds?(version: Pick<ObjectMeta, 'name' | 'namespace' | 'resourceVersion'>): boolean;
}

export interface ListWatchOptions<T> {
  readonly client: Pick<KubeClient, 'request' | 'watch'>;
  /** Of the collection: `/api/v1/secrets`, or `/api/v1/namespaces/<name>/secrets`. */
  readonly path: string;
  /** `labelSelector`, `fieldSelector`; a function is asked anew for each list and each watch. */
  readonly query?: Query | (() => Query);
  /** What is not kept is no more than passed by: neither read nor told. Its answer may change; see {@link ListWatch.relist}. */
  readonly keep?: (uid: string) => boolean;
  /** Asks for `PartialObjectMetadata` alone. */
  readonly metadataOnly?: boolean;
  /** Undefined, or an exception, skips the object as though it were not there, and logs its name. */
  readonly parse: (object: unknown) => T | undefined;
  readonly handler: ListWatchHandler<T>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** For logs: `secrets`. */
  readonly name: string;
  /** What to do about a server that does not know the collection. */
  readonly ifMissing?: string;
}

export interface ListWatchHealth {
  readonly state: 'idle' | 'listing' | 'watching' | 'waiting' | 'stopped';
  /** When the server last gave a sign of life, by the monotonic clock. */
  readonly lastEventMono: number;
  /** The collection may have changed unseen: nothing was heard of it for longer than a watch that works is silent. */
  readonly deaf: boolean;
  /** Nothing was heard, and nothing tried either: a defect, and not the server's absence. */
  readonly stuck: boolean;
  /** Lists and watches begun after the first. */
  readonly restarts: number;
  readonly syncedOnce: boolean;
}

/** A watch that lasted as long counts as a success. */
const LIVED_MS = 10_000;
/**
 * After as long without an event or bookmark, the next watch begins with a list. A server whose history was set back
 * (a restored etcd) waits in silence for a version that it has not reached, and nothing else would ever tell.
 */
const UNHEARD_MS = silenceAllowedMs(true);
/** For the list that comes after a silence. */
const LIST_GRACE_MS = 60_000;
/** Longer than any watch, list or wait between two tries. */
const STUCK_MS = 900_000;

const ACCEPT_METADATA_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/**
 * Follows a collection, for as long as it takes.
 *
 * ```
 * idle ─start─> listing ──all told──> watching ──ended──> watching, from the last version
 *                 ^  ^                    │
 *                 │  └─ 410, long unheard ┤
 *                 │                       │ broken, refused, silent, ended at once
 *                 └──── waiting <─────────┘
 *                          └───────────────────────────> watching, from the last version
 * stop: from anywhere to stopped
 * ```
 * The list is streamed over the watch itself where the server can, and paged where it cannot (that is remembered).
 */
export class ListWatch<T extends { readonly metadata: Pick<ObjectMeta, 'name' | 'namespace'> }> {
  /** Resolves after the first whole list; rejects when stopped before. */
  readonly synced: Promise<void>;
  readonly #options: ListWatchOptions<T>;
  readonly #sync = Promise.withResolvers<void>();
  #state: Exclude<ListWatchHealth['state'], 'stopped'> = 'idle';
  #lastEventMono: number;
  #attempts = 0;
  /** Since a watch last lived. */
  #failures = 0;
  #syncedOnce = false;

  /** Where the watch goes on; undefined when a list is needed. */
  #version: string | undefined;
  #streams = true;
  /** The server was seen to send them. */
  #bookmarks = false;
  /** When the version was last confirmed: by a list, an event or a bookmark. */
  #heardAt = 0;
  #begunAt = 0;
  /** Since when the present watch has been open. */
  #openedAt: number | undefined;
  readonly #stopping = new AbortController();
  /** Of the present list, watch or wait. */
  #attempt = new AbortController();
  /** Why the present attempt is broken off, and another begun at once. */
  #again: 'list' | 'watch' | undefined;
  #listing = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;

  constructor(options: ListWatchOptions<T>) {
    this.#options = options;
    this.#lastEventMono = options.clock.monotonic();
    this.synced = this.#sync.promise;
    this.synced.catch(() => {}); // whoever waits is told; where nobody does, it is no error
  }

  get health(): ListWatchHealth {
    const now = this.#options.clock.monotonic();
    return {
      state: this.#stopped ? 'stopped' : this.#state,
      lastEventMono: this.#lastEventMono,
      deaf: this.#syncedOnce && now - this.#heardAt > silenceAllowedMs(this.#bookmarks) + LIST_GRACE_MS,
      stuck: this.#running !== undefined && now - Math.max(this.#lastEventMono, this.#begunAt) > STUCK_MS,
      restarts: Math.max(0, this.#attempts - 1),
      syncedOnce: this.#syncedOnce,
    };
  }

  /** Once only. */
  start(): void {
    if (this.#stopped || this.#state !== 'idle')
      throw new Error(`list-watch of ${this.#options.name} cannot start twice`);
    this.#state = 'listing';
    this.#lastEventMono = this.#options.clock.monotonic();
    this.#running = this.#run();
  }

  /** Afterwards the handler is not called any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#attempt.abort();
    this.#sync.reject(new Error(`list-watch of ${this.#options.name} was stopped before its first list`));
    await this.#running;
  }

  /**
   * Lists anew, at once: what is asked for, or kept, has changed. Meanwhile nothing is told of changes.
   * @returns when a list that was begun after this has been told; never, when stopped before.
   */
  relist(): Promise<void> {
    this.#again = 'list';
    this.#attempt.abort();
    return this.#listing.promise;
  }

  /** Watches on from where it is, asking for less. */
  narrow(): void {
    if (this.#state !== 'watching') return;
    this.#again ??= 'watch';
    this.#attempt.abort();
  }

  /** Tries again at once, where it waits to, or waits for an answer: the server is known to be there again. */
  hasten(): void {
    const unanswered = this.#failures > 0 && this.#openedAt === undefined;
    if (this.#state !== 'waiting' && !unanswered) return;
    this.#again ??= 'watch';
    this.#attempt.abort();
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopped) {
      if (this.#again === 'list') this.#version = undefined;
      this.#again = undefined;
      this.#attempt = new AbortController();
      this.#attempts++;
      this.#begunAt = clock.monotonic();
      this.#openedAt = undefined;
      let error: unknown;
      try {
        await this.#once();
      } catch (thrown) {
        error = thrown;
      }
      if (this.#stopped) return;
      if (this.#again !== undefined) continue;
      if (this.#openedAt !== undefined && clock.monotonic() - this.#openedAt >= LIVED_MS) this.#failures = 0;
      const ms = this.#conclude(error);
      if (ms === 0) continue;
      this.#state = 'waiting';
      await sleep(clock, ms, this.#attempt.signal).catch(() => {});
    }
  }

  /** @returns milliseconds to wait before the next attempt. */
  #conclude(error: unknown): number {
    const { clock, random, log, name } = this.#options;
    const streamedList = this.#version === undefined && this.#streams;
    const { relist, paged, calm } = watchEnd(error, streamedList);
    if (relist || clock.monotonic() - this.#heardAt >= UNHEARD_MS) this.#version = undefined;
    if (paged) {
      this.#streams = false;
      log.info({ resource: name }, 'the API server does not stream lists: using pages');
      return 0;
    }
    const retryAfterMs = error instanceof KubeError ? error.retryAfterMs : undefined;
    const ms = calm && this.#failures === 0 ? 0 : backoff(this.#failures, retryAfterMs, random);
    this.#failures++;
    const { ifMissing } = this.#options;
    const fields = {
      resource: name,
      ...(isNotFound(error) && ifMissing !== undefined ? { todo: ifMissing } : {}),
      relist: this.#version === undefined,
      retryInMs: Math.round(ms),
      ...told(error),
    };
    if (calm) log.debug(fields, 'watch ended');
    else log.warn(fields, 'list or watch failed, trying again');
    return ms;
  }

  async #once(): Promise<void> {
    if (this.#version === undefined) {
      this.#state = 'listing';
      if (this.#streams) return this.#stream();
      await this.#list();
    }
    await this.#watch();
  }

  async #list(): Promise<void> {
    const { client, path, metadataOnly } = this.#options;
    const { signal } = this.#attempt;
    let gathering = this.#gather();
    const version = await pagedList(client, {
      path,
      query: this.#query,
      accept: metadataOnly === true ? ACCEPT_METADATA_LIST : 'application/json',
      signal,
      onStart: () => {
        gathering = this.#gather();
      },
      onPage: items => {
        this.#alive();
        if (signal.aborted) return;
        for (const object of items) {
          const item = this.#isKept(object) ? this.#read(object) : undefined;
          if (item !== undefined) gathering.add(item);
        }
      },
    });
    if (signal.aborted) return;
    this.#listed(gathering, version);
  }

  /** Where the handler does not take a list by items, it is kept until it is whole. */
  #gather(): Gathering<T> {
    const { handler } = this.#options;
    const taken = handler.gather?.();
    if (taken !== undefined) return taken;
    const items = new Map<string, T>();
    return {
      add: item => void items.set(keyOf(item), item),
      remove: metadata => void items.delete(keyOf({ metadata })),
      end: version => handler.replace([...items.values()], version),
    };
  }

  /** A list that comes as events, closed by a bookmark; then the same connection goes on as a watch. */
  async #stream(): Promise<void> {
    const gathering = this.#gather();
    let listing = true;
    const query = { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' };
    const onInitial = ({ type, object }: WatchEvent): void => {
      if (type === 'ERROR') throw refusal({ what: this.#what, code: 0 }, object);
      if (type === 'BOOKMARK') {
        const version = endsInitialEvents(object) ? versionOf(object) : '';
        if (version === '') {
          throw new KubeError({ what: this.#what, code: 0, reason: NO_INITIAL_END, sent: 'yes' });
        }
        listing = false;
        this.#bookmarks = true;
        this.#listed(gathering, version);
        this.#opened();
        return;
      }
      if (!this.#isKept(object)) return;
      const item = type === 'DELETED' ? undefined : this.#read(object);
      const metadata = item?.metadata ?? metadataOf(object);
      if (item !== undefined) gathering.add(item);
      else if (metadata !== undefined) gathering.remove(metadata);
    };
    await this.#open(query, {
      head: () => this.#alive(),
      event: event => (listing ? onInitial(event) : this.#event(event)),
      listing: () => listing,
      knows: version => this.#echoes(version),
    });
  }

  async #watch(): Promise<void> {
    await this.#open(
      { resourceVersion: this.#version },
      {
        head: () => this.#opened(),
        event: event => this.#event(event),
        listing: () => false,
        knows: version => this.#echoes(version),
      },
    );
  }

  async #open(extra: Query, on: Parameters<typeof openWatch>[1]): Promise<void> {
    const { client, clock, random, path, metadataOnly = false } = this.#options;
    const { signal } = this.#attempt;
    const bookmarks = this.#bookmarks;
    this.#options.handler.begins?.();
    const event = (event: WatchEvent): void => {
      this.#alive();
      if (!on.listing()) this.#heardAt = this.#lastEventMono;
      on.event(event);
    };
    await openWatch(
      {
        client,
        clock,
        random,
        path,
        query: { ...this.#query, ...extra },
        metadataOnly,
        bookmarks,
        signal,
        what: this.#what,
      },
      { ...on, event },
    );
  }

  #echoes(version: string): boolean {
    const { handler } = this.#options;
    if (handler.echoes?.(version) !== true) return false;
    this.#alive();
    this.#heardAt = this.#lastEventMono;
    this.#version = version;
    return true;
  }

  #event({ type, object }: WatchEvent): void {
    const { handler } = this.#options;
    const version = versionOf(object);
    switch (type) {
      case 'BOOKMARK':
        this.#bookmarks = true;
        this.#handle(() => handler.progress?.(version));
        break;
      case 'ADDED':
      case 'MODIFIED':
      case 'DELETED': {
        if (!this.#isKept(object)) {
          this.#handle(() => handler.progress?.(version));
          break;
        }
        const echo = type === 'DELETED' ? undefined : identityOf(object);
        if (echo !== undefined && handler.holds?.(echo) === true) {
          this.#handle(() => handler.progress?.(version));
          break;
        }
        const item = type === 'DELETED' ? undefined : this.#read(object);
        // What cannot be read any more must not live on as it was.
        const metadata = item === undefined ? metadataOf(object) : undefined;
        if (item !== undefined) this.#handle(() => handler.upsert(item));
        else if (metadata !== undefined) this.#handle(() => handler.remove({ metadata }));
        break;
      }
      case 'ERROR':
        throw refusal({ what: this.#what, code: 0 }, object);
      default:
        this.#options.log.debug({ resource: this.#options.name }, 'an event of an unknown type');
    }
    if (version !== '') this.#version = version;
  }

  #listed(gathering: Gathering<T>, version: string): void {
    this.#handle(() => gathering.end(version));
    this.#version = version;
    this.#heardAt = this.#options.clock.monotonic();
    this.#syncedOnce = true;
    this.#sync.resolve();
    this.#listing.resolve();
    this.#listing = Promise.withResolvers();
  }

  #opened(): void {
    this.#state = 'watching';
    this.#openedAt = this.#options.clock.monotonic();
  }

  #alive(): void {
    this.#lastEventMono = this.#options.clock.monotonic();
  }

  get #query(): Query {
    const { query = {} } = this.#options;
    return typeof query === 'function' ? query() : query;
  }

  #isKept(object: unknown): boolean {
    const { keep } = this.#options;
    return keep === undefined || keep(uidOf(object));
  }

  #read(object: unknown): T | undefined {
    strip(object);
    let item: T | undefined;
    try {
      item = this.#options.parse(object);
    } catch {
      // as though it had returned nothing: the exception may quote values
    }
    if (item === undefined) {
      const metadata = metadataOf(object);
      this.#options.log.warn(
        { resource: this.#options.name, object: metadata && keyOf({ metadata }) },
        'an object cannot be read: skipped',
      );
    }
    return item;
  }

  #handle(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#options.log.error({ resource: this.#options.name, ...told(error) }, 'a handler of events failed');
    }
  }

  get #what(): string {
    return `watch ${this.#options.name}`;
  }
}

/** What may be logged of an error: ours whole, of others a code. */
function told(error: unknown): LogFields {
  if (error === undefined) return {};
  if (error instanceof KubeError) return error.logged;
  return { reason: codeOf(error) ?? (error instanceof Error ? error.name : typeof error) };
}
