import { describe, expect, test } from 'vitest';
import { refused, type Trouble, trouble } from './trouble.ts';

const DAY = 86_400;
const wrong = (made: Trouble): void => made.apply('a', { password: 'wrong' });

describe('a login that never worked', () => {
  test('is tried at once, after 1 minute and after 10 more, then Stalled for good', async () => {
    const t = await trouble({}, wrong);
    await t.pass(5);
    expect([t.says('a', 'Ready'), t.says('a', 'Stalled')]).toEqual(['False Rejected', 'absent']);
    expect(t.status('a').failures?.retryAt).toBe('2026-01-03T12:01:00Z');
    await t.pass(6 * 3600);
    expect(t.times()).toEqual([0, 60, 660]);
    expect(['Ready', 'Refreshed', 'Stalled'].map(type => t.says('a', type as 'Ready'))).toEqual([
      'False RejectionLimit',
      'False Rejected',
      'True RejectionLimit',
    ]);
    expect(t.status('a').failures?.retryAt).toBeUndefined();
    expect(t.secret('a-token')).toBeUndefined();
  });

  test.each([
    [1, [0]],
    [2, [0, 60]],
    [5, [0, 60, 660, 1260, 1860]],
    // the bound of a day comes before the definition's ten
    [10, [0, 60, 660, 1260, 1860, 2460, DAY, DAY + 600, DAY + 1200, DAY + 1800]],
  ])('maxRejections: %d of the definition is honoured', async (maxRejections, times) => {
    const t = await trouble({ login: { maxRejections } }, wrong);
    await t.pass((times.at(-1) ?? 0) + 7200);
    expect(t.times().length).toBe(times.length);
    for (const [index, at] of times.entries())
      expect(Math.abs((t.times()[index] ?? 0) - at)).toBeLessThan(120);
    expect(t.says('a', 'Stalled')).toBe('True RejectionLimit');
  });

  test('--rejection-delays sets the waits', async () => {
    const t = await trouble({ flags: ['--rejection-delays=2s,4s'] }, wrong);
    await t.pass(60);
    expect(t.times()).toEqual([0, 2, 6]);
  });

  test('has a new count as soon as the Secret is corrected, also when it was Stalled', async () => {
    const t = await trouble({}, wrong);
    await t.pass(700);
    expect(t.says('a', 'Stalled')).toBe('True RejectionLimit');
    t.login('a', { password: 'right' });
    await t.pass(1);
    expect([t.says('a', 'Ready'), t.says('a', 'Refreshed'), t.says('a', 'Stalled')]).toEqual([
      'True TokenLive',
      'True TokenPublished',
      'absent',
    ]);
    expect([t.logins, t.tries('a'), t.status('a').failures]).toEqual([4, 0, undefined]);
  });

  test('has a new count with another wrong password, and the first one does not come back with it', async () => {
    const t = await trouble({}, wrong);
    await t.pass(700);
    t.login('a', { password: 'wrong too' });
    await t.pass(700);
    expect(t.times()).toEqual([0, 60, 660, 700, 760, 1360].slice(0, t.logins));
    t.login('a', { password: 'wrong' });
    await t.pass(3600);
    expect(t.logins).toBe(6);
    expect(t.says('a', 'Stalled')).toBe('True RejectionLimit');
  });

  test('is not new when it flaps between two wrong values', async () => {
    const t = await trouble({}, wrong);
    for (let flap = 0; flap < 40; flap += 1) {
      await t.pass(30);
      t.login('a', { password: flap % 2 === 0 ? 'wrong too' : 'wrong' });
    }
    expect(t.logins).toBeLessThanOrEqual(4);
    expect(t.says('a', 'Stalled')).toBe('True RejectionLimit');
  });

  test('is not new for a label, an annotation, a description or a target', async () => {
    const t = await trouble({}, wrong);
    await t.pass(700);
    t.patch('providercredentials', 'a', { metadata: { labels: { team: 'x' }, annotations: { note: 'y' } } });
    await t.pass(5);
    t.patch('providercredentials', 'a', { spec: { target: { labels: { x: 'y' } } } });
    await t.pass(5);
    t.patch('secrets', 'a-login', { metadata: { labels: { x: 'y' } } });
    await t.pass(5);
    t.redefine({ documentation: 'told better' });
    await t.pass(7200);
    expect(t.logins).toBe(3);
    expect(t.says('a', 'Stalled')).toBe('True RejectionLimit');
  });

  test('gets one try from a changed login definition, and no more', async () => {
    const t = await trouble({}, wrong);
    await t.pass(700);
    t.redefine({}, { request: { headers: { 'x-api-version': '2' } } });
    await t.pass(1);
    // what is sent is new now, so it has a count of its own
    expect([t.logins, t.tries('a')]).toEqual([4, 1]);
    await t.pass(7200);
    expect(t.logins).toBe(6);
    t.redefine(
      {},
      {
        request: { headers: { 'x-api-version': '2' } },
        response: { rejected: 'status == 401 || status == 499' },
      },
    );
    await t.pass(DAY);
    // the same request, read in another way: one try
    expect(t.logins).toBe(7);
    expect(t.says('a', 'Stalled')).toBe('True RejectionLimit');
  });

  test('gets one try from each new value of the annotation, and no more', async () => {
    const t = await trouble({}, wrong);
    await t.pass(700);
    t.annotate('a', 'one');
    await t.pass(1000);
    expect(t.logins).toBe(4);
    t.annotate('a', 'one');
    await t.pass(1000);
    expect(t.logins).toBe(4);
    t.annotate('a', 'two');
    await t.pass(1000);
    expect([t.logins, t.says('a', 'Stalled'), t.status('a').lastHandledRefreshAt]).toEqual([
      5,
      'True RejectionLimit',
      'two',
    ]);
  });

  test('gets one try from the annotation on its provider', async () => {
    const t = await trouble({ expiresIn: DAY }, made => {
      wrong(made);
      made.apply('b');
    });
    await t.pass(700);
    t.patch('clustertokenproviders', 'acme', {
      metadata: { annotations: { 'tokensync.dev/refresh-requested-at': 'now' } },
    });
    await t.pass(DAY / 48);
    expect(t.times('a').length).toBe(4);
    // it was not stalled
    expect(t.times('b').length).toBe(1);
  });

  test('is never refused more than 6 times in 24 hours, whatever is changed', async () => {
    const t = await trouble({ login: { maxRejections: 10 } }, wrong);
    for (let hour = 0; hour < 30; hour += 1) {
      t.login('a', { password: `wrong ${hour}` });
      await t.pass(600);
      t.annotate('a', `${hour}`);
      await t.pass(600);
      t.redefine({}, { maxRejections: 10, request: { headers: { hour: `${hour}` } } });
      await t.pass(2400);
    }
    const times = t.times();
    expect(times.length).toBeGreaterThan(6);
    for (const at of times)
      expect(times.filter(other => other >= at && other < at + DAY - 1).length).toBeLessThanOrEqual(6);
  });
});

describe('a count of refused logins', () => {
  test('is not lost when the credential is deleted and made again', async () => {
    const t = await trouble({}, wrong);
    await t.pass(700);
    for (let again = 0; again < 3; again += 1) {
      t.remove('a');
      await t.pass(5);
      wrong(t);
      await t.pass(3600);
    }
    expect(t.logins).toBe(3);
    expect(t.says('a', 'Stalled')).toBe('True RejectionLimit');
  });

  test('is shared by credentials that would send the same, and by them alone', async () => {
    const t = await trouble({}, made => made.apply('a', { password: 'wrong', username: 'shared' }));
    await t.pass(70);
    t.apply('b', { password: 'wrong', username: 'shared' });
    t.apply('c', { password: 'wrong' });
    await t.pass(7200);
    expect(t.times('shared').length).toBe(3);
    expect(t.times('c').length).toBe(3);
    expect(t.says('b', 'Stalled')).toBe('True RejectionLimit');
  });

  test('holds for credentials made at once with the same wrong login: not each of them tries', async () => {
    const t = await trouble({}, made => {
      for (const name of ['a', 'b', 'c', 'd', 'e'])
        made.apply(name, { password: 'wrong', username: 'shared' });
    });
    await t.pass(7200);
    expect(t.logins).toBeLessThanOrEqual(3);
    for (const name of ['a', 'b', 'c', 'd', 'e']) expect(t.says(name, 'Stalled')).toBe('True RejectionLimit');
  });

  test('survives restarts and crashes: no restart is a new try', async () => {
    const t = await trouble({}, wrong);
    for (let restart = 0; restart < 20; restart += 1) await t.restart(40);
    expect(t.logins).toBe(3);
    for (let restart = 0; restart < 5; restart += 1) await t.restart(4000);
    expect(t.logins).toBe(3);
    expect(t.says('a', 'Stalled')).toBe('True RejectionLimit');
  });

  test('shows in status, in a column and in metrics', async () => {
    const t = await trouble({}, wrong);
    await t.pass(100);
    expect(t.status('a').login).toMatchObject({ tries: 2, lastTriedAt: '2026-01-03T12:01:00Z' });
    expect(t.status('a').login?.refusedAt).toEqual(['2026-01-03T12:00:00Z', '2026-01-03T12:01:00Z']);
    expect(JSON.stringify(t.status('a'))).not.toContain('wrong"');
    expect(await t.metric('tokensync_credential_rejections{namespace="team",name="a",provider="acme"}')).toBe(
      2,
    );
  });
});

describe('a login that once worked', () => {
  /** Waits until it works, then the provider refuses it. */
  async function once(options: Parameters<typeof trouble>[0] = {}): Promise<Trouble> {
    const t = await trouble(options, made => made.apply('a'));
    await t.until(() => t.condition('a', 'Ready')?.status === 'True');
    t.answer = () => refused();
    return t;
  }

  test('while its token lives, tries 2 and 3 wait for 5 % and half of what is left; then 6 h, then 24 h', async () => {
    const t = await once({ expiresIn: 2 * DAY });
    await t.until(() => t.logins === 2, 2 * DAY);
    const [, first = 0] = t.times();
    const expiry = 2 * DAY;
    expect(t.says('a', 'Ready')).toBe('True TokenLive');
    expect(t.says('a', 'Refreshed')).toBe('False Rejected');
    await t.pass(expiry - first + 1.5 * DAY);
    const [second = 0, third = 0, fourth = 0, fifth = 0, ...more] = t.times().slice(2);
    expect((second - first) / (expiry - first)).toBeCloseTo(0.05, 3);
    expect((third - second) / (expiry - second)).toBeCloseTo(0.5, 3);
    // of what is told in whole seconds
    expect(Math.abs(fourth - third - 6 * 3600)).toBeLessThanOrEqual(1);
    expect(Math.abs(fifth - fourth - DAY)).toBeLessThanOrEqual(1);
    expect(more).toEqual([]);
  });

  test('is not Stalled beside a live token; once it is dead and the tries are used up, it is', async () => {
    // renewed after 2 d 16 h at the latest, then tried again after 6 h and 24 h
    const t = await once({ expiresIn: 4 * DAY, login: { maxRejections: 1 } });
    await t.until(() => t.logins === 4, 4 * DAY);
    expect([t.says('a', 'Ready'), t.says('a', 'Stalled')]).toEqual(['True TokenLive', 'absent']);
    await t.pass(4 * DAY - t.now - 1);
    expect([t.says('a', 'Ready'), t.says('a', 'Stalled')]).toEqual(['True TokenLive', 'absent']);
    await t.pass(3);
    expect([t.says('a', 'Ready'), t.says('a', 'Stalled')]).toEqual([
      'False RejectionLimit',
      'True RejectionLimit',
    ]);
    expect(t.token('a')).toBe('token-1');
    await t.pass(3600);
    expect(t.logins).toBe(4);
  });

  test('without a live token has the same quick tries as any, then 6 h, then 24 h, then is Stalled', async () => {
    const t = await once({ expiresIn: 60 });
    await t.until(() => t.logins === 2, 60);
    await t.pass(1.5 * DAY);
    const [, first = 0, ...times] = t.times();
    expect(times.length).toBe(4);
    expect(times.at(-1)).toBe((times.at(-2) ?? 0) + DAY);
    expect(times.at(-2)).toBe((times.at(-3) ?? 0) + 6 * 3600);
    expect((times.at(-3) ?? 0) - first).toBeLessThan(700);
    expect(t.says('a', 'Stalled')).toBe('True RejectionLimit');
  });

  test('works again as soon as the account does', async () => {
    const t = await once({ expiresIn: DAY });
    await t.until(() => t.logins === 3, DAY);
    t.answer = asked => t.judge(asked);
    await t.until(() => t.logins === 4, DAY);
    await t.pass(1);
    expect([t.says('a', 'Refreshed'), t.tries('a'), t.status('a').failures]).toEqual([
      'True TokenPublished',
      0,
      undefined,
    ]);
  });

  test('keeps its old token when its Secret is changed to a wrong one, tries that as any new one, and stays Ready', async () => {
    const t = await trouble({ expiresIn: 10 * DAY }, made => made.apply('a'));
    await t.until(() => t.says('a', 'Ready') === 'True TokenLive');
    await t.pass(10);
    t.login('a', { password: 'wrong' });
    await t.pass(DAY / 4);
    expect(t.logins).toBe(4);
    expect([t.says('a', 'Ready'), t.says('a', 'Refreshed'), t.says('a', 'Stalled')]).toEqual([
      'True TokenLive',
      'False Rejected',
      'absent',
    ]);
    expect(t.token('a')).toBe('token-1');
  });
});
