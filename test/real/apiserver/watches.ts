import type { Call } from '../../../sandbox/apiserver/faults.ts';
import type { WireRequest, WireResponse } from '../../../sandbox/wire.ts';
import type { Clock } from '../../../src/loop/clock.ts';
import { isFailure, parcelOf } from './answers.ts';
import type { Changed, Changes } from './changes.ts';
import type { KindPath } from './kinds.ts';
import type { Plane } from './plane.ts';
import type { Quiet } from './quiet.ts';
import { Stream } from './stream.ts';
import { type Opened, Upstream } from './watch-lines.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
/** What a watch is of, besides its path. */
const SELECTORS = ['fieldSelector', 'labelSelector', 'shardSelector'];
const NO_ANSWER: WireResponse = { status: 0, fault: 'hang' };

interface Parts {
  readonly plane: Plane;
  readonly clock: Clock;
  readonly quiet: Quiet;
  readonly changes: Changes;
}

/** The operators' watches of one world. */
export class Watches {
  readonly #parts: Parts;
  readonly #streams = new Set<Stream>();
  /** Those that have ended for the operator alone, and how far it was told. */
  readonly #parked = new Map<string, { readonly upstream: Upstream; readonly passed: number }>();
  #forgottenUpTo = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get open(): number {
    return this.#streams.size;
  }

  /** What one of them has still to pass on; undefined when nothing. */
  get behind(): string | undefined {
    for (const { behind } of this.#streams) if (behind !== undefined) return behind;
    return undefined;
  }

  require(resource: string, changed: Changed): void {
    for (const stream of this.#streams) stream.require(resource, changed);
  }

  end(how: 'end' | 'reset'): void {
    for (const stream of [...this.#streams]) stream.end(how);
  }

  stall(): void {
    for (const stream of this.#streams) stream.stall();
  }

  /** A real server forgets when it likes: to watches from before, it is asked for what it surely has not any more. */
  forget(): void {
    const { version } = this.#parts.changes;
    this.#forgottenUpTo = Math.max(version, ...[...this.#streams].map(({ passed }) => passed));
  }

  close(): void {
    this.end('reset');
    for (const { upstream } of this.#parked.values()) upstream.close();
    this.#parked.clear();
  }

  async begin(kind: KindPath, call: Call, request: WireRequest): Promise<WireResponse> {
    const { clock, quiet, changes } = this.#parts;
    const selected = SELECTORS.map(name => call.params.get(name));
    const manner = JSON.stringify([call.path, request.headers.accept, ...selected]);
    const upstream = this.#takeParked(manner, call) ?? (await this.#open(call, request));
    if (upstream === undefined) return NO_ANSWER;
    if (!(upstream instanceof Upstream)) {
      const { status, text } = upstream;
      if (isFailure(status)) quiet.fail(`watch ${call.path} failed: ${status} ${text}`);
      return { status, headers: JSON_TYPE, body: text };
    }
    const onNews = (stream: Stream): void => {
      if (stream.over) this.#streams.delete(stream);
      quiet.news();
    };
    const onTimeout = (stream: Stream): void => {
      this.#streams.delete(stream);
      this.#parked.get(manner)?.upstream.close();
      this.#parked.set(manner, { upstream, passed: stream.passed });
    };
    const closeUnused = (): void => upstream.close();
    request.signal.addEventListener('abort', closeUnused, { once: true });
    return {
      status: 200,
      headers: JSON_TYPE,
      stream: sink => {
        // From now on it is the stream's, and may come to be another request's.
        request.signal.removeEventListener('abort', closeUnused);
        const stream = new Stream({ call, kind, request, clock, sink, upstream, onNews, onTimeout });
        if (!stream.over) this.#streams.add(stream);
        for (const changed of changes.of(call.resource)) stream.require(call.resource, changed);
      },
    };
  }

  async #open(call: Call, request: WireRequest): Promise<Opened | undefined> {
    const { plane, quiet } = this.#parts;
    const abort = new AbortController();
    const onAbort = (): void => abort.abort();
    request.signal.addEventListener('abort', onAbort, { once: true });
    const { path, headers } = parcelOf(request);
    const from = call.params.get('resourceVersion');
    const forgotten = from !== null && Number(from) <= this.#forgottenUpTo;
    const asked = forgotten ? path.replace(`resourceVersion=${from}`, 'resourceVersion=1') : path;
    try {
      return await plane.watch(asked, headers, abort);
    } catch (error) {
      if (!abort.signal.aborted) quiet.fail(`no answer to watch ${call.path}: ${String(error)}`);
      return undefined;
    } finally {
      request.signal.removeEventListener('abort', onAbort);
    }
  }

  /** In a simulated week thousands of watches end and go on where they were. */
  #takeParked(manner: string, { params }: Call): Upstream | undefined {
    const parked = this.#parked.get(manner);
    if (parked === undefined || params.get('resourceVersion') !== String(parked.passed)) return undefined;
    if (parked.passed <= this.#forgottenUpTo) return undefined;
    this.#parked.delete(manner);
    return parked.upstream;
  }
}
