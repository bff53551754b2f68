import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { Child, pathOf } from '../lib/child.ts';
import { prepareFloor } from '../lib/floor.ts';
import { Operator } from '../lib/operator.ts';
import type { Place } from '../lib/place.ts';
import { arrived, defineProvider, type Flow, nameOf, populate } from '../lib/population.ts';
import { bytesOf, cpuOf, residentOf } from '../lib/proc.ts';

/** Totals of one turn. */
export interface Turn {
  readonly refreshes: number;
  /** Of the process, ms. */
  readonly cpu: number;
  /** Of API server and etcd, above what they use when nobody asks; ms. */
  readonly apiCpu: number;
  /** To the API server and to the provider. */
  readonly requests: number;
  /** Over all sockets, both ways. */
  readonly bytes: number;
  /** Bytes on V8's heap. */
  readonly allocated: number;
  /** From the first to the last token granted, ms. */
  readonly wall: number;
}

interface Options {
  readonly place: Place;
  readonly flow: Flow;
  /** The operator's. */
  readonly script: string;
  readonly count: number;
  /** Rounds that are not counted: code becomes quick when it has run for a while. */
  readonly warmUp: number;
  readonly rounds: number;
  readonly say: (text: string) => void;
}

export interface Outcome {
  readonly ours: readonly Turn[];
  readonly floor: readonly Turn[];
  /** Bytes, at the end. */
  readonly resident: { readonly ours: number; readonly floor: number };
}

/** The operator's default. */
const CONCURRENCY = 32;
/** Of 40 s: due after 8 s, which is hardly more than the least distance of two grants. */
const SCHEDULE = { before: '80%' };
/** By then each credential may be renewed again: the least distance of two grants, and what clocks may be off. */
const DUE_MS = 8500;
/** Before the floor's turn too, since the operator waits for its own: after a pause all caches are cold, the API server's as well. */
const PAUSE_MS = 3500;
/** For what follows the last grant, its writes and their echo in the watch: quiet is whoever used less than so much CPU of so much time. */
const QUIET = { cpuMs: 5, ofMs: 250, tries: 16 };
/** Under way when it is stopped, at most: each key once, and its writes. */
const IN_FLIGHT = 2 * CONCURRENCY;
const TURN_MS = 120_000;
const IDLE_MS = 4000;

/**
 * Operator and floor take turns at the same API server and provider, each with as many credentials, all due, and as many at once.
 * While it is not its turn the operator is stopped by a signal, so that its tokens fall due.
 */
export class Contest {
  readonly #options: Options;
  readonly #operator: Operator;
  readonly #floor = new Child(pathOf('floor.ts'), { node: ['--import', pathOf('probe.ts')] });
  /** Of API server and etcd when nobody asks: ms of CPU in a ms. */
  #idle = 0;
  #stoppedAt = 0;

  static async hold(options: Options): Promise<Outcome> {
    const { place, flow, count } = options;
    const { ours } = lanes(flow);
    for (const lane of Object.values(lanes(flow))) {
      await defineProvider(place, lane, flow, CONCURRENCY);
      await populate(place, { namespace: lane, provider: lane, count, schedule: SCHEDULE });
    }
    const contest = new Contest(
      options,
      new Operator(place, options.script, {
        // What is stopped by a signal loses its lease.
        flags: [`--watch-namespaces=${ours}`, '--propagation-margin=5s', '--leader-elect=false'],
      }),
    );
    try {
      return await contest.#hold();
    } catch (error) {
      const said = await contest.#operator.said();
      throw new Error(`${error instanceof Error ? error.message : String(error)}\nThe operator: ${said}`);
    } finally {
      contest.#operator.child.signal('SIGCONT');
      await Promise.all([contest.#operator.stop(), contest.#floor.stop()]);
      for (const lane of Object.values(lanes(flow))) await clear(place, lane, count);
    }
  }

  private constructor(options: Options, operator: Operator) {
    this.#options = options;
    this.#operator = operator;
  }

  async #hold(): Promise<Outcome> {
    const { warmUp, rounds, place, say } = this.#options;
    const short = rounds === 1;
    await this.#first();
    const before = { at: performance.now(), cpu: await place.apiCpu() };
    await delay(short ? IDLE_MS / 4 : IDLE_MS);
    this.#idle = ((await place.apiCpu()) - before.cpu) / (performance.now() - before.at);
    const ours: Turn[] = [];
    const floor: Turn[] = [];
    for (let round = 1 - warmUp; round <= rounds; round++) {
      if (!short) await delay(PAUSE_MS);
      const turns = { floor: await this.#floorsTurn(), ours: await this.#operatorsTurn() };
      const each = (turn: Turn): string =>
        `${(turn.cpu / turn.refreshes).toFixed(2)} ms, API ${(turn.apiCpu / turn.refreshes).toFixed(2)}`;
      say(
        `  ${round > 0 ? `round ${round}` : 'warm-up'}: ours ${each(turns.ours)}; floor ${each(turns.floor)}`,
      );
      if (round < 1) continue;
      ours.push(turns.ours);
      floor.push(turns.floor);
    }
    const resident = async (pid: number): Promise<number> => (await residentOf(pid)).total;
    return {
      ours,
      floor,
      resident: { ours: await resident(this.#operator.child.pid), floor: await resident(this.#floor.pid) },
    };
  }

  /** First tokens of ours; the floor then writes what the operator wrote. */
  async #first(): Promise<void> {
    const { place, flow, count } = this.#options;
    const { ours, floor } = lanes(flow);
    await this.#granted(count);
    await quiet(this.#operator.child.pid);
    this.#pause();
    await prepareFloor(this.#floor, place, {
      like: ours,
      lane: floor,
      flow,
      count,
      concurrency: CONCURRENCY,
    });
  }

  async #floorsTurn(): Promise<Turn> {
    const { place, count } = this.#options;
    const child = this.#floor;
    const before = {
      cpu: await cpuOf(child.pid),
      bytes: await bytesOf(child.pid),
      api: await this.#apiMark(),
    };
    await child.ask(z.number(), 'allocated');
    const began = performance.now();
    const { done, requests } = await child.ask(z.object({ done: z.number(), requests: z.number() }), 'run');
    const wall = performance.now() - began;
    await quiet(child.pid);
    const turn = {
      refreshes: done,
      cpu: (await cpuOf(child.pid)) - before.cpu,
      apiCpu: await this.#apiSince(before.api),
      requests,
      bytes: (await bytesOf(child.pid)) - before.bytes,
      allocated: await child.ask(z.number(), 'allocated'),
      wall,
    };
    const { told } = await arrived(place, lanes(this.#options.flow).floor);
    if (done !== count || told !== count)
      throw new Error(`the floor refreshed ${Math.min(done, told)} of ${count}`);
    return turn;
  }

  async #operatorsTurn(): Promise<Turn> {
    const { place, count, flow } = this.#options;
    const { child } = this.#operator;
    const lane = lanes(flow).ours;
    await delay(Math.max(0, this.#stoppedAt + DUE_MS - performance.now()));
    const before = {
      cpu: await cpuOf(child.pid),
      bytes: await bytesOf(child.pid),
      logged: this.#operator.logged,
      granted: await place.provider.granted(lane),
      requests: this.#requests,
      api: await this.#apiMark(),
    };
    const began = performance.now();
    child.signal('SIGCONT');
    await this.#granted(before.granted + count);
    const wall = performance.now() - began;
    await quiet(child.pid);
    const refreshes = (await place.provider.granted(lane)) - before.granted;
    const turn = {
      refreshes,
      cpu: (await cpuOf(child.pid)) - before.cpu,
      apiCpu: await this.#apiSince(before.api),
      bytes: (await bytesOf(child.pid)) - before.bytes - (this.#operator.logged - before.logged),
      allocated: await child.ask(z.number(), 'allocated'),
      wall,
    };
    this.#requests = await this.#operator.apiRequests();
    await child.ask(z.number(), 'allocated');
    this.#pause();
    const { grants, told } = await arrived(place, lane);
    const total = await place.provider.granted(lane);
    // Some may have been under way when it was stopped; what was granted before has arrived.
    const open = Math.min(IN_FLIGHT, count / 4);
    if (total - grants > open || told < count - open)
      throw new Error(
        `of ${total} tokens ${grants} came into their Secrets; ${told} of ${count} statuses tell of theirs`,
      );
    return { ...turn, requests: this.#requests - before.requests + refreshes };
  }
  #requests = 0;

  #pause(): void {
    this.#operator.child.signal('SIGSTOP');
    this.#stoppedAt = performance.now();
  }

  async #granted(wanted: number): Promise<void> {
    const { place, flow } = this.#options;
    const late = AbortSignal.timeout(TURN_MS);
    for (;;) {
      const granted = await place.provider.granted(lanes(flow).ours);
      if (granted >= wanted) return;
      if (late.aborted)
        throw new Error(`${granted} tokens were granted, of ${wanted}, within ${TURN_MS / 1000} s`);
      if (!this.#operator.child.running) throw new Error('the operator has ended');
      await delay(20);
    }
  }

  async #apiMark(): Promise<{ at: number; cpu: number }> {
    return { at: performance.now(), cpu: await this.#options.place.apiCpu() };
  }

  async #apiSince(mark: { at: number; cpu: number }): Promise<number> {
    const now = await this.#apiMark();
    return now.cpu - mark.cpu - this.#idle * (now.at - mark.at);
  }
}

async function quiet(pid: number): Promise<void> {
  let last = await cpuOf(pid);
  for (let tried = 0; tried < QUIET.tries; tried++) {
    await delay(QUIET.ofMs);
    const now = await cpuOf(pid);
    if (now - last < QUIET.cpuMs) return;
    last = now;
  }
}

function lanes(flow: Flow): { ours: string; floor: string } {
  return { ours: `${flow}-ours`, floor: `${flow}-floor` };
}

/** So that the next contest's lists hold its own alone. */
async function clear(place: Place, lane: string, count: number): Promise<void> {
  const path = `/apis/tokensync.dev/v1alpha1/namespaces/${lane}/providercredentials`;
  for (let index = 0; index < count; index++) await place.client.send('DELETE', `${path}/${nameOf(index)}`);
}
