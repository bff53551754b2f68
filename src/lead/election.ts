import type { Log, LogFields } from '../api/log.ts';
import { isAlreadyExists, isConflict, isNotFound, isRetriable, KubeError } from '../kube/kube-error.ts';
import type { Lease, LeaseClient, LeaseContent, LeaseWatch } from '../kube/lease.ts';
import type { ListWatchHandler } from '../kube/list-watch.ts';
import type { ServerTime } from '../kube/server-time.ts';
import { newerVersion } from '../kube/version.ts';
import { Watchdog } from '../kube/watchdog.ts';
import type { Clock, Random, Timer } from '../loop/clock.ts';
import { unusable } from './count.ts';
import type { Ownership } from './ownership.ts';
import { freeSince, type LeaseTimes, nextStep, type Seen, type Step, type Tenure, Term } from './standing.ts';

export interface ElectionOptions {
  readonly leases: LeaseClient;
  readonly times: LeaseTimes;
  /** Unique to this process: a pod's name alone would take its predecessor's Lease for its own. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly serverTime: ServerTime;
  readonly log: Log;
  /** The Lease was taken or renewed: what was refused before may go on. */
  readonly onRenewed: () => void;
  /** Someone else held it since we did: this process's part is over. */
  readonly onDeposed: () => void;
  /** Whether we lead has changed; also when the lease ran out, and when it came back. */
  readonly onLeading: (leads: boolean) => void;
  /** Whatever is learnt of the Lease. */
  readonly onSeen?: (lease: Lease | undefined) => void;
  /**
   * When a free Lease may be taken, monotonic ms; asked again whenever something changes. Default: as soon as it is free.
   * What it answers with no later than now is taken now.
   */
  readonly takeAt?: (freeSince: number, lease: Lease | undefined) => number;
  /** It has ended: a person must see to what stands in its way. */
  readonly onFailed?: (error: unknown) => void;
  /** Written when the Lease is taken; null removes one. */
  readonly taken?: LeaseContent['annotations'];
}

interface Giving {
  readonly note: LeaseContent['annotations'];
  readonly done: (given: boolean) => void;
}

/** So many retries are spread by so much of their wait, that standbys do not ask all at once. */
const JITTER = 0.2;
/** The Lease was changed by someone under our write: read again already, so tried again soon. */
const CONFLICT_SHARE = 0.1;
/** For giving the Lease back: whoever waits for us to end waits no longer. */
const RELEASE_MS = 2000;

/**
 * Leader election over one Lease, by client-go's rules: whoever writes its name into it leads, and renews it; the others
 * watch it, and take it when it is given back, or when they have seen no change of it for as long as it says.
 *
 * ```
 * standby ──given back, or unchanged too long──> leads ──not renewed in time──> suspended
 *                                                  ^ │                            │    │
 *                                                  │ └──────── someone else held it ──> ended
 *                                                  └──────────── renewed ─────────┘
 * ```
 * Every write carries the version that was seen, so two can never both win. What we may do counts from before our last
 * renewal was sent, what another may do from after we saw its: so ours ends first, whatever the wall clocks say.
 */
export class Election implements Ownership {
  /** Resolves when the Lease is ours for the first time; rejects when it can't be, and when stopped before. */
  readonly elected: Promise<void>;
  readonly #options: ElectionOptions;
  readonly #election = Promise.withResolvers<void>();
  readonly #term: Term;
  readonly #watch: LeaseWatch;
  readonly #runsOut: Watchdog;
  readonly #stopping = new AbortController();
  /** Of a write that is on its way: it may make the Lease ours, so an end in order waits for what comes of it. */
  readonly #writing = new AbortController();
  #running: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #seen: Seen | undefined;
  #tenure: Tenure | undefined;
  /** Aborted while we do not lead. */
  #fence = aborted();
  #leading = false;
  #led = false;
  #ended = false;
  /** No write before: each try, whatever came of it, is followed by a wait. */
  #notBefore = 0;
  #wake: () => void = () => {};
  /** For the log: whom we told of, and whether that the Lease can't be written. */
  #named: string | undefined;
  #failing = false;
  #lookedAgain: Seen | undefined;
  #taking = false;
  /** Asked for: to give the Lease back, and to stand by again. */
  #giving: Giving | undefined;

  constructor(options: ElectionOptions) {
    const { clock, random, log } = options;
    this.#options = options;
    this.elected = this.#election.promise;
    this.elected.catch(() => {}); // whoever waits is told
    this.#term = new Term(options.times);
    this.#watch = options.leases.watch(this.#handler(), { clock, random, log });
    this.#runsOut = new Watchdog(clock, () => this.#suspend());
  }

  start(): void {
    this.#watch.start();
    this.#running = this.#run().catch((error: unknown) => {
      this.#election.reject(error);
      this.#options.onFailed?.(error);
    });
  }

  /**
   * @param release gives the Lease back, so that another can take it at once: only when nothing of ours is under way
   * any more. Otherwise it runs out by itself.
   */
  stop(release: boolean): Promise<void> {
    this.#stopped ??= this.#stop(release);
    return this.#stopped;
  }

  /**
   * Gives the Lease back and stands by again; nothing of ours may be under way any more.
   * @param note annotations, for whoever sees it free.
   * @returns whether it was written. If not, it runs out, or is ours again.
   */
  give(note: LeaseContent['annotations']): Promise<boolean> {
    this.#giving?.done(false);
    return new Promise(resolve => {
      this.#giving = { note, done: resolve };
      this.#wake();
      if (this.#stopping.signal.aborted) resolve(false);
    });
  }

  /** Something that {@link ElectionOptions.takeAt} rests on has changed. */
  reconsider(): void {
    if (this.#tenure === undefined) this.#wake();
  }

  async #stop(release: boolean): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    this.#giving?.done(false);
    this.#election.reject(new Error('stopped before it led'));
    const late = this.#options.clock.after(release ? RELEASE_MS : 0, () => this.#writing.abort());
    await Promise.all([this.#watch.stop(), this.#running]);
    late.cancel();
    this.#runsOut.stop();
    const held = this.#tenure !== undefined && !this.#ended;
    this.#lead(false);
    if (release && held) await this.#release();
  }

  owns(_uid: string, ms: number): boolean {
    return (
      this.#leading &&
      this.#tenure !== undefined &&
      this.#term.allows(this.#tenure, ms, this.#options.clock.monotonic())
    );
  }

  fence(_uid: string): AbortSignal {
    return this.#fence.signal;
  }

  get leads(): boolean {
    return this.#leading;
  }

  /** The Lease is ours as far as we know, or about to be. */
  get claims(): boolean {
    return this.#tenure !== undefined || this.#taking;
  }

  /** Who may count on the Lease now; undefined: nobody. */
  get holder(): string | undefined {
    const { clock, times } = this.#options;
    if (this.#seen === undefined || freeSince(this.#seen, times) <= clock.monotonic()) return undefined;
    return (this.#seen.lease ?? this.#seen.last)?.holder;
  }

  /** The Lease as last seen. */
  get lease(): Lease | undefined {
    return this.#seen?.lease;
  }

  /** It leads, or did before its lease ran out. */
  get ledOnce(): boolean {
    return this.#led;
  }

  /** Who holds the Lease, as far as we know; undefined: nobody, or not known yet. */
  get leader(): string | undefined {
    const holder = this.#seen?.lease?.holder;
    return holder === undefined || holder === '' ? undefined : holder;
  }

  /** @returns why the Lease cannot be followed, or undefined. */
  notReady(): string | undefined {
    if (this.#seen === undefined) return 'not synced with the API server';
    return this.#watch.health.deaf ? 'nothing is heard of the Lease' : undefined;
  }

  notHealthy(): string | undefined {
    return this.#watch.health.stuck ? 'the watch of the Lease is stuck' : undefined;
  }

  // ---- what is seen

  #handler(): ListWatchHandler<Lease> {
    return {
      replace: ([lease], version) => {
        // A list that was begun before a write of ours does not have it.
        if (lease !== undefined || isLater(version, this.#seen?.lease)) this.#see(lease);
      },
      upsert: lease => this.#see(lease),
      remove: ({ metadata }) => {
        if (isLater(metadata.resourceVersion, this.#seen?.lease)) this.#see(undefined);
      },
    };
  }

  /** @param asked it is the answer to a question or a write of ours, and counts whatever its version. */
  #see(lease: Lease | undefined, asked = false): void {
    const before = this.#seen;
    // The watch lags behind what our own writes were answered.
    if (!asked && lease !== undefined && before !== undefined) {
      const known = before.lease ?? before.last;
      if (known !== undefined && !isLater(lease.metadata.resourceVersion, known)) return;
    }
    const unchanged = lease?.metadata.resourceVersion === before?.lease?.metadata.resourceVersion;
    if (before !== undefined && unchanged) return;
    const now = this.#options.clock.monotonic();
    this.#seen =
      lease === undefined
        ? { lease, last: before?.lease ?? before?.last, since: before?.since ?? now }
        : { lease, last: lease, since: now };
    this.#tell();
    this.#wake();
    this.#options.onSeen?.(lease);
  }

  #tell(): void {
    const { leader } = this;
    if (leader === this.#named) return;
    this.#named = leader;
    if (leader !== undefined && leader !== this.#options.identity && this.#tenure === undefined)
      this.#options.log.info({ leader, identity: this.#options.identity }, 'standby: another replica leads');
  }

  // ---- what is done

  async #run(): Promise<void> {
    const { clock, times, identity } = this.#options;
    while (!this.#stopping.signal.aborted) {
      if (this.#seen === undefined) {
        await this.#lookFirst();
        continue;
      }
      if (this.#giving !== undefined) {
        await this.#give(this.#giving);
        continue;
      }
      const now = clock.monotonic();
      const step = nextStep(this.#seen, this.#tenure, identity, times, now);
      if (step.do === 'end') return this.#end(step.holder);
      const at = step.do === 'wait' ? step.until : Math.max(step.at, this.#notBefore, this.#mayTakeAt(step));
      if (step.do === 'wait' || at > now) await this.#sleep(at - now);
      else if (step.do !== 'renew' && this.#mayHaveBeenBlind(this.#seen)) await this.#lookAgain(this.#seen);
      else await this.#write(this.#seen, step.do);
    }
  }

  #mayTakeAt({ do: what }: Step): number {
    const { takeAt, times } = this.#options;
    if (takeAt === undefined || what === 'renew' || this.#tenure !== undefined || this.#seen === undefined)
      return Number.NEGATIVE_INFINITY;
    return takeAt(freeSince(this.#seen, times), this.#seen.lease);
  }

  async #write(seen: Seen, what: Exclude<Step['do'], 'wait' | 'end'>): Promise<void> {
    const { clock, leases, times } = this.#options;
    const { signal } = this.#writing;
    const sentAt = clock.monotonic();
    const content = this.#content(seen, what);
    const create = what === 'create' || seen.lease === undefined;
    this.#taking = true;
    try {
      const lease = create
        ? await leases.create(content, { signal })
        : await leases.write(seen.lease, content, { signal });
      this.#failing = false;
      this.#notBefore = sentAt + times.retryMs;
      this.#see(lease, true);
      this.#renewed({ renewedAt: sentAt, transitions: content.transitions });
    } catch (error) {
      const changed = create ? isAlreadyExists(error) : isConflict(error) || isNotFound(error);
      if (!changed) return this.#failed(error, what);
      this.#notBefore = clock.monotonic() + times.retryMs * CONFLICT_SHARE;
      await this.#look().catch(() => {}); // the next write will tell
    } finally {
      this.#taking = false;
    }
  }

  /** Whatever comes of the write: we stand by, and if it did not get through, we find the Lease ours and take it up anew. */
  async #give({ note, done }: Giving): Promise<void> {
    const { clock, times } = this.#options;
    this.#giving = undefined;
    if (this.#tenure === undefined) return done(false);
    this.#lead(false);
    this.#runsOut.stop();
    this.#tenure = undefined;
    this.#led = false;
    this.#notBefore = clock.monotonic() + times.retryMs;
    done(await this.#release(note));
  }

  /** The API server is not there, or refuses. @throws Error when a person must see to it, and nothing is lost by ending. */
  #failed(error: unknown, what: Step['do'] | 'look'): void {
    const { clock, times, random, log, leases } = this.#options;
    if (this.#stopping.signal.aborted) return;
    if (this.#tenure === undefined && error instanceof KubeError && !isRetriable(error)) {
      throw unusable(leases.key, error);
    }
    const wait = times.retryMs * (1 + JITTER * random.next());
    this.#notBefore = clock.monotonic() + wait;
    const fields = { ...told(error), retryInMs: Math.round(wait) };
    const message = what === 'renew' ? 'the lease was not renewed' : 'the lease cannot be read or taken';
    // Once for each outage.
    if (this.#failing) log.debug(fields, message);
    else log.warn(fields, message);
    this.#failing = true;
  }

  #content({ lease, last }: Seen, what: Step['do']): LeaseContent {
    const { identity, times, serverTime, taken } = this.#options;
    const now = serverTime.now();
    const ours = what === 'renew' || this.#tenure !== undefined;
    const before = lease ?? last;
    return {
      holder: identity,
      durationMs: times.durationMs,
      transitions:
        this.#tenure?.transitions ?? (before === undefined ? 0 : before.transitions + (ours ? 0 : 1)),
      acquireTime: (ours ? before?.acquireTime : undefined) ?? now,
      renewTime: now,
      ...(this.#tenure === undefined && taken !== undefined ? { annotations: taken } : {}),
    };
  }

  /** What stands there really: the watch may be behind, or dead without a word. */
  async #look(): Promise<void> {
    this.#see(await this.#options.leases.get({ signal: this.#stopping.signal }), true);
  }

  async #lookFirst(): Promise<void> {
    try {
      await this.#look();
    } catch (error) {
      this.#failed(error, 'look');
      await this.#sleep(this.#notBefore - this.#options.clock.monotonic());
    }
  }

  /** The Lease may have stood still because the API server was away: then its holder could not renew it either. */
  #mayHaveBeenBlind(seen: Seen): boolean {
    const holder = (seen.lease ?? seen.last)?.holder ?? '';
    if (this.#tenure !== undefined || holder === '') return false;
    return this.#failing || (this.#watch.health.state !== 'watching' && seen !== this.#lookedAgain);
  }

  /**
   * The API server is there again, so the holder gets its time again: it may remember what it could not write, and whoever
   * takes the Lease from it throws that away.
   */
  async #lookAgain(before: Seen): Promise<void> {
    try {
      await this.#look();
    } catch (error) {
      return this.#failed(error, 'look');
    }
    const { clock, times } = this.#options;
    this.#failing = false;
    this.#notBefore = clock.monotonic() + times.retryMs;
    if (this.#seen === before) this.#seen = { ...before, since: clock.monotonic() };
    this.#lookedAgain = this.#seen;
  }

  #renewed(tenure: Tenure): void {
    const { clock, log, identity, onRenewed } = this.#options;
    this.#tenure = tenure;
    if (this.#stopping.signal.aborted) return;
    const left = this.#term.endOf(tenure) - clock.monotonic();
    // An answer that took too long: ours, and good for nothing but another try.
    if (left <= 0) {
      this.#notBefore = 0;
      return;
    }
    this.#runsOut.feed(left);
    if (!this.#leading) {
      this.#fence = new AbortController();
      log.info(
        { identity },
        this.#led ? 'the lease is renewed: work goes on' : 'elected: this replica leads',
      );
      this.#lead(true);
    }
    this.#led = true;
    this.#election.resolve();
    onRenewed();
  }

  /** Not renewed in time. Another may lead from now on; or nobody can reach the API server. */
  #suspend(): void {
    if (!this.#leading) return;
    this.#options.log.warn(
      { identity: this.#options.identity },
      'the lease ran out: nothing is sent until it is renewed',
    );
    this.#lead(false);
  }

  #end(holder: string): void {
    this.#ended = true;
    this.#lead(false);
    this.#runsOut.stop();
    this.#options.log.error(
      { leader: holder, identity: this.#options.identity },
      'deposed: another replica held the lease, so this one ends',
    );
    this.#options.onDeposed();
  }

  #lead(leads: boolean): void {
    if (!leads) this.#fence.abort();
    if (this.#leading === leads) return;
    this.#leading = leads;
    this.#options.onLeading(leads);
  }

  /** As client-go does: nobody's, and of a second, so that whoever judges by its duration need not wait either. */
  async #release(annotations?: LeaseContent['annotations']): Promise<boolean> {
    const { leases, identity, serverTime, log } = this.#options;
    const call = { timeoutMs: RELEASE_MS };
    for (let tried = 1; tried <= 2; tried += 1) {
      try {
        // Its version may be newer than we know: the last renewal was cut short.
        const lease = tried === 1 ? this.#seen?.lease : await leases.get(call);
        if (lease?.holder !== identity) return false;
        const now = serverTime.now();
        const content = { holder: '', durationMs: 1000, acquireTime: now, renewTime: now };
        const { transitions } = lease;
        const marks = annotations === undefined ? {} : { annotations };
        const given = await leases.write(lease, { ...content, transitions, ...marks }, call);
        log.info({ identity }, 'the lease is given back');
        this.#see(given, true);
        return true;
      } catch (error) {
        if (!isConflict(error)) {
          log.warn(told(error), 'the lease was not given back: it runs out by itself');
          return false;
        }
      }
    }
    return false;
  }

  /** Ends early when something is seen, or when we stop. */
  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      let timer: Timer | undefined;
      const wake = (): void => {
        timer?.cancel();
        this.#wake = () => {};
        resolve();
      };
      if (Number.isFinite(ms)) timer = this.#options.clock.after(ms, wake);
      this.#wake = wake;
      if (this.#stopping.signal.aborted) wake();
    });
  }
}

function aborted(): AbortController {
  const controller = new AbortController();
  controller.abort();
  return controller;
}

function isLater(version: string, known: Lease | undefined): boolean {
  return known === undefined || newerVersion(version, known.metadata.resourceVersion);
}

function told(error: unknown): LogFields {
  if (error instanceof KubeError) return error.logged;
  return { reason: error instanceof Error ? error.name : 'Unknown' };
}
