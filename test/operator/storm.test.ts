import { describe, expect, test } from 'vitest';
import type { Fixture } from '../../sandbox/fixtures.ts';
import {
  addCredential,
  editProvider,
  isReady,
  MINUTE,
  type Scene,
  SECOND,
  scene,
  statusOf,
} from './scene.ts';

const OUTAGE = 10 * MINUTE;
/** Renewed after two fifths of it at most: after ten minutes all are due, and all live. */
const LIFETIME_S = 1500;
const SCHEDULE = { before: '60%' };
const COUNT = 30;
const NEW = 5;
const PER_MINUTE = 60;
const CONCURRENCY = 4;
/** All of them at the limit's rate. */
const IDEAL_MS = ((COUNT + NEW) * MINUTE) / PER_MINUTE;

/** Many credentials of one origin that has limits, all of them served. */
async function fleet(): Promise<{ it: Scene; all: Fixture[] }> {
  const it = await scene({
    flow: 'sendfact/token',
    // Of those that are due, some are near their end by this.
    flags: ['--leader-elect', '--propagation-margin=10m'],
    spec: { schedule: SCHEDULE },
    world: { providers: { sendfact: { expiresIn: LIFETIME_S } } },
    before: world =>
      editProvider(world, 'sendfact', {
        spec: { limits: { concurrency: CONCURRENCY, requestsPerMinute: PER_MINUTE } },
      }),
  });
  const others = Array.from({ length: COUNT - 1 }, (_, index) =>
    addCredential(it.world, 'sendfact/token', index + 2, { spec: { schedule: SCHEDULE } }),
  );
  const all = [it.fixture, ...others];
  await it.until(() => all.every(one => isReady(it.world, one)), 2 * MINUTE);
  // Their ends lie apart.
  await it.advance(15 * MINUTE);
  return { it, all };
}

/** Waits until everyone has a token that was brought since a time. @returns what providers were asked meanwhile, and ms. */
async function recovery(
  it: Scene,
  all: readonly Fixture[],
  since: number,
): Promise<{ asked: Scene['asked']; tookMs: number }> {
  const [from, back] = [it.asked.length, it.now];
  const isNew = (one: Fixture): boolean =>
    Date.parse(statusOf(it.world, one)?.token?.issuedAt ?? '1970-01-01T00:00:00Z') >= since - SECOND;
  const well = await it.until(() => all.every(isNew), 10 * MINUTE);
  expect(well, 'not all recovered').toBe(true);
  return { asked: it.asked.slice(from), tookMs: it.now - back };
}

function limitsHold(asked: Scene['asked']): void {
  for (const [index, { at }] of asked.entries())
    expect(at - (asked[index - PER_MINUTE]?.at ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(MINUTE);
}

const userOf = (account: string): number => Number(/\d+/.exec(account)?.[0]);

/** First tokens and renewals take turns, first tokens in any order, renewals by their ends. */
function inOrder(asked: Scene['asked'], ends: ReadonlyMap<number, number>): void {
  const users = asked.map(({ account }) => userOf(account));
  const fresh = users.flatMap((user, place) => (ends.has(user) ? [] : [place]));
  expect(fresh).toHaveLength(NEW);
  expect(fresh.at(-1)).toBeLessThan(2 * NEW + 8);
  const renewed = users.flatMap(user => ends.get(user) ?? []);
  const sorted = renewed.toSorted((a, b) => a - b);
  // Those under way side by side may change places.
  for (const [place, end] of renewed.entries())
    expect(end).toBeGreaterThanOrEqual(sorted[Math.max(0, place - CONCURRENCY)] ?? 0);
}

describe('ten minutes without', () => {
  test.each<[string, (it: Scene) => unknown, (it: Scene) => unknown, number]>([
    ['the API server', it => it.run.cut('refuse'), it => it.run.mend(), IDEAL_MS + 5 * SECOND],
    ['an answer of the API server', it => it.run.cut('hang'), it => it.run.mend(), IDEAL_MS + 15 * SECOND],
    ['the process', it => it.run.pause(), it => it.run.resume(), IDEAL_MS + 5 * SECOND],
    [
      'the provider',
      it => Object.assign(it.world.providers.sendfact.behaviour, { down: 'refuse' }),
      it => Object.assign(it.world.providers.sendfact.behaviour, { down: undefined }),
      // Its circuit is probed every five minutes by then.
      IDEAL_MS + 300 * SECOND,
    ],
  ])('%s: first tokens first, then the soonest to end, within limits', async (_what, begin, end, mostMs) => {
    const { it, all } = await fleet();
    const since = it.now;
    begin(it);
    await it.advance(OUTAGE);
    const ends = new Map(
      all.map(one => [userOf(one.name), Date.parse(statusOf(it.world, one)?.token?.expiresAt ?? '')]),
    );
    const fresh = Array.from({ length: NEW }, (_, index) =>
      addCredential(it.world, 'sendfact/token', 1000 + index),
    );
    await end(it);
    const { asked, tookMs } = await recovery(it, [...all, ...fresh], since);
    expect(tookMs).toBeLessThan(mostMs);
    limitsHold(asked);
    inOrder(asked, ends);
  });
});

describe('a first token that could not be written', () => {
  test.each([
    ['is written when the API server is there again', 120, 100, 35, 1],
    ['and expired meanwhile is no repair: another comes at once', 30, 40, 10, 2],
    ['nor after ten minutes of trying', 120, 600, 35, 2],
  ])('%s', async (_what, lifetime, outage, soon, logins) => {
    const it = await scene({
      flow: 'sendfact/token',
      flags: ['--leader-elect'],
      world: { providers: { sendfact: { expiresIn: lifetime } } },
      start: false,
    });
    it.world.providers.sendfact.behaviour.latencyMs = SECOND;
    await it.start();
    await it.until(() => it.logins === 1);
    it.run.cut('refuse');
    await it.advance(outage * SECOND);
    expect(it.secret()).toBeUndefined();
    it.run.mend();
    expect(await it.until(() => it.waits(), soon * SECOND)).toBe(true);
    expect(it.logins).toBe(logins);
    expect(it.world.logs.filter(line => line.includes('Secret written again'))).toEqual([]);
  });
});
