import { describe, expect, onTestFinished, test } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import type { Run } from '../../sandbox/world.ts';
import { LEASE, RETRY, ROUND, Sharded } from './sharded.ts';

/** What becomes of a replica that is begun with another `--shards` than the others. */

class Counted extends Sharded {
  async of(shards: number): Promise<Run> {
    const run = this.world.start(['--leader-elect', `--shards=${shards}`]);
    onTestFinished(() => run.crash());
    await this.world.clock.settle();
    return run;
  }

  /** The Lease that all share. */
  get record(): { holder: unknown; annotations: unknown } {
    const found = this.world.api.get('leases', 'tokensync', 'tokensync');
    return {
      holder: (found?.spec as JsonObject | undefined)?.holderIdentity,
      annotations: found?.metadata.annotations ?? {},
    };
  }

  /** @returns seconds until it has begun. */
  async begun(run: Run, within = 60): Promise<number> {
    const from = this.now;
    let begun = false;
    run.started.then(
      () => {
        begun = true;
      },
      () => {},
    );
    await this.until(() => begun, within);
    return this.now - from;
  }

  /** What it ended with; undefined when it did not. */
  async refusal(run: Run): Promise<string | undefined> {
    let message: string | undefined;
    run.started.catch((error: Error) => {
      message = error.message;
    });
    await this.until(() => message !== undefined, LEASE + 2 * RETRY);
    return message;
  }
}

const counted = (): Counted => new Counted({ shards: 4, credentials: 4 });

describe('while others work with another number of shards', () => {
  test.each([
    [
      4,
      5,
      /^--shards=5 is refused: the other replicas work with --shards=4 \(Lease tokensync\/tokensync; tokensync-…-of-4 is held by operator-1_[0-9a-f]{16}\).*scale to zero/,
    ],
    [4, 1, /^--shards=1 is refused: the other replicas work with --shards=4/],
    [
      1,
      4,
      /^--shards=4 is refused: the other replicas work with --shards=1 \(Lease tokensync\/tokensync; tokensync is held by operator-1_/,
    ],
  ])('%i: one with %i ends, says why, and sends nothing; the others go on', async (theirs, own, text) => {
    const t = counted();
    const first = await t.of(theirs);
    await t.until(() => t.live, 20);
    const late = await t.of(own);
    expect(await t.refusal(late)).toMatch(text);
    await t.pass(ROUND);
    expect([late.sent, first.exitCode, t.logins, t.live]).toEqual([0, undefined, 4, true]);
  });
});

describe('the number is changed', () => {
  test.each([
    [4, 5],
    [5, 4],
    [1, 4],
    [4, 1],
  ])('from %i to %i, once the others have ended: no login', async (from, to) => {
    const t = counted();
    const first = await t.of(from);
    await t.until(() => t.live, 20);
    await first.stop();
    const next = await t.of(to);
    await t.begun(next);
    await t.pass(ROUND);
    expect([t.logins, t.refusals, t.live]).toEqual([4, 0, true]);
    expect(t.record).toEqual(
      to === 1
        ? { holder: expect.stringMatching(/^operator-2_/) as unknown, annotations: {} }
        : { holder: `${to} shards`, annotations: { 'tokensync.dev/shards': String(to) } },
    );
  });

  test.each([
    [4, 5],
    [1, 4],
    [4, 1],
  ])('from %i to %i, when the others were killed: once their leases have run out', async (from, to) => {
    const t = counted();
    const first = await t.of(from);
    await t.until(() => t.live, 20);
    first.crash();
    const next = await t.of(to);
    const before = t.record;
    await t.pass(LEASE - RETRY - 0.5);
    expect(t.record).toEqual(before);
    expect(await t.begun(next)).toBeLessThan(LEASE);
    await t.pass(ROUND);
    expect([t.logins, t.refusals, t.live]).toEqual([4, 0, true]);
  });

  test('by two at once, to different numbers: one of them works, the other is refused', async () => {
    const t = counted();
    const first = await t.of(4);
    await t.until(() => t.live, 20);
    await first.stop();
    const runs = [await t.of(2), await t.of(3)];
    const ends: string[] = [];
    for (const run of runs)
      run.started.then(
        () => ends.push('works'),
        () => ends.push('refused'),
      );
    await t.until(() => ends.length === 2, 60);
    expect(ends.toSorted()).toEqual(['refused', 'works']);
    await t.pass(ROUND);
    expect([t.logins, t.refusals, t.live]).toEqual([4, 0, true]);
  });

  test('while one is cut off that worked with the former: it ends when it learns so, and sends nothing', async () => {
    const t = counted();
    const first = await t.of(4);
    await t.until(() => t.live, 20);
    first.cut('refuse');
    const next = await t.of(5);
    await t.begun(next);
    const { sent } = first;
    await t.pass(ROUND);
    first.mend();
    await t.pass(60);
    expect([first.sent, first.exitCode]).toEqual([sent, 1]);
    expect(t.world.logs.join('')).toContain('shards cannot be worked on, so this one ends');
    expect([t.logins, t.refusals, t.live]).toEqual([4, 0, true]);
  });

  test('and someone still holds a Lease of the former: nobody begins before that is given back', async () => {
    const t = counted();
    const first = await t.of(4);
    // also those without a credential
    await t.until(() => t.live && t.holders.every(holder => holder !== ''), 20);
    await first.stop();
    // who reads the number late: it has taken a Lease already, and renews it
    const hold = (): void => {
      const found = t.world.api.get('leases', 'tokensync-2-of-4', 'tokensync');
      if (found === undefined) throw new Error('there is no Lease');
      const spec = { ...(found.spec as JsonObject), holderIdentity: 'late', leaseDurationSeconds: 15 };
      t.world.api.put({
        ...found,
        metadata: { ...found.metadata, labels: { ...found.metadata.labels, at: String(t.now) } },
        spec,
      });
    };
    let done = false;
    t.world.api.listen(() => {
      if (done || t.record.holder !== '5 shards') return;
      done = true;
      hold();
    });
    const next = await t.of(5);
    await t.until(() => done, 20);
    for (let waited = 0; waited < 20; waited += 1) {
      await t.pass(2);
      hold();
    }
    const { sent } = next;
    for (const name of t.names) t.annotate(name, 'now');
    await t.pass(2);
    expect([sent, next.sent]).toEqual([0, 0]);
    await t.pass(LEASE + RETRY + 2);
    expect(next.sent).toBe(4);
    expect(t.record.annotations).toEqual({ 'tokensync.dev/shards': '5' });
  });
});

test('who learns that the number is another ends, and gives back what it has', async () => {
  const t = counted();
  const run = await t.of(4);
  await t.until(() => t.live, 20);
  const found = t.world.api.get('leases', 'tokensync', 'tokensync');
  if (found === undefined) throw new Error('there is no Lease');
  t.world.api.put({
    ...found,
    metadata: { ...found.metadata, annotations: { 'tokensync.dev/shards': '5' } },
    spec: { ...(found.spec as JsonObject), holderIdentity: '5 shards' },
  });
  await t.pass(2);
  expect(run.exitCode).toBe(1);
  expect(t.holders).toEqual(['', '', '', '']);
  expect(t.world.logs.join('')).toContain('shards cannot be worked on, so this one ends');
});

test('the Lease that all share is put back when someone deletes it', async () => {
  const t = counted();
  const run = await t.of(4);
  await t.until(() => t.live, 20);
  t.world.api.delete('leases', 'tokensync', 'tokensync');
  await t.pass(3);
  expect(t.record).toEqual({ holder: '4 shards', annotations: { 'tokensync.dev/shards': '4' } });
  await t.pass(ROUND);
  expect([run.exitCode, t.logins, t.live]).toEqual([undefined, 4, true]);
});

test('a program that elects a leader by that Lease, and knows nothing of shards, stands by', async () => {
  const t = counted();
  await t.of(4);
  await t.until(() => t.live, 20);
  const lease = t.world.api.get('leases', 'tokensync', 'tokensync')?.spec;
  expect(lease).toMatchObject({ holderIdentity: '4 shards', leaseDurationSeconds: 2 ** 31 - 1 });
});

test('who may not read or write the Leases ends and says what to do', async () => {
  const t = counted();
  t.inject(call => call.resource === 'leases' && call.verb === 'create', {
    status: 403,
    reason: 'Forbidden',
  });
  const run = await t.of(4);
  expect(await t.refusal(run)).toMatch(
    /^cannot read or write Lease tokensync\/tokensync \(create leases: 403 Forbidden/,
  );
});

test.each([1, 5])(
  'who may not see whether shards of a former number are held names the Lease that tells of them, and what to do: now %i',
  async shards => {
    const t = counted();
    const first = await t.of(4);
    await t.until(() => t.live, 20);
    await first.stop();
    const forbidden = t.inject(
      ({ resource, name, verb }) => verb === 'get' && resource === 'leases' && name !== 'tokensync',
      {
        status: 403,
        reason: 'Forbidden',
      },
    );
    const next = await t.of(shards);
    expect(await t.refusal(next)).toMatch(
      new RegExp(
        `^--shards=${shards} cannot begin: Lease tokensync/tokensync says that there were --shards=4, .*Lease tokensync/tokensync-0-of-4 cannot be read .*403.*: kubectl -n tokensync delete lease tokensync\\. `,
      ),
    );
    expect(next.sent).toBe(0);

    forbidden.cancel();
    t.world.api.delete('leases', 'tokensync', 'tokensync');
    const again = await t.of(shards);
    await t.begun(again);
    await t.pass(ROUND);
    expect([t.logins, t.refusals, t.live]).toEqual([4, 0, true]);
  },
);

test('who may no longer write the Leases ends, too', async () => {
  const t = counted();
  await t.of(4);
  const run = await t.of(4);
  await t.until(() => t.holders.every(holder => holder !== ''), 20);
  t.inject(call => call.resource === 'leases' && call.verb === 'patch', { status: 403, reason: 'Forbidden' });
  await t.until(() => run.exitCode === 1, 60);
  expect(t.world.logs.join('')).toContain('cannot read or write Lease tokensync/tokensync-');
});
