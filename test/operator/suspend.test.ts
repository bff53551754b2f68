import { describe, expect, test } from 'vitest';
import { HOUR, SECOND, scene } from './scene.ts';

describe('suspend', () => {
  test('sends nothing, also when renewal is due; status says so, and Ready turns False at expiry', async () => {
    const it = await scene();
    const { expiresAt } = it;
    it.edit({ suspend: true });
    await it.advance(SECOND);
    expect(it.ready).toBe('True Suspended');
    await it.at(expiresAt + SECOND);
    expect(it.ready).toBe('False Suspended');
    expect(it.stalled).toBe('absent');
    expect(it.logins).toBe(1);
    it.edit({ suspend: false });
    await it.advance(SECOND);
    expect(it.ready).toBe('True TokenLive');
    expect(it.logins).toBe(2);
  });

  test('from the start: nothing is sent, and no session is made; resumed, it goes on at once', async () => {
    const it = await scene({ flow: 'admintotal/jwt', spec: { suspend: true }, ready: false });
    await it.advance(HOUR);
    expect(it.ready).toBe('False Suspended');
    expect(it.asked).toEqual([]);
    expect(it.world.api.list('secrets', 'default')).toHaveLength(1);
    it.edit({ suspend: null });
    await it.advance(SECOND);
    expect(it.waits()).toBe(true);
  });

  test('changed inputs, another account and a requested refresh wait for its end', async () => {
    const it = await scene();
    it.edit({ suspend: true });
    it.login({ password: 'new' });
    it.annotate('now');
    await it.advance(HOUR);
    expect(it.logins).toBe(1);
    expect(it.status.lastHandledRefreshAt).toBeUndefined();
    it.edit({ environment: 'development' });
    await it.advance(HOUR);
    expect(it.logins).toBe(1);
    expect(it.ready).toBe('False InputsChanged');
  });

  test('repair from what is held goes on, and so do new labels and another name', async () => {
    const it = await scene();
    it.edit({ suspend: true });
    await it.advance(SECOND);
    const before = it.secret();
    it.deleteSecret();
    await it.advance(SECOND);
    expect(it.secret()?.data).toEqual(before?.data);
    it.edit({ target: { name: 'elsewhere', labels: { a: 'b' } } });
    await it.advance(SECOND);
    expect(it.secret('elsewhere')).toMatchObject({ data: before?.data, labels: { a: 'b' } });
    expect(it.secret()).toBeUndefined();
    expect(it.logins).toBe(1);
  });
});
