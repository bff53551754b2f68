import { z } from 'zod';
import type { Log } from '../api/log.ts';
import { keyOf } from '../api/meta.ts';
import { API_VERSION, FIELD_MANAGER } from '../api/names.ts';
import type { Reason } from '../api/reasons.ts';
import type { KubeClient } from './client.ts';
import { isAlreadyExists, isNotFound, KubeError } from './kube-error.ts';
import type { ServerTime } from './server-time.ts';

export interface Regarding {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export interface EventFacts {
  readonly type: 'Normal' | 'Warning';
  readonly reason: Reason;
  /** PascalCase: what was being done. */
  readonly action: string;
  readonly note: string;
}

/** So few that a wave of them, as of first tokens, takes next to nothing from the writes of tokens: they trail. */
const AT_ONCE = 2;
/** While draining nothing else wants the API server. */
const AT_ONCE_DRAINING = 32;
/** More would only tell that the API server is behind. */
const MOST_WAITING = 1000;
const NOTE_MAX = 1000;
/** What comes again later than that is an event of its own. Longer than two tries lie apart, shorter than events live (1 h). */
const SERIES_MS = 45 * 60_000;
/** A count that grows is written as often. */
const TOLD_EVERY_MS = 10 * 60_000;
/** Objects whose series are remembered; of others each event is one of its own. */
const MOST_REMEMBERED = 2000;

/** The same thing about the same object, again and again: one Event, whose `series` counts. */
interface Series {
  readonly regarding: Regarding;
  /** As it was said first: of an Event only the series may change. */
  readonly event: EventFacts;
  name: string;
  firstAt: number;
  count: number;
  lastAt: number;
  /** How often the API server was told that it happened, and when. */
  told: number;
  toldAt: number;
}

/** events.k8s.io/v1, in series as client-go makes them. A lost event is no failure: status says the same. */
export class EventRecorder {
  readonly #client: Pick<KubeClient, 'create' | 'mergePatch'>;
  readonly #time: Pick<ServerTime, 'now'>;
  readonly #instance: string;
  readonly #log: Log;
  /** By UID, then by type, reason and action. */
  readonly #series = new Map<string, Map<string, Series>>();
  /** To be sent, in the order that they came. */
  readonly #waiting = new Set<Series>();
  readonly #sending = new Map<Series, Promise<void>>();
  #atOnce = AT_ONCE;
  #last = 0;

  /** @param instance this replica's name, as `reportingInstance`. */
  constructor(
    client: Pick<KubeClient, 'create' | 'mergePatch'>,
    time: Pick<ServerTime, 'now'>,
    instance: string,
    log: Log,
  ) {
    this.#client = client;
    this.#time = time;
    this.#instance = instance.slice(0, 128);
    this.#log = log;
  }

  /** Something changed. */
  record(regarding: Regarding, event: EventFacts): void {
    const now = this.#time.now();
    const known = this.#of(regarding.uid, now);
    const series = known.get(kindOf(event)) ?? this.#begin(regarding, event, now);
    known.set(kindOf(event), series);
    this.#count(series, known, now);
  }

  /** The same as before, which is no news: it counts in a series that goes on, and begins none. */
  repeat({ uid }: Pick<Regarding, 'uid'>, event: EventFacts): void {
    const now = this.#time.now();
    const known = this.#of(uid, now);
    const series = known.get(kindOf(event));
    if (series !== undefined) this.#count(series, known, now);
  }

  #count(series: Series, known: ReadonlyMap<string, Series>, now: number): void {
    series.count += 1;
    series.lastAt = now;
    if (series.told < 2 || now - series.toldAt >= TOLD_EVERY_MS) this.#tell(series);
    // Something else began: what was counted until now is said. Not so where it only goes to and fro.
    if (series.count > 1) return;
    for (const other of known.values()) if (other !== series && other.told < other.count) this.#tell(other);
  }

  /** Resolves when all that was recorded is sent or given up. */
  async flush(): Promise<void> {
    for (const known of this.#series.values())
      for (const series of known.values()) if (series.told < series.count) this.#tell(series);
    this.#atOnce = AT_ONCE_DRAINING;
    this.#sendNext();
    while (this.#sending.size > 0) await Promise.all(this.#sending.values());
    this.#atOnce = AT_ONCE;
  }

  /** What still goes on about an object. */
  #of(uid: string, now: number): Map<string, Series> {
    const known = this.#series.get(uid) ?? new Map<string, Series>();
    for (const [kind, series] of known) if (now - series.lastAt > SERIES_MS) known.delete(kind);
    // The latest come last.
    this.#series.delete(uid);
    this.#series.set(uid, known);
    const [oldest] = this.#series.keys();
    if (this.#series.size > MOST_REMEMBERED && oldest !== undefined) this.#series.delete(oldest);
    return known;
  }

  #begin(regarding: Regarding, event: EventFacts, now: number): Series {
    const begun = { regarding, event, name: this.#name(regarding, now), firstAt: now, lastAt: now };
    return { ...begun, count: 0, told: 0, toldAt: now };
  }

  /** Unique as client-go makes it: the object's name and a time, of which no two are the same here. */
  #name(regarding: Regarding, now: number): string {
    this.#last = Math.max(this.#last + 1, Math.round(now * 1000));
    return `${regarding.name.slice(0, 200)}.${this.#last.toString(16)}`;
  }

  #tell(series: Series): void {
    if (this.#waiting.size >= MOST_WAITING) return;
    this.#waiting.add(series);
    this.#sendNext();
  }

  /** Of one series one thing at a time. */
  #sendNext(): void {
    for (const series of this.#waiting) {
      if (this.#sending.size >= this.#atOnce) return;
      if (this.#sending.has(series)) continue;
      this.#waiting.delete(series);
      this.#sending.set(series, this.#sent(series));
    }
  }

  async #sent(series: Series): Promise<void> {
    try {
      await this.#send(series);
    } catch (error) {
      const { regarding } = series;
      const reason = error instanceof KubeError ? error.reason : 'Unknown';
      this.#log.debug({ object: keyOf({ metadata: regarding }), reason }, 'event not recorded');
    }
    this.#sending.delete(series);
    this.#sendNext();
  }

  async #send(series: Series): Promise<void> {
    const { count, lastAt } = series;
    if (series.told >= count) return;
    if (series.told === 0 || !(await this.#patched(series))) await this.#create(series);
    series.told = count;
    series.toldAt = lastAt;
  }

  /** @returns false when the Event is gone: the API server keeps it for an hour. */
  async #patched({ regarding, name, count, lastAt }: Series): Promise<boolean> {
    const path = `${collection(regarding)}/${name}`;
    try {
      await this.#client.mergePatch(
        path,
        { series: { count, lastObservedTime: micro(lastAt) } },
        z.unknown(),
      );
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async #create(series: Series): Promise<void> {
    const { regarding, event, count, lastAt } = series;
    if (series.told > 0) series.name = this.#name(regarding, lastAt);
    const created = this.#client.create(
      collection(regarding),
      {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: series.name, namespace: namespaceOf(regarding) },
        eventTime: micro(series.firstAt),
        ...(count > 1 && { series: { count, lastObservedTime: micro(lastAt) } }),
        reportingController: `${FIELD_MANAGER}.dev/operator`,
        reportingInstance: this.#instance,
        type: event.type,
        reason: event.reason,
        action: event.action,
        note: event.note.slice(0, NOTE_MAX),
        regarding: { apiVersion: API_VERSION, ...regarding },
      },
      z.unknown(),
    );
    await created.catch((error: unknown) => {
      // An earlier try whose answer was lost.
      if (!isAlreadyExists(error)) throw error;
    });
  }
}

const kindOf = ({ type, reason, action }: EventFacts): string => `${type} ${reason} ${action}`;
/** Events about cluster-scoped objects live in `default`, as those of core controllers do. */
const namespaceOf = ({ namespace = 'default' }: Regarding): string => namespace;
const collection = (regarding: Regarding): string =>
  `/apis/events.k8s.io/v1/namespaces/${namespaceOf(regarding)}/events`;
/** A MicroTime. */
const micro = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');
