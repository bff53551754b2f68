import { expect, test } from 'vitest';
import { seeded } from '../../sandbox/random.ts';
import type { Run } from '../../sandbox/world.ts';
import { ROUND, Sharded } from './sharded.ts';

/** Four replicas of which any may be killed, paused, cut off, stopped or added at any time, and Leases deleted. */

const SPELLS = 8;
/** Seconds after which a pod that ended is started again. */
const RESTART = 5;

class Chaos {
  /** Tokens of two minutes: renewed every 25 s. */
  readonly t: Sharded;
  readonly #random: ReturnType<typeof seeded>;
  readonly #pods: Run[] = [];

  constructor(seed: string, shards: number) {
    this.t = new Sharded({ shards, expiresIn: 120, credentials: 6, sharding: seed === 'two' });
    this.#random = seeded(`${process.env.SEED ?? ''}${seed}`);
    this.t.answer = asked => {
      const given = this.t.strictly(asked);
      const ms = this.#random.next() * 3000;
      return new Promise(resolve => this.t.world.clock.after(ms, () => resolve(given)));
    };
  }

  async begin(): Promise<void> {
    this.#pods.push(...(await this.t.replicas(4)));
    await this.t.pass(20);
  }

  async spell(): Promise<void> {
    const { t } = this;
    const index = this.#any(this.#pods.length);
    const run = this.#pods[index];
    if (run === undefined) return;
    const seconds = this.#random.next() * 60;
    switch (this.#any(7)) {
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
      case 5:
        // one replica fewer, or one more, than before
        if (this.#pods.length > 3) {
          void run.stop();
          await t.pass(30);
          run.crash();
          this.#pods.splice(index, 1);
        } else this.#pods.push(await t.replica());
        break;
      default: {
        const name = this.#any(5) === 0 ? 'tokensync' : t.leaseName(this.#any(t.shards));
        if (t.world.api.get('leases', name, 'tokensync') !== undefined)
          t.world.api.delete('leases', name, 'tokensync');
      }
    }
    await t.pass(this.#random.next() * 60);
    await this.#restart();
  }

  async #restart(): Promise<void> {
    for (const [at, pod] of this.#pods.entries()) {
      if (pod.exitCode === undefined) continue;
      this.#pods[at] = await this.t.replica();
    }
  }

  /** Nothing befalls them any more. */
  async calm(): Promise<void> {
    for (let waited = 0; waited < 90 && !this.fair; waited += 2) {
      await this.t.pass(2);
      await this.#restart();
    }
  }

  get fair(): boolean {
    return this.t.isFair(this.#pods);
  }

  #any(count: number): number {
    return Math.floor(this.#random.next() * count);
  }
}

test.each([
  ['one', 4],
  ['two', 5],
])(
  'whatever happens to them, only a shard’s holder sends, and tokens go on: %s',
  { timeout: 120_000 },
  async (seed, shards) => {
    const chaos = new Chaos(seed, shards);
    await chaos.begin();
    const { t } = chaos;
    for (let spell = 0; spell < SPELLS; spell += 1) await chaos.spell();
    await chaos.calm();
    await t.pass(ROUND);
    expect(t.trespasses).toEqual([]);
    expect([t.live, chaos.fair]).toEqual([true, true]);
    // an answer is lost only with its replica: most lose none
    expect(t.logins).toBeLessThan(t.refreshes / 10);
    for (const name of t.names) expect(t.status(name).login?.refusedAt ?? []).toEqual([]);
  },
);
