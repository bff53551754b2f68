import { describe, expect, test } from 'vitest';
import { inFlight, LEASE, LIFE, RETRY, Replicas, replicas } from './replicas.ts';
import { UNREACHED, writesSecret, writesStatus } from './trouble.ts';

describe('two replicas', () => {
  test('one works; the other is ready, says who leads, and sends nothing', async () => {
    const [t, first, second] = await replicas();
    await t.pass(600);
    expect([t.logins, t.refusals, second.sent]).toEqual([1, 0, 0]);
    expect(first.sent).toBeGreaterThan(2);
    expect(first.ready()).toBeUndefined();
    expect(second.ready()).toEqual({
      note: expect.stringMatching(/^standby, operator-1_[0-9a-f]{16} leads$/) as unknown,
    });
    expect([first.healthy(), second.healthy()]).toEqual([undefined, undefined]);
    expect(await first.scrape()).toContain('\ntokensync_leader 1\n');
    expect(await second.scrape()).toContain('\ntokensync_leader 0\n');
    expect(t.world.logs.filter(line => line.includes('standby: another replica leads'))).toHaveLength(1);
    t.expectCurrent();
  });

  test('a standby asks for the Lease and for nothing else', async () => {
    const [t] = await replicas({ expiresIn: 86_400 });
    t.world.api.requests.clear();
    await t.replica();
    await t.pass(10);
    expect([...t.world.api.requests.totals.keys()].toSorted()).toEqual([
      'get leases 200',
      'patch leases 200',
      'watch leases 200',
    ]);
  });

  test('the Lease reads as client-go writes it', async () => {
    const [t, first] = await replicas();
    const micro = expect.stringMatching(/^2026-01-03T12:00:\d\d\.\d{6}Z$/) as unknown;
    expect(t.lease).toEqual({
      holderIdentity: expect.stringMatching(/^operator-1_[0-9a-f]{16}$/) as unknown,
      leaseDurationSeconds: 15,
      acquireTime: micro,
      renewTime: micro,
      leaseTransitions: 0,
    });
    const before = t.lease.acquireTime;
    const written: Record<string, unknown>[] = [];
    t.world.api.listen(() => written.push(t.lease));
    await first.stop();
    expect(written[0]).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 0 });
    await t.pass(1);
    expect(t.lease).toMatchObject({ leaseTransitions: 1, leaseDurationSeconds: 15 });
    expect(t.lease.acquireTime).not.toBe(before);
  });

  test('at rest the leader writes its Lease every 2 s, and nobody asks for anything else', async () => {
    const [t] = await replicas({ expiresIn: 86_400 });
    t.world.api.requests.clear();
    await t.pass(100);
    expect([...t.world.api.requests.totals]).toEqual([['patch leases 200', 50]]);
  });
});

describe('a leader that ends', () => {
  test('in order, when idle: the other leads within 2 s, and logs in nowhere', async () => {
    const [t, first, second] = await replicas();
    const stopped = first.stop();
    expect(await t.handOver('operator-2', 2)).toBeLessThan(2);
    await stopped;
    await second.started;
    await t.pass(500);
    expect([t.logins, t.refusals]).toEqual([1, 0]);
    t.expectCurrent();
  });

  test('with a request under way: what is answered is written before the Lease is given back, and the next one lists after that', async () => {
    const [t, first, second] = await replicas();
    const { give } = await inFlight(t);
    t.world.api.requests.clear();
    const stopped = first.stop();
    await t.pass(4);
    expect(t.holder).toBe('operator-1');
    give();
    await stopped;
    await t.until(() => t.holder === 'operator-2', 2);
    await second.started;
    const story = t.world.api.requests.all().flatMap(call => {
      if (writesSecret('a-token')(call)) return ['target'];
      if (writesStatus(call)) return ['status'];
      if (call.resource === 'leases' && call.verb === 'patch') return ['lease'];
      return call.resource === 'secrets' && call.verb === 'watch' ? ['lists'] : [];
    });
    const end = story.slice(story.indexOf('target'));
    // given back, and taken
    expect(end.slice(0, 5)).toEqual(['target', 'status', 'lease', 'lease', 'lists']);
    await t.pass(500);
    expect([t.logins, t.refusals]).toEqual([1, 0]);
    t.expectCurrent();
  });

  test('in order, while a refresh token waits to be saved: it is saved first', async () => {
    const [t, first] = await replicas();
    const session = t.inject(writesSecret('a.session'), { status: 503, reason: 'ServiceUnavailable' });
    await t.until(() => t.refreshes === 1, LIFE);
    await t.pass(7);
    expect(t.says('a', 'Refreshed')).toBe('False SessionNotSaved');
    session.cancel();
    const stopped = first.stop();
    await t.handOver('operator-2', 2);
    await stopped;
    await t.pass(500);
    expect([t.logins, t.refusals]).toEqual([1, 0]);
    t.expectCurrent();
  });

  test('by kill -9: the other leads once the lease has run out, and logs in nowhere', async () => {
    const [t, first] = await replicas();
    first.crash();
    const took = await t.handOver('operator-2', LEASE + RETRY);
    expect(took).toBeGreaterThan(LEASE - RETRY - 0.1);
    expect(took).toBeLessThanOrEqual(LEASE);
    await t.pass(500);
    expect([t.logins, t.refusals]).toEqual([1, 0]);
    t.expectCurrent();
  });

  test('by kill -9 with a refresh under way: that one is lost with it, and costs one login', async () => {
    const [t, first] = await replicas();
    await inFlight(t);
    first.crash();
    await t.pass(500);
    expect([t.logins, t.refusals]).toEqual([2, 1]);
    t.expectCurrent();
  });
});

describe('a replica that starts', () => {
  test('and may not read or write the Lease, ends and says what to do', async () => {
    for (const verb of ['get', 'create']) {
      const t = new Replicas();
      t.inject(call => call.resource === 'leases' && call.verb === verb, {
        status: 403,
        reason: 'Forbidden',
      });
      const run = await t.replica();
      await t.pass(1);
      await expect(run.started).rejects.toThrow(
        /^cannot read or write Lease tokensync\/tokensync \((get|create) leases: 403 Forbidden.*--leader-elect=false$/,
      );
      expect(t.asked).toHaveLength(0);
    }
  });

  test('while the API server is away waits for it, and says so once', async () => {
    const t = new Replicas();
    t.apply('a', {}, { flow: 'session' });
    const away = t.inject(() => true, 'refuse');
    const run = await t.replica();
    await t.pass(100);
    expect(run.ready()).toBe('not synced with the API server');
    expect(t.world.logs.filter(line => line.includes('the lease cannot be read or taken'))).toHaveLength(1);
    away.cancel();
    await t.until(() => t.token('a') === 'token-1', 5);
  });
});

describe('a leader that stands still past its lease', () => {
  test('sends nothing when it goes on, though a renewal has long been due, and ends', async () => {
    const [t, first] = await replicas();
    await t.pass(100);
    first.pause();
    await t.pass(200);
    expect(t.holder).toBe('operator-2');
    const { sent } = first;
    await first.resume();
    await t.pass(5);
    expect([first.sent, first.exitCode]).toEqual([sent, 1]);
    expect(t.world.logs.join('')).toContain('deposed: another replica held the lease');
    await t.pass(500);
    expect([t.logins, t.refusals]).toEqual([1, 0]);
    t.expectCurrent();
  });

  test('and comes back first: it takes its lease again, and goes on with what it knows', async () => {
    const t = new Replicas();
    t.apply('a', {}, { flow: 'session' });
    const only = await t.replica();
    await t.until(() => t.token('a') === 'token-1');
    only.pause();
    await t.pass(250);
    await only.resume();
    await t.pass(1);
    expect([t.holder, t.lease.leaseTransitions, only.exitCode]).toEqual(['operator-1', 0, undefined]);
    await t.pass(600);
    expect([t.logins, t.refusals]).toEqual([1, 0]);
    t.expectCurrent();
  });

  test('with a request under way: its late answer overwrites nothing of the next leader', async () => {
    const [t, first] = await replicas();
    const { give } = await inFlight(t);
    first.pause();
    give();
    // the next leader finds the refresh token used up
    await t.until(() => t.token('a') === 'token-3', 60);
    await t.pass(3);
    const [secret, session, status] = [t.secret('a-token'), t.secret('a.session'), t.status('a')];
    await first.resume();
    await t.pass(10);
    expect(first.exitCode).toBe(1);
    expect([t.secret('a-token'), t.secret('a.session'), t.status('a')]).toEqual([secret, session, status]);
    await t.pass(500);
    expect([t.logins, t.refusals]).toEqual([2, 1]);
    t.expectCurrent();
  });

  test('with a request under way, answered before anyone missed it: it is written all the same, and nothing is lost', async () => {
    // asked for by hand, with much of the token's life left: the next leader is in no hurry
    const [t, first] = await replicas({ expiresIn: 900 });
    t.annotate('a', 'now');
    const { give } = await inFlight(t);
    first.pause();
    give();
    await t.pass(LEASE + 5);
    expect(t.holder).toBe('operator-2');
    await first.resume();
    await t.pass(10);
    expect(first.exitCode).toBe(1);
    await t.until(() => t.refreshes === 1, 900);
    await t.pass(5);
    expect(t.refusals).toBe(0);
    t.expectCurrent();
  });

  test('before the status was written: the counts of the next leader stand', async () => {
    const [t, first] = await replicas();
    const writes = t.inject(writesStatus, { delayMs: 1000 }, 1);
    await t.until(() => writes.hits === 1, LIFE);
    first.pause();
    await t.pass(500);
    // just renewed: the next leader does nothing for three minutes
    const given = t.tokens.length;
    await t.until(() => t.tokens.length > given, LIFE);
    await t.pass(5);
    const { token } = t.status('a');
    await first.resume();
    await t.pass(5);
    expect(t.status('a').token?.issuedAt).toBe(token?.issuedAt);
    t.expectCurrent();
  });
});

describe('a Lease that others have their hands on', () => {
  test('stolen: the leader sends nothing more and ends; who stands by takes it when the thief is unheard of', async () => {
    const [t, first, second] = await replicas();
    const { give } = await inFlight(t);
    t.editLease({ holderIdentity: 'thief', leaseTransitions: 1 });
    await t.pass(1);
    give();
    await t.pass(1);
    expect(first.exitCode).toBe(1);
    const { sent } = first;
    expect(await t.handOver('operator-2', LEASE)).toBeGreaterThan(LEASE - 3);
    await second.started;
    await t.pass(500);
    expect(first.sent).toBe(sent);
    expect(t.logins).toBeLessThanOrEqual(2);
    t.expectCurrent();
  });

  test('deleted: its holder puts it back, and goes on', async () => {
    const [t, first, second] = await replicas();
    t.world.api.delete('leases', 'tokensync', 'tokensync');
    await t.pass(1);
    expect([t.holder, t.lease.leaseTransitions]).toEqual(['operator-1', 0]);
    await t.pass(500);
    expect([t.logins, t.refusals, first.exitCode, second.sent]).toEqual([1, 0, undefined, 0]);
    t.expectCurrent();
  });

  test('deleted while its holder is cut off: nobody takes it before that one has lost it', async () => {
    const [t, first] = await replicas();
    first.cut('hang');
    t.world.api.delete('leases', 'tokensync', 'tokensync');
    expect(await t.handOver('operator-2', LEASE + RETRY)).toBeGreaterThan(LEASE - RETRY - 0.1);
    first.mend();
    await t.pass(60);
    expect(first.exitCode).toBe(1);
    t.expectCurrent();
  });

  test('labelled, or emptied of its holder: it is renewed as though nothing had happened', async () => {
    const [t, first, second] = await replicas();
    const found = t.world.api.get('leases', 'tokensync', 'tokensync');
    if (found === undefined) throw new Error('there is no Lease');
    t.world.api.put({ ...found, metadata: { ...found.metadata, labels: { team: 'ops' } } });
    await t.pass(100);
    expect(t.world.api.get('leases', 'tokensync', 'tokensync')?.metadata.labels).toEqual({ team: 'ops' });
    second.crash();
    t.editLease({ holderIdentity: '' });
    await t.pass(1);
    expect([t.holder, t.lease.leaseTransitions, first.exitCode]).toEqual(['operator-1', 0, undefined]);
  });
});

describe('an API server that is away', () => {
  test.each(['hang', 'refuse'] as const)(
    '(%s) from the leader alone: another leads, and the first ends when it learns so',
    async how => {
      const [t, first] = await replicas();
      first.cut(how);
      expect(await t.handOver('operator-2', LEASE + RETRY)).toBeLessThanOrEqual(LEASE);
      const { sent } = first;
      await t.pass(500);
      expect([first.sent, first.exitCode]).toEqual([sent, undefined]);
      first.mend();
      await t.pass(60);
      expect(first.exitCode).toBe(1);
      expect([t.logins, t.refusals]).toEqual([1, 0]);
      t.expectCurrent();
    },
  );

  test('from the leader alone, with a request under way: the answer that it cannot write costs one login, and is dropped', async () => {
    const [t, first] = await replicas();
    const { give } = await inFlight(t);
    first.cut('hang');
    give();
    await t.until(() => t.token('a') === 'token-3', 60);
    first.mend();
    await t.pass(120);
    expect(first.exitCode).toBe(1);
    await t.pass(500);
    expect([t.logins, t.refusals]).toEqual([2, 1]);
    t.expectCurrent();
  });

  test.each(['hang', 'refuse'] as const)(
    '(%s) for ten minutes from all: the same one leads, costs no login, and writes what was answered',
    async how => {
      const [t, first, second] = await replicas({ expiresIn: 2400, count: 3 });
      const { give } = await inFlight(t);
      for (const run of t.world.runs) run.cut(how);
      give();
      await t.pass(600);
      expect(await first.scrape()).toContain('\ntokensync_leader 0\n');
      for (const run of t.world.runs) run.mend();
      await t.pass(60);
      expect([t.holder, t.lease.leaseTransitions]).toEqual(['operator-1', 0]);
      expect(await first.scrape()).toContain('\ntokensync_leader 1\n');
      await t.until(() => t.refreshes === 2, 2400);
      await t.pass(5);
      expect([t.logins, t.refusals, first.exitCode, second.sent]).toEqual([1, 0, undefined, 0]);
      t.expectCurrent();
    },
  );

  test('renewals that fail now and then lose nothing', async () => {
    const [t, first] = await replicas();
    let calls = 0;
    t.inject(({ resource, verb }) => resource === 'leases' && verb === 'patch' && ++calls % 3 === 0, {
      afterCommit: 'hang',
    });
    t.inject(({ resource, verb }) => resource === 'leases' && verb === 'patch' && calls % 3 === 1, {
      status: 503,
      reason: 'ServiceUnavailable',
    });
    await t.pass(500);
    expect([t.holder, t.lease.leaseTransitions, first.exitCode]).toEqual(['operator-1', 0, undefined]);
    expect([t.logins, t.refusals]).toEqual([1, 0]);
    t.expectCurrent();
  });
});

describe('a provider with a long deadline', () => {
  test('may take longer than a lease lasts, as long as that is renewed', async () => {
    const [t] = await replicas({ provider: { limits: { timeout: '60s' } } });
    const { give } = await inFlight(t);
    await t.pass(40);
    give();
    await t.pass(1);
    expect([t.logins, t.token('a')]).toEqual([1, 'token-2']);
    t.expectCurrent();
  });

  test('is left when the lease ends', async () => {
    const [t, first] = await replicas({ provider: { limits: { timeout: '60s' } } });
    const { give } = await inFlight(t);
    first.cut('hang');
    await t.until(() => t.world.logs.join('').includes('the lease ran out'), LEASE);
    expect(t.world.logs.join('')).toContain('"class":"Unavailable"');
    give();
    expect(t.holder).toBe('operator-1');
  });
});

test('a key that was due while the lease was too old is looked at once that is renewed, and not before', async () => {
  const [t, first] = await replicas();
  // from now on the lease is older than what a request of 10 s needs, and yet not lost
  t.inject(({ resource, verb }) => resource === 'leases' && verb === 'patch', UNREACHED.fault ?? 'refuse', 3);
  await t.pass(4.5);
  t.world.api.requests.clear();
  t.annotate('a', 'now');
  await t.pass(0.2);
  expect(t.asked).toHaveLength(1);
  expect(t.world.api.requests.count(({ resource }) => resource === 'secrets')).toBeLessThanOrEqual(1);
  await t.pass(6);
  expect(t.asked).toHaveLength(2);
  expect(first.exitCode).toBeUndefined();
  t.expectCurrent();
});
