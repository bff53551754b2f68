import type { Composition } from '../../src/compose.ts';
import { SESSION_SUFFIX } from '../../src/api/names.ts';
import { isObject } from '../apiserver/json.ts';
import type { Change } from '../apiserver/store.ts';
import type { LogEntry } from '../providers/log.ts';
import { seeded } from '../random.ts';
import { createWorld, type Run, type World } from '../world.ts';
import { Calm } from './calm.ts';
import { bringsSecret, holdsSecret } from './canary.ts';
import { between, DAY, HOUR, MINUTE } from './chance.ts';
import { Judge, type Violation } from './judge.ts';
import { populate } from './population.ts';
import { Subject } from './subject.ts';
import { Users } from './users.ts';
import { Weather } from './weather.ts';

export interface SimulationOptions {
  readonly seed: number | string;
  readonly days: number;
  readonly credentials?: number;
  /** Called each simulated hour. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  /** Days since the start. */
  readonly day: number;
  /** Requests that reached providers and the API server. */
  readonly requests: number;
  readonly violations: readonly Violation[];
}

export interface Report extends Progress {
  readonly seed: number | string;
  readonly credentials: number;
  readonly grants: number;
  readonly refused: number;
  readonly restarts: number;
  /** What went wrong around the operator and what people did, with how often. */
  readonly events: ReadonlyMap<string, number>;
}

const REFRESH_MS = DAY;
/** The share of events that overtake the answer to what made them; most come after it, as on a real server. */
const EVENTS_FIRST = 0.1;
const WEEK = 7 * DAY;
/** What a line of the log says where something failed that must not: an error's stack, or that level. */
const DEFECT = /"at":"at |"level":"error"/;
/** After these many broken promises the rest tells nothing new. */
const ENOUGH = 200;

/**
 * Runs the operator, as it ships, for simulated days on a virtual clock: against providers and an API server that fail as
 * the seed tells, people who change things, restarts and crashes. Observers of their own hold what comes of it against
 * what is promised (judge.ts).
 */
export async function simulate(options: SimulationOptions): Promise<Report> {
  const simulation = new Simulation(options);
  return simulation.run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #world: World;
  readonly #weather: Weather;
  readonly #users: Users;
  readonly #judge: Judge;
  readonly #operator: Calm;
  readonly #subjects: readonly Subject[];
  readonly #byKey: ReadonlyMap<string, Subject>;
  readonly #byAccount: ReadonlyMap<string, Subject>;
  #process: Run | undefined;
  #runs = 0;

  constructor(options: SimulationOptions) {
    const { seed, credentials = 50 } = options;
    this.#options = options;
    const skew = seeded(`${seed}/skew`);
    const events = seeded(`${seed}/events`);
    const world = createWorld({
      seed,
      eventsFirst: () => events.next() < EVENTS_FIRST,
      operatorSkewMs: Math.round((skew.next() - 0.5) * HOUR),
      providers: { admintotal: { accessMs: HOUR, refreshMs: REFRESH_MS, rotate: true } },
    });
    this.#world = world;
    const now = (): number => world.clock.wall();
    const sweep = (): void => this.#sweep();
    this.#operator = new Calm(now, sweep);
    this.#weather = new Weather({
      clock: world.clock,
      random: seeded(`${seed}/weather`),
      api: world.api,
      providers: world.providers,
      beforeTrouble: sweep,
    });
    this.#subjects = populate(world, credentials).map(member => {
      const provider = world.providers.all.find(({ name }) => member.fixture.flow.startsWith(`${name}/`));
      if (provider === undefined) throw new Error(`no provider for ${member.fixture.flow}`);
      return new Subject(member, provider, now, sweep);
    });
    this.#byKey = new Map(this.#subjects.map(subject => [subject.key, subject]));
    this.#byAccount = new Map(this.#subjects.map(subject => [`${subject.flow} ${subject.account}`, subject]));
    this.#users = new Users({
      clock: world.clock,
      random: seeded(`${seed}/users`),
      api: world.api,
      weather: this.#weather,
      subjects: this.#subjects,
    });
    this.#judge = new Judge(now, this.#weather, this.#operator);
  }

  async run(): Promise<Report> {
    const { api, providers } = this.#world;
    api.listen(change => this.#changed(change));
    providers.log.onEntry = entry => this.#asked(entry);
    this.#operator.begin();
    this.#users.begin();
    this.#start();
    this.#every(MINUTE, () => this.#sweep());
    this.#every(10 * MINUTE, () => this.#users.lookAfter());
    this.#every(HOUR, () => this.#process?.operator.rest());
    this.#every(6 * HOUR, () => void this.#scrape());
    this.#planRestarts();
    await this.#pass(this.#options.days * DAY);
    this.#weather.end();
    this.#users.end();
    await this.#pass(2 * HOUR);
    await this.#still();
    this.#process?.crash();
    return this.#report();
  }

  async #pass(ms: number): Promise<void> {
    const { clock } = this.#world;
    const end = clock.monotonic() + ms;
    while (clock.monotonic() < end && this.#judge.violations.length < ENOUGH) {
      await clock.runUntil(Math.min(end, clock.monotonic() + HOUR));
      this.#options.onProgress?.(this.#progress());
    }
  }

  #every(ms: number, act: () => void): void {
    this.#world.clock.after(ms, () => {
      act();
      this.#every(ms, act);
    });
  }

  // ---- the operator

  #start(): void {
    this.#runs++;
    const process = this.#world.start();
    this.#process = process;
    process.started.then(
      () => this.#operator.end(),
      () => this.#judge.broken('operator starts', '', 'it gave up'),
    );
  }

  /** Each week one restart in good order and one by a power cut, for up to twenty minutes. */
  #planRestarts(): void {
    const { days, seed } = this.#options;
    const random = seeded(`${seed}/restarts`);
    for (let from = 0; from < days * DAY; from += WEEK) {
      const length = Math.min(WEEK, days * DAY - from);
      const [first, second] = random.next() < 0.5 ? ['stop', 'crash'] : ['crash', 'stop'];
      for (const [index, how] of [first, second].entries()) {
        const at = from + length * (index + 0.1 + 0.8 * random.next()) * 0.5;
        const away = between(random, 100, 20 * MINUTE);
        this.#world.clock.after(at, () => void this.#restart(how === 'stop', away));
      }
    }
  }

  async #restart(graceful: boolean, awayMs: number): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#operator.begin();
    if (graceful) await process.stop();
    process.crash();
    this.#world.clock.after(awayMs, () => this.#start());
  }

  async #scrape(): Promise<void> {
    const process: Composition | undefined = this.#process;
    if (process === undefined) return;
    if (holdsSecret(await process.scrape())) this.#judge.broken('no secret shown', '', 'in the metrics');
  }

  // ---- what is seen

  #changed({ type, table, version, previous, key }: Change): void {
    const object = type === 'DELETED' ? undefined : version.object;
    if (table === '/secrets') {
      const { ownerReferences, name, namespace } = version.object.metadata;
      const subject = this.#ownerOf(namespace ?? '', name, ownerReferences?.[0]?.name);
      if (subject === undefined) return;
      if (name.endsWith(SESSION_SUFFIX)) subject.sessionChanged(object);
      else if (name === subject.target) {
        this.#judge.tokenLives(subject);
        subject.targetChanged(object, object !== undefined && !this.#users.acting, this.#now());
      }
      return;
    }
    if (bringsSecret(version.object, previous?.object))
      this.#judge.broken('no secret shown', key, `in ${table}`);
    const status = table.endsWith('/providercredentials') ? object?.status : undefined;
    const subject = isObject(status) ? this.#byKey.get(key) : undefined;
    if (subject === undefined || !isObject(status)) return;
    subject.statusChanged(status);
    if (!this.#users.acting) this.#judge.statusIsTrue(subject, true);
  }

  #ownerOf(namespace: string, name: string, owner: string | undefined): Subject | undefined {
    if (owner !== undefined) return this.#byKey.get(`${namespace}/${owner}`);
    return this.#subjects.find(
      subject => subject.target === name && subject.member.fixture.namespace === namespace,
    );
  }

  #asked(entry: LogEntry): void {
    const subject = this.#byAccount.get(`${entry.provider}/${entry.flow} ${entry.account}`);
    if (subject === undefined) return;
    const judge = this.#judge;
    if (entry.outcome === 'granted' || entry.outcome === 'cached') {
      judge.askedWithNeed(subject, entry, this.#runs);
      if (subject.flow === 'admintotal/jwt') judge.refreshTokenKept(subject, entry, REFRESH_MS);
    }
    const doubtful = this.#weather.provider(subject.provider).since === Number.POSITIVE_INFINITY;
    const rejecting = this.#weather.rejecting.has(subject.provider);
    subject.asked(entry, this.#runs, doubtful && !rejecting);
    judge.refusalsAreBounded(subject);
  }

  #sweep(): void {
    const { admintotal } = this.#world.providers;
    for (const subject of this.#subjects) {
      this.#judge.tokenLives(subject);
      this.#judge.statusIsTrue(subject, false);
      if (subject.flow === 'admintotal/jwt')
        this.#judge.sessionLives(subject, token => admintotal.isLiveRefreshToken(token), REFRESH_MS);
    }
    for (const line of this.#world.logs.splice(0)) {
      if (holdsSecret(line)) this.#judge.broken('no secret shown', '', 'in the log');
      if (DEFECT.test(line)) this.#judge.broken('no defect', '', line.trimEnd().slice(0, 600));
    }
  }

  // ---- the end

  /** All troubles are over: every good credential is Ready, and in an hour nothing is asked or written but for renewals. */
  async #still(): Promise<void> {
    const now = this.#now();
    let bad = 0;
    for (const subject of this.#subjects) {
      const good = subject.calm.since < now - HOUR && subject.refusalsSince(now - DAY) < 3;
      if (!good) bad++;
      else if (!(subject.ready && subject.isLive(now)))
        this.#judge.broken('still at last', subject.key, 'not Ready');
    }
    const before = this.#tally();
    await this.#pass(HOUR);
    const after = this.#tally();
    const more = (what: string): number => (after.get(what) ?? 0) - (before.get(what) ?? 0);
    const grants = more('grants');
    const sessions = more('refreshes');
    const expected = new Map([
      ['patch secrets 200', grants + sessions],
      // the others' tokens may expire, or a day's refusals pass
      ['patch providercredentials/status 200', grants + 3 * bad],
      ['create events 201', 3 * bad],
    ]);
    for (const what of after.keys()) {
      if (what === 'grants' || what === 'refreshes' || what.startsWith('watch ')) continue;
      const most = expected.get(what) ?? 0;
      if (more(what) > most)
        this.#judge.broken('still at last', '', `${more(what)} times "${what}", and ${grants} grants`);
    }
  }

  #tally(): Map<string, number> {
    const { api, providers } = this.#world;
    const tally = new Map(api.requests.totals);
    tally.set(
      'grants',
      providers.log.count({ outcome: 'granted' }) + providers.log.count({ outcome: 'cached' }),
    );
    tally.set('refreshes', providers.log.count({ flow: 'jwt', outcome: 'granted' }));
    return tally;
  }

  #now(): number {
    return this.#world.clock.wall();
  }

  #progress(): Progress {
    let requests = this.#world.providers.log.count();
    for (const count of this.#world.api.requests.totals.values()) requests += count;
    return {
      day: this.#world.clock.monotonic() / DAY,
      requests,
      violations: this.#judge.violations,
    };
  }

  #report(): Report {
    const { log } = this.#world.providers;
    return {
      ...this.#progress(),
      seed: this.#options.seed,
      credentials: this.#subjects.length,
      grants: log.count({ outcome: 'granted' }) + log.count({ outcome: 'cached' }),
      refused: log.count({ outcome: 'refused' }),
      restarts: this.#runs - 1,
      events: new Map([...this.#weather.counts, ...this.#users.counts]),
    };
  }
}
