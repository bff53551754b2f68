import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seeded } from '../../sandbox/random.ts';
import type { Client } from '../e2e/cluster.ts';
import { type RunningControlPlane, startControlPlane } from './control-plane.ts';
import { clientOf, installCrds } from './install.ts';
import { type Killing, killing, WRITES } from './killing.ts';

/**
 * SIGKILL at every step between a provider's answer and the last write, with a provider that rotates refresh tokens.
 * docs/failure-times.md has the table of what each costs.
 */

let plane: RunningControlPlane;
let client: Client;

beforeAll(async () => {
  plane = await startControlPlane();
  client = clientOf(plane);
  await installCrds(client);
}, 90_000);
afterAll(async () => {
  await client?.close();
  await plane?.stop();
});

const KILLS = 30;

type Write = keyof typeof WRITES;
/** `asked`: the provider has carried it out, and its answer is on its way. */
type Instant = `${'before' | 'after'} ${Write}` | 'asked';

/** Kills the program at that instant, and waits for its end. @param nth write of that kind from now. */
async function killAt({ forwarder, providers, program }: Killing, instant: Instant, nth = 1): Promise<void> {
  const kill = (): 'hang' => {
    program.signal('SIGKILL');
    return 'hang';
  };
  if (instant === 'asked') {
    providers.log.onEntry = () => {
      providers.log.onEntry = undefined;
      kill();
    };
  } else {
    const [when, write] = instant.split(' ') as ['before' | 'after', Write];
    let left = nth;
    forwarder[when] = request => (WRITES[write](request) && --left === 0 ? kill() : undefined);
  }
  const ended = await within(
    60_000,
    program.exited,
    () => `no ${instant} ${nth}; it said: ${program.output}`,
  );
  expect(ended).toEqual({ code: null, signal: 'SIGKILL' });
}

/** Until the provider is asked for the next refresh, so that the writes that follow are its own. */
async function refreshAsked({ providers, program }: Killing, instant: Instant): Promise<void> {
  if (instant === 'asked') return;
  const asked = new Promise<void>(resolve => {
    providers.log.onEntry = ({ step }) => {
      if (step !== 'refresh') return;
      providers.log.onEntry = undefined;
      resolve();
    };
  });
  await within(60_000, asked, () => `no refresh; it said: ${program.output}`);
}

async function within<T>(ms: number, promise: Promise<T>, otherwise: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise())), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Three programs on few cores.
describe.concurrent('killed', { timeout: 400_000 }, () => {
  test('during a first login', async context => {
    const { expect } = context;
    const there = await killing(context, client, plane);
    there.start();
    const cases: readonly [Instant, nth: number, logins: number][] = [
      // the session is made sure of, and the target's write rehearsed: nothing was sent
      ['before session', 1, 1],
      ['after session', 1, 1],
      ['before rehearsal', 1, 1],
      ['after rehearsal', 1, 1],
      // the count of a login that may be refused
      ['before status', 1, 1],
      ['after status', 1, 1],
      // the answer is lost
      ['asked', 1, 2],
      ['before session', 2, 2],
      // the answer is in the session
      ['after session', 2, 1],
      ['before target', 1, 1],
      ['after target', 1, 1],
      ['before status', 2, 1],
      ['after status', 2, 1],
      ['before event', 1, 1],
      ['after event', 1, 1],
    ];
    for (const [index, [instant, nth, logins]] of cases.entries()) {
      const what = `${instant} ${nth}`;
      const dead = killAt(there, instant, nth);
      const made = await there.apply(index);
      await dead;
      there.start();
      await there.untilPublished(made);
      expect.soft(there.asked(made, 'login'), what).toBe(logins);
      expect.soft(there.asked(made, 'refresh'), what).toBe(0);
      expect.soft(await there.keepsLiveRefreshToken(made), what).toBe(true);
      await there.remove(made);
    }
  });

  test('during a refresh that rotates the refresh token', async context => {
    const { expect } = context;
    const there = await killing(context, client, plane);
    there.start();
    const made = await there.apply(1);
    await there.untilPublished(made);
    const cases: readonly [Instant, logins: number][] = [
      ['asked', 1],
      ['before session', 1],
      ['after session', 0],
      ['before target', 0],
      ['after target', 0],
      ['before status', 0],
      ['after status', 0],
    ];
    for (const [instant, logins] of cases) {
      const count = () => ({
        logins: there.asked(made, 'login'),
        granted: there.asked(made, 'refresh', 'granted'),
        refused: there.refused(),
        lost: there.lost(made),
      });
      const before = count();
      await refreshAsked(there, instant);
      await killAt(there, instant);
      there.start();
      await there.untilPublished(made);
      expect.soft(count(), instant).toEqual({
        logins: before.logins + logins,
        granted: before.granted + 1,
        // the token that it has was rotated away: that is how it learns of it, once
        refused: before.refused + logins,
        lost: before.lost + logins,
      });
      expect.soft(await there.keepsLiveRefreshToken(made), instant).toBe(true);
    }
  });

  test('at thirty random instants: each answer that was not saved costs one login at most, and nothing else does', async context => {
    const { expect } = context;
    const there = await killing(context, client, plane);
    const random = seeded('kills');
    there.start();
    const all = await Promise.all([1, 2, 3].map(index => there.apply(index)));
    for (const made of all) await there.untilPublished(made);
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { program } = there;
      // In turn while it starts and finds out, and once a refresh was answered.
      const answered = kill % 2 === 0;
      const after = random.next() < 0.5;
      let armed = !answered;
      let left = 1 + Math.floor(random.next() * (answered ? 6 : 18));
      const die = (): 'hang' | undefined => {
        if (!armed || --left > 0) return undefined;
        program.signal('SIGKILL');
        return 'hang';
      };
      const counts = (method: string): boolean => !answered || method !== 'GET';
      there.forwarder.before = ({ method }) => (!after && counts(method) ? die() : undefined);
      there.forwarder.after = ({ method }) => (after && counts(method) ? die() : undefined);
      there.providers.log.onEntry = ({ step, outcome }) => {
        armed ||= step === 'refresh' && outcome === 'granted';
        die();
      };
      // Once all is quiet there are few calls.
      const late = setTimeout(() => program.signal('SIGKILL'), 10_000);
      expect((await program.exited).signal).toBe('SIGKILL');
      clearTimeout(late);
      there.providers.log.onEntry = undefined;
      there.start();
    }
    for (const made of all) {
      // A killed login stays counted, and the next one waits a minute or more: who asks for it need not.
      await there.untilPublished(made, 15_000).catch(() => there.requestRefresh(made));
      await there.untilPublished(made);
      const lost = there.lost(made);
      const logins = there.asked(made, 'login');
      expect.soft(logins, `${made.name}: logins`).toBeLessThanOrEqual(1 + lost);
      expect.soft(await there.keepsLiveRefreshToken(made)).toBe(true);
    }
    const lost = all.reduce((sum, made) => sum + there.lost(made), 0);
    // A dead one is sent again after each kill that comes before the login which replaces it.
    expect.soft(there.refused(), 'refresh tokens sent again').toBeLessThanOrEqual(lost + KILLS);
    // The kills met something: some answers were lost, and more were not.
    expect.soft(lost).toBeGreaterThan(0);
    expect.soft(there.providers.log.count({ step: 'refresh', outcome: 'granted' })).toBeGreaterThan(lost);
  });
});
