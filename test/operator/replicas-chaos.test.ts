import { expect, test } from 'vitest';
import { seeded } from '../../sandbox/random.ts';
import type { Run } from '../../sandbox/world.ts';
import { Replicas } from './replicas.ts';

/** Three replicas of which anyone may be killed, paused or cut off at any time, and the Lease deleted. */

const SPELLS = 40;
/** Seconds after which a pod that ended is started again. */
const RESTART = 5;

class Chaos {
  /** Tokens of two minutes: renewed every 25 s, so that one is due in every spell. */
  readonly t = new Replicas({ expiresIn: 120 });
  readonly #random: ReturnType<typeof seeded>;
  readonly #pods: Run[] = [];

  constructor(seed: string) {
    this.#random = seeded(seed);
    this.t.answer = asked => {
      const given = this.t.strictly(asked);
      const ms = this.#random.next() * 3000;
      return new Promise(resolve => this.t.world.clock.after(ms, () => resolve(given)));
    };
  }

  async begin(): Promise<void> {
    for (const name of ['a', 'b', 'c']) this.t.apply(name, {}, { flow: 'session' });
    for (let pod = 0; pod < 3; pod += 1) this.#pods.push(await this.t.replica());
    await this.t.pass(20);
  }

  async spell(): Promise<void> {
    const { t } = this;
    // as often as not the leader
    const leader = this.#pods.findIndex(pod => t.nameOf(pod) === t.holder);
    const any = Math.floor(this.#random.next() * this.#pods.length);
    const index = this.#random.next() < 0.5 && leader >= 0 ? leader : any;
    const run = this.#pods[index];
    if (run === undefined) return;
    const seconds = this.#random.next() * 60;
    switch (Math.floor(this.#random.next() * 6)) {
      case 0:
        run.crash();
        await t.pass(RESTART);
        this.#pods[index] = await t.replica();
        break;
      case 1:
        run.pause();
        await t.pass(seconds);
        await run.resume();
        break;
      case 2:
      case 3:
        run.cut(seconds < 30 ? 'hang' : 'refuse');
        await t.pass(seconds);
        run.mend();
        break;
      case 4:
        void run.stop();
        await t.pass(30 + RESTART);
        run.crash();
        this.#pods[index] = await t.replica();
        break;
      default:
        if (t.holder !== '') t.world.api.delete('leases', 'tokensync', 'tokensync');
    }
    await t.pass(this.#random.next() * 90);
    for (const [at, pod] of this.#pods.entries()) {
      if (pod.exitCode === undefined) continue;
      this.#pods[at] = await t.replica();
    }
  }

  get sound(): boolean {
    return ['a', 'b', 'c'].every(name => this.t.condition(name, 'Ready')?.status === 'True');
  }
}

test.each(['one', 'two', 'three'])(
  'whatever happens to them, only the holder sends, and tokens go on: %s',
  { timeout: 120_000 },
  async seed => {
    const chaos = new Chaos(seed);
    await chaos.begin();
    const { t } = chaos;
    for (let spell = 0; spell < SPELLS; spell += 1) await chaos.spell();
    await t.pass(300);
    expect(t.trespasses).toEqual([]);
    expect(chaos.sound).toBe(true);
    // at most one answer of each credential is lost with a leader; most lose none
    const leaders = t.world.runs.filter(run => run.sent > 0).length;
    expect(t.logins).toBeLessThanOrEqual(3 * leaders);
    expect(t.logins).toBeLessThan(t.refreshes / 4);
    for (const name of ['a', 'b', 'c']) expect(t.status(name).login?.refusedAt ?? []).toEqual([]);
  },
);
