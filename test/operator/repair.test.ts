import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { HOUR, MINUTE, type Scene, SECOND, scene } from './scene.ts';

/** Templates that do not show the whole answer: after a restart its token is not at hand. */
const OPAQUE: JsonObject = { target: { data: { key: 'x$(token)', other: '$(token | base64)' } } };

describe('a target that someone deleted or edited', () => {
  const harms: readonly (readonly [string, (it: Scene) => void])[] = [
    ['deleted', it => it.deleteSecret()],
    ['robbed of a key', it => it.editSecret({ data: { token: null } })],
    ['given another value', it => it.editSecret({ data: { token: Buffer.from('x').toString('base64') } })],
    [
      'given a later expiry',
      it =>
        it.editSecret({ metadata: { annotations: { 'tokensync.dev/expires-at': '2030-01-01T00:00:00Z' } } }),
    ],
    ['robbed of its record', it => it.editSecret({ metadata: { annotations: null } })],
    ['robbed of its labels', it => it.editSecret({ metadata: { labels: null } })],
  ];
  test.each(harms)('is put back without a login when it was %s', async (_what, harm) => {
    const it = await scene({ spec: { target: { labels: { team: 'blue' } } } });
    const before = it.secret();
    harm(it);
    await it.advance(SECOND);
    expect(it.secret()?.data).toEqual(before?.data);
    expect(it.secret()?.labels).toEqual(before?.labels);
    expect(it.secret()?.annotations).toEqual(before?.annotations);
    expect(it.logins).toBe(1);
    expect(it.ready).toBe('True TokenLive');
  });

  test('robbed of its owner is adopted again, without a login', async () => {
    const it = await scene();
    it.editSecret({ metadata: { ownerReferences: null } });
    await it.advance(SECOND);
    expect(it.secret()?.owners).toEqual([`ProviderCredential/${it.name} controller`]);
    expect(it.logins).toBe(1);
  });

  test.each([
    [
      'after a restart, from the session',
      'admintotal/jwt' as const,
      OPAQUE,
      (it: Scene) => it.deleteSecret(),
    ],
    [
      'after a restart, from the default keys',
      'pgf/login' as const,
      {},
      (it: Scene) =>
        it.editSecret({
          data: { token_type: null },
          metadata: { labels: { 'tokensync.dev/managed': null } },
        }),
    ],
  ])('is put back without a login %s', async (_what, flow, spec, harm) => {
    const it = await scene({ flow, spec });
    const before = it.secret();
    await it.restart();
    await it.advance(SECOND);
    harm(it);
    await it.advance(SECOND);
    expect(it.secret()?.data).toEqual(before?.data);
    expect(it.asked).toHaveLength(1);
  });

  test('is put back by one login where its token is at hand no more: at least a minute after the last, also when it was deleted', async () => {
    const it = await scene({ spec: OPAQUE });
    it.crash();
    it.deleteSecret();
    await it.start();
    await it.advance(20 * SECOND);
    expect(it.logins).toBe(1);
    await it.advance(MINUTE);
    expect(it.logins).toBe(2);
    expect(it.ready).toBe('True TokenLive');
    expect(it.secret()?.data.key).toMatch(/^x/);
  });

  test('costs a login a minute at the most, however often the operator restarts and the Secret is deleted', async () => {
    const it = await scene({ spec: OPAQUE });
    for (let round = 0; round < 30; round += 1) {
      it.crash();
      if (it.secret() !== undefined) it.deleteSecret();
      await it.start();
      await it.advance(10 * SECOND);
    }
    expect(it.logins).toBeLessThanOrEqual(6);
    const times = it.asked.map(({ at }) => at);
    for (const [index, at] of times.entries()) {
      expect(at - (times[index - 1] ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(MINUTE);
    }
  });

  test('a dead provider is not asked, and does not hinder the repair', async () => {
    const it = await scene();
    it.world.providers.pgf.behaviour.down = 'refuse';
    const before = it.secret();
    it.deleteSecret();
    await it.advance(SECOND);
    expect(it.secret()?.data).toEqual(before?.data);
    expect(it.logins).toBe(1);
  });

  test('a repair tells nothing of an attempt that failed before it', async () => {
    const it = await scene();
    it.world.providers.pgf.behaviour.down = 'refuse';
    await it.at(it.renewAt + MINUTE);
    expect(it.refreshed).toBe('False Unreachable');
    it.deleteSecret();
    await it.advance(SECOND);
    expect(it.token).not.toBe('');
    expect(it.refreshed).toBe('False Unreachable');
  });
});

describe('an edit war', () => {
  test('is answered at once three times, then ever more rarely: once a minute in the end, and by no login', async () => {
    const it = await scene();
    let fought = 0;
    const end = it.now + HOUR;
    await it.until(() => {
      if (it.token !== 'theirs') {
        fought += 1;
        it.editSecret({ data: { token: Buffer.from('theirs').toString('base64') } });
      }
      return it.now >= end;
    }, HOUR);
    expect(fought).toBeGreaterThan(50);
    expect(fought).toBeLessThan(75);
    expect(it.logins).toBe(1);
  });

  test('with one who deletes it is fought no faster', async () => {
    const it = await scene();
    let fought = 0;
    const end = it.now + HOUR;
    await it.until(() => {
      if (it.secret() !== undefined) {
        fought += 1;
        it.deleteSecret();
      }
      return it.now >= end;
    }, HOUR);
    expect(fought).toBeGreaterThan(50);
    expect(fought).toBeLessThan(75);
    expect(it.logins).toBe(1);
  });

  test('is over after some calm: the next repairs come at once', async () => {
    const it = await scene();
    const harm = (): void => it.editSecret({ data: { token: Buffer.from('theirs').toString('base64') } });
    for (let round = 0; round < 9; round += 1) {
      harm();
      await it.until(() => it.token !== 'theirs', 5 * MINUTE);
    }
    harm();
    await it.advance(10 * SECOND);
    expect(it.token).toBe('theirs');
    await it.advance(MINUTE);
    expect(it.token).not.toBe('theirs');
    await it.advance(11 * MINUTE);
    for (let round = 0; round < 3; round += 1) {
      harm();
      await it.advance(SECOND);
      expect(it.token).not.toBe('theirs');
    }
  });

  test('the author’s own edits are no war: each is written at once', async () => {
    const it = await scene();
    for (let round = 0; round < 15; round += 1) {
      it.edit({ target: { labels: { round: String(round) } } });
      await it.advance(SECOND);
      expect(it.secret()?.labels.round).toBe(String(round));
    }
    expect(it.logins).toBe(1);
  });
});
