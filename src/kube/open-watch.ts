import type { Clock, Random } from '../loop/clock.ts';
import type { KubeClient, Query } from './client.ts';
import { KubeError } from './kube-error.ts';
import { METADATA_ONLY } from './metadata-only.ts';
import { NO_INITIAL_END } from './watch-end.ts';
import { parseEvent, versionAtOnce, type WatchEvent } from './watch-event.ts';
import { Watchdog } from './watchdog.ts';

/** Jittered, so that the watches of many replicas do not end together. */
const WATCH_SECONDS = { least: 300, most: 600 };
/** For the answer's head. */
const HEAD_MS = 30_000;
/** Silence before the initial events have ended. */
const LIST_SILENCE_MS = 30_000;
/** Past the end that the watch itself asked for. */
const GRACE_MS = 30_000;
/** Of a server that is known to send bookmarks, one a minute: by then two did not come. */
const BOOKMARK_SILENCE_MS = 130_000;

/** The longest that a watch may be silent before it is given up. @param bookmarks the server has sent some before. */
export function silenceAllowedMs(bookmarks: boolean, watchSeconds = WATCH_SECONDS.most): number {
  return bookmarks ? BOOKMARK_SILENCE_MS : watchSeconds * 1000 + GRACE_MS;
}

interface WatchRequest {
  readonly client: Pick<KubeClient, 'watch'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly path: string;
  readonly query: Query;
  readonly metadataOnly: boolean;
  /** The server has sent bookmarks before. */
  readonly bookmarks: boolean;
  readonly signal: AbortSignal;
  readonly what: string;
}

interface WatchListener {
  /** The server accepted the watch. */
  head(): void;
  /** What throws here ends the watch. */
  event(event: WatchEvent): void;
  /** Whether initial events are still to come. */
  listing(): boolean;
  /** Asked of a change after them: whether it is known already, by its version alone. Then it is no event. */
  knows(version: string): boolean;
}

/**
 * One watch, from its request to its end, never without a watchdog: a connection that died without a word looks like
 * one on which nothing happens. Once it has ended, nothing that it still says is heard.
 * @throws KubeError, or what the listener threw; returns when the server ended it in good order.
 */
export async function openWatch(request: WatchRequest, on: WatchListener): Promise<void> {
  const { client, clock, path, metadataOnly, random, signal, what } = request;
  const broken = (reason: string): KubeError => new KubeError({ what, code: 0, reason, sent: 'yes' });
  const { least, most } = WATCH_SECONDS;
  const timeoutSeconds = least + Math.floor(random.next() * (most - least + 1));
  const connection = new AbortController();
  const abort = (): void => connection.abort();
  let silence = 'NoAnswer';
  let { bookmarks } = request;
  let closed = false;
  const watchdog = new Watchdog(clock, () => connection.abort(broken(silence)));
  const feed = (): void => {
    const listing = on.listing();
    silence = listing ? NO_INITIAL_END : 'WatchSilent';
    if (listing) watchdog.feed(LIST_SILENCE_MS);
    else watchdog.feed(silenceAllowedMs(bookmarks, timeoutSeconds));
  };
  const unheard = (): boolean => closed || connection.signal.aborted;
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  watchdog.feed(HEAD_MS);
  try {
    await client.watch(
      {
        path,
        accept: metadataOnly ? METADATA_ONLY : 'application/json',
        query: { ...request.query, allowWatchBookmarks: true, timeoutSeconds },
        signal: connection.signal,
      },
      {
        head: () => {
          if (unheard()) return;
          on.head();
          feed();
        },
        line: line => {
          if (unheard()) return;
          if (!on.listing()) {
            const version = versionAtOnce(line);
            if (version !== undefined && on.knows(version)) {
              feed();
              return;
            }
          }
          const event = parseEvent(line);
          if (event === undefined) throw broken('NotAnEvent');
          bookmarks ||= event.type === 'BOOKMARK';
          on.event(event);
          feed();
        },
      },
    );
  } finally {
    closed = true;
    watchdog.stop();
    signal.removeEventListener('abort', abort);
  }
}
