import { describe, expect, test } from 'vitest';
import type { Run } from '../../sandbox/world.ts';
import { LEASE, LIFE, RETRY, ROUND, Sharded } from './sharded.ts';
import { writesSecret } from './trouble.ts';

/** What a replica leaves a free shard to others for, at most, in seconds: with 4 shards a little less than one. */
const PATIENCE = 1;
/** So many credentials that each of two shards has some, though a real API server draws the UIDs: of six all may be in one. */
const MANY = 16;

async function fourOf(shards: number, options: { sharding?: boolean } = {}): Promise<[Sharded, Run[]]> {
  const t = new Sharded({ shards, ...options });
  const runs = await t.replicas(4);
  await t.pass(10);
  return [t, runs];
}

/** The one that has most, and the others. */
function richest(t: Sharded, runs: readonly Run[]): [Run, Run[]] {
  const [first, ...others] = runs.toSorted((a, b) => t.owned(b).length - t.owned(a).length);
  if (first === undefined) throw new Error('there is none');
  return [first, others];
}

describe.each([
  [4, 4],
  [5, 4],
  [4, 6],
])('%i shards, %i replicas, begun at once', (shards, count) => {
  test('each has its share, each credential one owner, and who has none stands by', async () => {
    const t = new Sharded({ shards });
    const runs = await t.replicas(count);
    await t.pass(10);
    expect(t.isFair(runs)).toBe(true);
    const { holders } = t;
    await t.pass(ROUND);
    expect(t.holders).toEqual(holders);
    t.expectSound();
    for (const run of runs) {
      const owned = t.owned(run).length;
      expect(run.sent > 0).toBe(t.ownedNames(run).length > 0);
      expect([run.ready(), run.healthy()]).toEqual([owned > 0 ? undefined : { note: 'standby' }, undefined]);
      const shown = await run.scrape();
      expect(shown).toContain(`\ntokensync_shards_owned ${owned}\n`);
      expect(shown).toContain(`\ntokensync_shards ${shards}\n`);
      expect(shown).toContain(`\ntokensync_leader ${owned > 0 ? 1 : 0}\n`);
      expect(t.shownBy(shown)).toEqual(t.ownedNames(run));
    }
  });
});

test('at rest each Lease is written every 2 s, and nobody asks for anything else', async () => {
  const t = new Sharded({ shards: 4, expiresIn: 86_400 });
  await t.replicas(3);
  await t.pass(20);
  t.world.api.requests.clear();
  await t.pass(100);
  expect([...t.world.api.requests.totals]).toEqual([['patch leases 200', 200]]);
});

describe.each([false, true])('a server that knows shardSelector: %s', sharding => {
  test('one replica, then four, then one: shared out each time, and no login', async () => {
    const t = new Sharded({ shards: 4, sharding });
    const first = await t.replica();
    await t.pass(10);
    expect(t.owned(first)).toEqual([0, 1, 2, 3]);
    const others = await t.replicas(3);
    await t.until(() => t.isFair([first, ...others]), 30);
    await t.pass(ROUND);
    for (const run of [first, ...others]) expect(t.shownBy(await run.scrape())).toEqual(t.ownedNames(run));
    for (const run of others) await run.stop();
    await t.until(() => t.owned(first).length === 4, RETRY + PATIENCE);
    await t.pass(ROUND);
    t.expectSound();
  });

  test('what is made, changed and deleted reaches its owner, and nobody else', async () => {
    const [t, runs] = await fourOf(4, { sharding });
    for (const name of ['d0', 'd1', 'd2', 'd3', 'd4']) t.apply(name, {}, { flow: 'session' });
    await t.until(
      () => ['d0', 'd1', 'd2', 'd3', 'd4'].every(name => t.says(name, 'Ready') === 'True TokenLive'),
      5,
    );
    for (const name of ['d0', 'd1']) t.remove(name);
    await t.pass(2);
    expect([t.secret('d0-token'), t.secret('d0.session')]).toEqual([undefined, undefined]);
    // made again under the same name: another UID, and maybe another shard
    t.apply('d0', {}, { flow: 'session' });
    await t.until(() => t.says('d0', 'Ready') === 'True TokenLive', 5);
    await t.pass(ROUND);
    expect([t.trespasses, t.refusals]).toEqual([[], 0]);
    expect(t.hasty.filter(text => !text.startsWith('d0'))).toEqual([]);
    expect(t.logins).toBe(t.names.length + 6);
    expect(t.isFair(runs)).toBe(true);
  });
});

test('what was gained is worked on when all lists are here, and not before', async () => {
  const t = new Sharded({ shards: 2, credentials: 6, expiresIn: 120 });
  const first = await t.replica();
  await t.pass(10);
  const second = await t.replica();
  await t.until(() => t.isFair([first, second]), 30);
  await t.pass(60);
  const slow = t.inject(
    ({ resource, verb }) => resource === 'secrets' && verb === 'watch',
    { delayMs: 30_000 },
    1,
  );
  const gained = t.names.filter(name => t.owned(first).includes(t.shardOf(name)));
  t.world.api.requests.clear();
  await first.stop();
  await t.until(() => t.owned(second).length === 2, RETRY + PATIENCE);
  // within which each is due
  await t.pass(26);
  const touched = t.world.api.requests.all().filter(({ name }) => gained.some(each => name.startsWith(each)));
  expect([slow.hits, touched]).toEqual([1, []]);
  await t.pass(60);
  expect([t.logins, t.refusals, t.trespasses, t.live]).toEqual([6, 0, [], true]);
});

test('limits of a provider hold for all replicas together', async () => {
  const provider = { limits: { concurrency: 4, requestsPerMinute: 240 } };
  const t = new Sharded({ shards: 4, credentials: 40, provider });
  let now = 0;
  let most = 0;
  t.answer = asked => {
    now += 1;
    most = Math.max(most, now);
    const given = t.strictly(asked);
    return new Promise(resolve => {
      t.world.clock.after(500, () => {
        now -= 1;
        resolve(given);
      });
    });
  };
  await t.replicas(4);
  await t.until(() => t.live, 60);
  expect(most).toBe(4);
  for (const { at } of t.asked)
    expect(t.asked.filter(other => other.at >= at && other.at < at + 60).length).toBeLessThanOrEqual(240);
});

test('a Lease that cannot be renewed stops its own shard, and no other', async () => {
  const t = new Sharded({ shards: 2, credentials: MANY, expiresIn: 120 });
  const only = await t.replica();
  await t.pass(60);
  const stuck = t.inject(({ resource, name }) => resource === 'leases' && name === t.leaseName(0), 'refuse');
  await t.pass(LEASE);
  const before = t.asked.length;
  await t.pass(60);
  const asked = t.asked.slice(before).map(({ refreshToken }) => refreshToken);
  // each of the other shard twice or so
  const others = t.names.filter(name => t.shardOf(name) === 1);
  expect(asked.length).toBeGreaterThan(others.length);
  expect(
    t.names.filter(name => t.shardOf(name) === 0 && t.says(name, 'Ready') === 'True TokenLive'),
  ).toHaveLength(t.names.length - others.length);
  for (const name of t.names.filter(each => t.shardOf(each) === 0))
    expect(t.grantedAt(name)).toBeLessThan(60 + LEASE);
  expect(await only.scrape()).toContain('\ntokensync_shards_owned 1\n');
  stuck.cancel();
  await t.pass(60);
  expect([t.logins, t.refusals, t.trespasses, t.live, only.exitCode]).toEqual([MANY, 0, [], true, undefined]);
});

test('after shards have moved a renewal reads nothing, as before', async () => {
  const t = new Sharded({ shards: 4, credentials: 8 });
  const first = await t.replica();
  await t.pass(10);
  const others = await t.replicas(3);
  await t.until(() => t.isFair([first, ...others]), 30);
  await first.stop();
  await t.until(() => t.isFair(others), 30);
  // each is looked at once, and read
  await t.pass(LIFE);
  t.world.api.requests.clear();
  const before = t.asked.length;
  await t.pass(LIFE);
  expect(t.asked.length).toBeGreaterThan(before + 8);
  expect([...t.world.api.requests.totals.keys()].filter(call => call.startsWith('get'))).toEqual([]);
  t.expectSound();
});

describe('a replica that ends', () => {
  test('by kill -9: the others share what it had once the leases have run out, and log in nowhere', async () => {
    const [t, runs] = await fourOf(5);
    const [lost, others] = richest(t, runs);
    await t.until(() => t.asked.length > 20, 2 * LIFE);
    await t.pass(2);
    const had = t.owned(lost);
    lost.crash();
    const since = t.now;
    await t.until(() => had.every(shard => t.holders[shard] !== t.nameOf(lost)), LEASE + PATIENCE);
    expect(t.now - since).toBeGreaterThan(LEASE - RETRY - 0.1);
    await t.until(() => t.isFair(others), 30);
    await t.pass(ROUND);
    t.expectSound();
  });

  test('in order: each of its shards is taken within 2 s', async () => {
    const [t, runs] = await fourOf(4);
    const [lost, others] = richest(t, runs);
    await lost.stop();
    await t.until(() => t.isFair(others), 2);
    await t.pass(ROUND);
    t.expectSound();
  });

  test('in order, with a request under way: its Leases are given back when that was answered and written', async () => {
    const [t, runs] = await fourOf(4);
    const held = holdNext(t);
    await t.until(() => held.by !== '', LIFE);
    const sender = runs.find(run => t.nameOf(run) === held.by);
    if (sender === undefined) throw new Error('nobody sent it');
    const had = t.owned(sender);
    const stopped = sender.stop();
    await t.pass(5);
    expect(t.owned(sender)).toEqual(had);
    held.give();
    await stopped;
    await t.until(() => t.isFair(runs.filter(run => run !== sender)), 2);
    await t.pass(ROUND);
    t.expectSound();
  });
});

describe('a replica that is not heard of', () => {
  test('since it stands still: when it goes on it sends nothing, and ends', async () => {
    const [t, runs] = await fourOf(4);
    const [lost, others] = richest(t, runs);
    lost.pause();
    await t.until(() => t.isFair(others), LEASE + PATIENCE);
    await t.pass(ROUND);
    const { sent } = lost;
    await lost.resume();
    await t.pass(5);
    expect([lost.sent, lost.exitCode]).toEqual([sent, 1]);
    const again = await t.replica();
    await t.until(() => t.isFair([...others, again]), 30);
    await t.pass(ROUND);
    t.expectSound();
  });

  test.each(['hang', 'refuse'] as const)(
    'since it is cut off (%s): another works, and it ends when it learns so',
    async how => {
      const [t, runs] = await fourOf(4);
      const [lost, others] = richest(t, runs);
      lost.cut(how);
      await t.until(() => t.isFair(others), LEASE + PATIENCE + RETRY);
      await t.pass(ROUND);
      lost.mend();
      await t.pass(60);
      expect(lost.exitCode).toBe(1);
      await t.pass(ROUND);
      t.expectSound();
    },
  );

  test('as all are, the API server being away for ten minutes: each keeps what it has, and nothing is lost', async () => {
    const t = new Sharded({ shards: 4, expiresIn: 1500 });
    const runs = await t.replicas(4);
    await t.pass(10);
    const { holders } = t;
    for (const run of runs) run.cut('refuse');
    await t.pass(600);
    for (const run of runs) run.mend();
    await t.pass(60);
    expect(t.holders).toEqual(holders);
    expect(runs.map(run => run.exitCode)).toEqual([undefined, undefined, undefined, undefined]);
    await t.pass(800);
    t.expectSound();
  });
});

describe('a shard that another replica is to have', () => {
  test('is given when the request that is under way for it was answered and written', async () => {
    const t = new Sharded({ shards: 2, credentials: MANY });
    const first = await t.replica();
    await t.pass(10);
    const held = holdNext(t, 0);
    await t.until(() => held.by !== '', LIFE);
    const second = await t.replica();
    await t.pass(8);
    expect(t.holders).toEqual([t.nameOf(first), t.nameOf(first)]);
    held.give();
    await t.until(() => t.isFair([first, second]), 2);
    expect(t.holders).toEqual([t.nameOf(second), t.nameOf(first)]);
    await t.pass(ROUND);
    t.expectSound();
  });

  test('is kept while an answer takes too long, and another is given in its place', async () => {
    const t = new Sharded({ shards: 2, credentials: MANY, provider: { limits: { timeout: '60s' } } });
    const first = await t.replica('--shutdown-timeout=5s');
    await t.pass(10);
    const held = holdNext(t, 0);
    await t.until(() => held.by !== '', LIFE);
    const second = await t.replica('--shutdown-timeout=5s');
    await t.pass(5);
    expect(t.holders).toEqual([t.nameOf(first), t.nameOf(first)]);
    await t.until(() => t.isFair([first, second]), 15);
    expect(t.holders).toEqual([t.nameOf(first), t.nameOf(second)]);
    expect(t.world.logs.join('')).toContain('a shard is kept: what is under way takes too long');
    held.give();
    await t.pass(ROUND);
    t.expectSound();
  });

  test('is kept while a refresh token waits to be saved', async () => {
    const t = new Sharded({ shards: 2, credentials: MANY });
    const first = await t.replica();
    await t.pass(10);
    const name = t.names.find(each => t.shardOf(each) === 0) ?? '';
    const refused = t.inject(writesSecret(`${name}.session`), { status: 503, reason: 'ServiceUnavailable' });
    await t.until(() => t.says(name, 'Refreshed') === 'False SessionNotSaved', LIFE);
    const second = await t.replica();
    await t.until(() => t.isFair([first, second]), 30);
    expect(t.holders).toEqual([t.nameOf(first), t.nameOf(second)]);
    refused.cancel();
    await t.pass(ROUND);
    t.expectSound();
  });
});

/** Keeps the answer to the next request for a credential of that shard until `give` is called; by default of any. */
function holdNext(t: Sharded, shard?: number): { readonly by: string; give: () => void } {
  const held = { by: '', give: () => {} };
  t.answer = asked => {
    const user = t.userOf(asked);
    const given = t.strictly(asked);
    if (shard !== undefined && t.shardOf(user) !== shard) return given;
    t.answer = again => t.strictly(again);
    held.by = asked.sender;
    return new Promise(resolve => {
      held.give = () => resolve(given);
    });
  };
  return held;
}
