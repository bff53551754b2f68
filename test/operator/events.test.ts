import { expect, test } from 'vitest';
import { z } from 'zod';
import { logEntries } from '../support/log-entries.ts';
import { answer, type Trouble, trouble, UNREACHED } from './trouble.ts';

/** What `kubectl get events` tells: what changed, and only that. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;

const Event = z.object({
  metadata: z.object({ name: z.string() }),
  type: z.string(),
  reason: z.string(),
  note: z.string(),
  regarding: z.object({ name: z.string() }),
  series: z.object({ count: z.number(), lastObservedTime: z.string() }).optional(),
});
type Event = z.infer<typeof Event>;

const events = (t: Trouble, type?: string): Event[] =>
  t.world.api
    .list('events')
    // they are stored as those of core/v1
    .map(({ involvedObject, message, ...rest }) =>
      Event.parse({ regarding: involvedObject, note: message, ...rest }),
    )
    .filter(event => event.regarding.name === 'shop' && (type === undefined || event.type === type));
const said = (t: Trouble): string[] => events(t).map(({ type, reason }) => `${type} ${reason}`);
const writes = (t: Trouble): number =>
  t.world.api.requests.count(({ resource, verb }) => resource === 'events' && verb !== 'watch');

/** A credential in calm. @param expiresIn seconds that its token lives. */
async function shop(expiresIn = 120): Promise<Trouble> {
  const t = await trouble({ expiresIn }, made => made.apply('shop'));
  await t.until(() => t.condition('shop', 'Ready')?.status === 'True');
  await t.pass(5);
  return t;
}

test('a day of renewals is no event', async () => {
  const t = await shop(10 * MINUTE);
  expect(said(t)).toEqual(['Normal TokenLive']);
  const logins = t.logins;
  t.world.api.requests.clear();
  await t.pass(24 * HOUR);
  expect(t.logins - logins).toBeGreaterThan(200);
  expect(writes(t)).toBe(0);
});

test('an outage of an hour is one Warning that counts, and few writes; its end is one Normal', async () => {
  const t = await shop();
  t.answer = () => UNREACHED;
  const before = t.asked.length;
  t.world.api.requests.clear();
  await t.pass(HOUR);
  const failed = t.asked.length - before;
  expect(failed).toBeGreaterThan(12);
  const [warning, ...more] = events(t, 'Warning');
  expect(more).toEqual([]);
  expect(warning?.reason).toBe('Unreachable');
  expect(writes(t)).toBeLessThanOrEqual(8);
  expect(events(t, 'Normal')).toHaveLength(1);

  t.answer = asked => t.judge(asked);
  await t.until(() => t.condition('shop', 'Ready')?.status === 'True', 10 * MINUTE);
  await t.pass(MINUTE);
  // the end also tells how often it had failed: each attempt, and the token's death
  const series = events(t, 'Warning')[0]?.series;
  const all = t.asked.length - before - 1;
  expect(series?.count).toBeGreaterThanOrEqual(failed);
  expect(series?.count).toBeLessThanOrEqual(all + 1);
  expect(Date.parse(series?.lastObservedTime ?? '')).toBeGreaterThan(
    t.world.clock.wall() - 8 * MINUTE * 1000,
  );
  expect(said(t)).toEqual(['Normal TokenLive', 'Warning Unreachable', 'Normal TokenLive']);
  expect(events(t, 'Normal').map(({ series }) => series)).toEqual([undefined, undefined]);
});

test('failures that the token outlives end with one Normal', async () => {
  const t = await trouble({ expiresIn: 7200 }, made => made.apply('shop'));
  await t.until(() => t.condition('shop', 'Ready')?.status === 'True');
  t.answer = () => answer(503);
  await t.until(() => t.condition('shop', 'Refreshed')?.status === 'False', 2 * HOUR);
  t.answer = asked => t.judge(asked);
  await t.until(() => t.condition('shop', 'Refreshed')?.status === 'True', HOUR);
  await t.pass(5);
  expect(said(t)).toEqual(['Normal TokenLive', 'Warning OutcomeUnknown', 'Normal TokenPublished']);
});

test('a provider that fails every other time is no spam', async () => {
  const t = await shop();
  let turn = 0;
  t.answer = asked => {
    turn += 1;
    return turn % 2 === 0 ? t.judge(asked) : UNREACHED;
  };
  t.world.api.requests.clear();
  await t.pass(2 * HOUR);
  expect(t.asked.length).toBeGreaterThan(200);
  expect(events(t).length).toBeLessThanOrEqual(3);
  expect(writes(t)).toBeLessThan(2 * 2 * 7);
});

test('the id of an attempt leads from the status to the log and the event', async () => {
  const t = await shop();
  t.answer = () => UNREACHED;
  await t.until(() => t.condition('shop', 'Refreshed')?.status === 'False', HOUR);
  await t.pass(0.2);
  const id = t.status('shop').lastAttemptId ?? '';
  expect(id).toMatch(/^[0-9a-f]{10}$/);
  expect(events(t, 'Warning')[0]?.note).toContain(`(attempt ${id})`);
  const attempts = logEntries(t.world.logs).filter(({ attempt }) => attempt !== undefined);
  expect(attempts.filter(({ attempt }) => attempt === id)).toEqual([
    expect.objectContaining({ credential: 'team/shop', class: 'Unavailable', reason: 'Unreachable' }),
  ]);
  // one line an attempt, each with an id of its own, and the stable keys
  expect(attempts).toHaveLength(t.asked.length);
  expect(new Set(attempts.map(({ attempt }) => attempt)).size).toBe(t.asked.length);
  for (const entry of attempts) {
    const { credential, provider, flow, grant, class: found, durationMs } = entry;
    expect([credential, provider, flow, grant]).toEqual(['team/shop', 'acme', 'password', 'Login']);
    expect(typeof durationMs).toBe('number');
    expect(found === 'Success' ? entry.reason : 'x').toBe(found === 'Success' ? undefined : 'x');
  }
});

test('an Event that the API server has forgotten is made anew', async () => {
  const t = await shop();
  t.answer = () => UNREACHED;
  await t.until(() => events(t, 'Warning').length === 1, HOUR);
  const [first] = events(t, 'Warning');
  t.world.api.delete('events', first?.metadata.name ?? '', 'team');
  await t.pass(20 * MINUTE);
  const [second, ...more] = events(t, 'Warning');
  expect(more).toEqual([]);
  expect(second?.metadata.name).not.toBe(first?.metadata.name);
  expect(second?.series?.count).toBeGreaterThan(1);
});

test('what was counted and not said is said before the process ends', async () => {
  const t = await shop();
  t.answer = () => UNREACHED;
  const told = () => events(t, 'Warning')[0]?.series?.count ?? 0;
  const failed = () => t.status('shop').failures?.consecutive ?? 0;
  await t.until(() => told() >= 2 && failed() > told(), HOUR);
  const before = told();
  const stopped = t.run.stop();
  await t.pass(30);
  await stopped;
  expect(before).toBeLessThan(failed());
  expect(told()).toBeGreaterThanOrEqual(failed());
});
