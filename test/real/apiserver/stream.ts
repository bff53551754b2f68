import type { Call } from '../../../sandbox/apiserver/faults.ts';
import type { WireRequest, WireSink } from '../../../sandbox/wire.ts';
import type { Clock, Timer } from '../../../src/loop/clock.ts';
import type { Changed } from './changes.ts';
import type { KindPath } from './kinds.ts';
import { endsInitialEvents, type Follower, type Told, type Upstream } from './watch-lines.ts';

const BOOKMARK_MS = 60_000;

interface Parts {
  readonly call: Call;
  readonly kind: KindPath;
  readonly request: WireRequest;
  readonly clock: Clock;
  readonly sink: WireSink;
  readonly upstream: Upstream;
  /** Something was passed on, or it has ended. */
  readonly onNews: (stream: Stream) => void;
  /** Its time is over: whoever goes on from there may have the same upstream. */
  readonly onTimeout: (stream: Stream) => void;
}

/**
 * One watch of the operator's on a real server. What it tells is passed on as it comes; its bookmarks and its end come by
 * the world's clock, since the server's own know nothing of that.
 */
export class Stream implements Follower {
  /** The version up to which all was passed on. */
  passed: number;
  over = false;
  #required = 0;
  readonly #parts: Parts;
  readonly #name: string | undefined;
  readonly #endsAt: number;
  #listing: boolean;
  #timer: Timer | undefined;
  #stalled = false;

  constructor(parts: Parts) {
    const { call, clock, request } = parts;
    this.#parts = parts;
    this.#listing = call.params.get('sendInitialEvents') === 'true';
    this.passed = Number(call.params.get('resourceVersion') ?? 0);
    this.#name = /^metadata\.name=(.+)$/.exec(call.params.get('fieldSelector') ?? '')?.[1];
    this.#endsAt = clock.monotonic() + Number(call.params.get('timeoutSeconds') ?? 1800) * 1000;
    request.signal.addEventListener('abort', () => this.#finish(), { once: true });
    this.#arm();
    parts.upstream.follow(this);
  }

  /** What it must pass on, if it is in its scope. */
  require(resource: string, { namespace, name, version }: Changed): void {
    const { call } = this.#parts;
    const covered =
      call.resource === resource &&
      (call.namespace === undefined || call.namespace === namespace) &&
      (this.#name === undefined || this.#name === name);
    if (covered) this.#required = Math.max(this.#required, version);
  }

  /** What it has still to pass on; undefined when nothing. */
  get behind(): string | undefined {
    if (this.#stalled || (!this.#listing && this.passed >= this.#required)) return undefined;
    const { path } = this.#parts.call;
    return this.#listing
      ? `the initial events of ${path}`
      : `a watch of ${path} that is at ${this.passed} and must come to ${this.#required}`;
  }

  told(event: Told, line: string): void {
    if (this.over || this.#stalled) return;
    const { metadata } = event.object;
    if (event.type !== 'ERROR') {
      if (!this.#listing) this.passed = Number(metadata.resourceVersion);
      else if (endsInitialEvents(event)) {
        this.#listing = false;
        this.passed = Number(metadata.resourceVersion);
      }
    }
    this.#parts.sink.write(`${line}\n`);
    this.#parts.onNews(this);
  }

  ended(error: unknown): void {
    if (this.over || this.#stalled) return;
    this.end(error === undefined ? 'end' : 'reset');
  }

  end(how: 'end' | 'reset'): void {
    if (this.over) return;
    this.#finish();
    if (this.#stalled) return;
    if (how === 'end') this.#parts.sink.end();
    else this.#parts.sink.reset();
  }

  /** The connection stays open, and nothing comes any more. */
  stall(): void {
    this.#stalled = true;
    this.#timer?.cancel();
  }

  #finish(): void {
    if (this.over) return;
    this.over = true;
    this.#timer?.cancel();
    this.#parts.upstream.close();
    this.#parts.onNews(this);
  }

  #timeOut(): void {
    this.over = true;
    this.#parts.upstream.follow(undefined);
    this.#parts.onTimeout(this);
    this.#parts.sink.end();
  }

  #arm(): void {
    const { clock } = this.#parts;
    const left = this.#endsAt - clock.monotonic();
    this.#timer = clock.after(Math.max(0, Math.min(left, BOOKMARK_MS)), () => {
      this.#bookmark();
      if (clock.monotonic() >= this.#endsAt) this.#timeOut();
      else this.#arm();
    });
  }

  #bookmark(): void {
    const { kind, request, sink } = this.#parts;
    const isPartial = request.headers.accept?.includes('as=PartialObjectMetadata') === true;
    const object = {
      kind: isPartial ? 'PartialObjectMetadata' : kind.kind,
      apiVersion: isPartial ? 'meta.k8s.io/v1' : kind.apiVersion,
      metadata: { resourceVersion: String(this.passed) },
    };
    sink.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }
}
