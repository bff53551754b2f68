import type { Clock, Random, Timer } from '../../src/loop/clock.ts';
import type { WireSink } from '../wire.ts';
import { type ApiError, cause, invalid } from './errors.ts';
import type { KubeObject } from './json.ts';
import type { Kind } from './kind.ts';
import { readVersion, tooOld } from './list.ts';
import { type Form, objectText, type Table } from './represent.ts';
import type { Matcher } from './selectors.ts';
import { type Change, type Store, Version } from './store.ts';

/**
 * One watch: the state it starts from (where asked for), then each change in order, a bookmark each minute, and an end.
 *
 *   open -> [initial state] -> [history since resourceVersion] -> live changes -> bookmark, end at timeoutSeconds
 *       \-> ERROR 410, end (history no longer reaches back)
 */

const BOOKMARK_MS = 60_000;
/** What the real server takes when a client names no time-out: between this and its double. */
const SHORTEST_MS = 30 * 60_000;

export interface WatchRequest {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  readonly matches: Matcher;
  readonly form: Form;
  readonly table: () => Table;
  readonly from: number;
  readonly bookmarks: boolean;
  readonly initialState: boolean;
  /** The end of the initial state is marked by a bookmark of its own. */
  readonly markInitialEnd: boolean;
  readonly timeoutMs: number;
}

export function readWatch(
  parts: Pick<WatchRequest, 'kind' | 'namespace' | 'matches' | 'form' | 'table'>,
  params: URLSearchParams,
  watchList: boolean,
  random: Random,
): WatchRequest {
  const from = readVersion(params);
  const streamed = params.get('sendInitialEvents');
  const match = params.get('resourceVersionMatch');
  const bookmarks = params.get('allowWatchBookmarks') === 'true';
  const refuse = (field: string, why: string): ApiError =>
    invalid({ group: 'meta.k8s.io', kind: 'ListOptions', plural: 'ListOptions' }, '', [
      cause.forbidden(field, why),
    ]);
  if (streamed !== null) {
    if (!watchList) {
      throw refuse(
        'sendInitialEvents',
        'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled',
      );
    }
    if (match !== 'NotOlderThan') {
      throw refuse(
        'resourceVersionMatch',
        'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      );
    }
  } else if (match !== null) {
    throw refuse(
      'resourceVersionMatch',
      'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    );
  }
  const seconds = Number(params.get('timeoutSeconds') ?? 0);
  return {
    ...parts,
    from,
    bookmarks,
    initialState: streamed === 'true' || (streamed === null && from === 0),
    markInitialEnd: streamed === 'true' && bookmarks,
    timeoutMs: seconds > 0 ? seconds * 1000 : SHORTEST_MS * (1 + random.next()),
  };
}

/** Objects that are told of at once. */
const SLICE = 200;

export class Watch {
  private readonly request: WatchRequest;
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly sink: WireSink;
  private readonly endsAt: number;
  private readonly onEnd: (watch: Watch) => void;
  private timer: Timer | undefined;
  private unlisten: (() => void) | undefined;
  /** Changes that came while the initial state was being written are in it already. */
  private seen = 0;
  private silent = false;
  private over = false;
  /** What came while the initial state was being told: it comes after. Undefined when none is. */
  private held: Change[] | undefined;

  constructor(
    request: WatchRequest,
    store: Store,
    clock: Clock,
    sink: WireSink,
    onEnd: (watch: Watch) => void,
  ) {
    this.request = request;
    this.store = store;
    this.clock = clock;
    this.sink = sink;
    this.onEnd = onEnd;
    this.endsAt = clock.monotonic() + request.timeoutMs;
  }

  start(): void {
    const { kind, from, initialState, namespace, matches } = this.request;
    if (!initialState && from < this.store.oldest) {
      this.write('ERROR', JSON.stringify(tooOld(from, this.store).toStatus()));
      this.end();
      return;
    }
    this.seen = initialState ? this.store.current : from;
    this.unlisten = this.store.listen(change => this.onChange(change));
    this.arm();
    if (initialState) {
      const all = [...this.store.table(kind.table)].sort(([a], [b]) => (a < b ? -1 : 1));
      const inside = ({ object }: Version): boolean =>
        (namespace === undefined || object.metadata.namespace === namespace) && matches(object);
      this.held = [];
      this.tell(all.map(([, version]) => version).filter(inside), 0, this.seen);
    } else {
      for (const change of this.store.since(from, kind.table)) this.onChange(change);
    }
  }

  /** In slices, each once the last was taken: what is told faster than it is read piles up here. */
  private tell(state: readonly Version[], first: number, version: number): void {
    if (this.over) return;
    const next = first + SLICE;
    const goOn = next < state.length ? () => this.tell(state, next, version) : undefined;
    const slice = state.slice(first, next);
    const last = slice.at(-1);
    for (const each of slice) this.write('ADDED', this.text(each), each === last ? goOn : undefined);
    if (goOn !== undefined) return;
    if (this.request.markInitialEnd) this.bookmark(version, { 'k8s.io/initial-events-end': 'true' });
    const held = this.held ?? [];
    this.held = undefined;
    for (const change of held) this.onChange(change);
  }

  private onChange(change: Change): void {
    const { kind, namespace, matches } = this.request;
    const { version, previous, type } = change;
    if (change.table !== kind.table || version.rv <= this.seen) return;
    if (this.held !== undefined) {
      this.held.push(change);
      return;
    }
    this.seen = version.rv;
    if (namespace !== undefined && version.object.metadata.namespace !== namespace) return;
    const is = type !== 'DELETED' && matches(version.object);
    const was = previous !== undefined && matches(previous.object);
    if (is) this.write(was ? 'MODIFIED' : 'ADDED', this.text(version));
    else if (was) this.write('DELETED', this.text(type === 'DELETED' ? version : left(previous, version)));
  }

  private text(version: Version): string {
    const { kind, form, table } = this.request;
    return objectText(kind, version, form, table);
  }

  private write(type: string, object: string, taken?: () => void): void {
    if (!this.silent) this.sink.write(`{"type":"${type}","object":${object}}\n`, taken);
  }

  private bookmark(version: number, annotations?: Record<string, string>): void {
    const { kind, form } = this.request;
    const [apiVersion, name] =
      form.as === 'partial' ? ['meta.k8s.io/v1', 'PartialObjectMetadata'] : [kind.apiVersion, kind.kind];
    const resourceVersion = String(version);
    const metadata = annotations === undefined ? { resourceVersion } : { resourceVersion, annotations };
    this.write('BOOKMARK', JSON.stringify({ kind: name, apiVersion, metadata }));
  }

  private arm(): void {
    const now = this.clock.monotonic();
    // All watches in the same moment: on a virtual clock that is one instant to settle.
    const bookmark = BOOKMARK_MS - (now % BOOKMARK_MS);
    this.timer = this.clock.after(Math.max(0, Math.min(this.endsAt - now, bookmark)), () => {
      if (this.request.bookmarks && this.held === undefined) this.bookmark(this.store.current);
      if (this.clock.monotonic() >= this.endsAt) this.end();
      else this.arm();
    });
  }

  /** The connection stays open and nothing comes any more, as behind a load balancer that forgot it. */
  stall(): void {
    this.silent = true;
  }

  end(how: 'end' | 'reset' | 'gone' = 'end'): void {
    this.over = true;
    this.timer?.cancel();
    this.unlisten?.();
    this.onEnd(this);
    if (how === 'end' && !this.silent) this.sink.end();
    else if (how === 'reset') this.sink.reset();
  }
}

/** An object that no longer matches is gone for this watch: its last matching state, under the version of the change. */
function left(previous: Version, now: Version): Version {
  const { resourceVersion } = now.object.metadata;
  const object: KubeObject = {
    ...previous.object,
    metadata: { ...previous.object.metadata, resourceVersion },
  };
  return new Version(object, now.rv);
}
