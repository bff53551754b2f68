import { describe, expect, test } from 'vitest';
import type { Call } from '../../sandbox/apiserver/faults.ts';
import { secret } from '../../sandbox/fixtures.ts';
import { MINUTE, SECOND, scene } from './scene.ts';

describe('edits of the target', () => {
  test('labels, annotations and templates change without a login; what the spec drops is removed, what others added stays', async () => {
    const it = await scene({
      spec: {
        target: {
          labels: { team: 'blue', old: 'x' },
          annotations: { old: 'x' },
          data: { a: '$(token)', b: 'b' },
        },
      },
    });
    it.editSecret({
      metadata: { labels: { theirs: 'yes' }, annotations: { theirs: 'yes' } },
      data: { theirs: Buffer.from('kept').toString('base64') },
    });
    await it.advance(MINUTE);
    const logins = it.logins;
    it.edit({
      target: {
        labels: { team: 'red', old: null },
        annotations: { old: null, note: 'n' },
        data: { b: null, c: 'c $(token)' },
      },
    });
    await it.advance(SECOND);
    const now = it.secret();
    expect(now?.labels).toEqual({ team: 'red', theirs: 'yes', 'tokensync.dev/managed': 'true' });
    expect(now?.annotations).toMatchObject({ note: 'n', theirs: 'yes' });
    expect(now?.annotations).not.toHaveProperty('old');
    expect(now?.data).toEqual({ a: now?.data.a, c: `c ${now?.data.a}`, theirs: 'kept' });
    expect(it.logins).toBe(logins);
    expect(it.waits()).toBe(true);
  });

  test('what others added is left alone by a renewal as well', async () => {
    const it = await scene({ flow: 'sendfact/token' });
    const before = it.token;
    it.editSecret({
      metadata: { labels: { theirs: 'yes' } },
      data: { theirs: Buffer.from('kept').toString('base64') },
    });
    await it.until(() => it.token !== before, MINUTE);
    await it.advance(MINUTE);
    expect(it.secret()?.labels.theirs).toBe('yes');
    expect(it.secret()?.data.theirs).toBe('kept');
  });

  test('after a restart a label of the spec changes without a login, also beside templates that do not hold the whole answer', async () => {
    const it = await scene({ spec: { target: { data: { key: 'x $(token)' }, labels: { team: 'blue' } } } });
    const { data } = it.secret() ?? {};
    await it.restart();
    await it.advance(MINUTE);
    it.edit({ target: { labels: { team: 'red' }, annotations: { note: 'n' } } });
    await it.advance(MINUTE);
    expect(it.secret()).toMatchObject({ data, labels: { team: 'red' }, annotations: { note: 'n' } });
    expect(it.logins).toBe(1);
    expect(it.waits()).toBe(true);
  });

  test('after a restart a new template is filled from the default keys without a login', async () => {
    const it = await scene();
    const token = it.token;
    await it.restart();
    it.edit({ target: { data: { mine: '$(headerValue)' } } });
    await it.advance(SECOND);
    expect(it.secret()?.data).toEqual({ mine: `Bearer ${token}` });
    expect(it.logins).toBe(1);
  });

  test('another name: the new Secret is written before the old one is removed, and nothing is sent', async () => {
    const it = await scene();
    const token = it.token;
    it.calm();
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(SECOND);
    expect(it.secret('elsewhere')?.data.token).toBe(token);
    expect(it.secret()).toBeUndefined();
    const order = it.world.api.requests
      .all(({ verb, resource }) => resource === 'secrets' && (verb === 'patch' || verb === 'delete'))
      .map(({ verb, name }) => `${verb} ${name}`);
    expect(order).toEqual(['patch elsewhere', `delete ${it.targetName}`]);
    expect(it.logins).toBe(1);
    expect(it.waits()).toBe(true);
    expect(it.status.token?.secretName).toBe('elsewhere');
  });

  test('another name after a restart, and a crash between the two Secrets: no login, and the old one is removed in the end', async () => {
    const it = await scene();
    const token = it.token;
    await it.restart();
    it.world.api.inject(({ verb, resource }) => verb === 'delete' && resource === 'secrets', 'hang', 1);
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(SECOND);
    await it.restart();
    await it.advance(MINUTE);
    expect(it.secret('elsewhere')?.data.token).toBe(token);
    expect(it.secret()).toBeUndefined();
    expect(it.logins).toBe(1);
  });

  test('another name and type; with Retain the old Secret stays as it is', async () => {
    const it = await scene({ spec: { target: { deletionPolicy: 'Retain' } } });
    const before = it.secret();
    it.edit({ target: { name: 'elsewhere', type: 'example.com/token' } });
    await it.advance(MINUTE);
    expect(it.secret('elsewhere')).toMatchObject({ type: 'example.com/token', data: before?.data });
    expect(it.secret()).toEqual(before);
    expect(it.logins).toBe(1);
  });

  test('another name and Retain at once: the old Secret stays', async () => {
    const it = await scene();
    it.edit({ target: { name: 'elsewhere', deletionPolicy: 'Retain' } });
    await it.advance(MINUTE);
    expect(it.secret('elsewhere')?.owners).toEqual([]);
    expect(it.secret()?.data).toEqual(it.secret('elsewhere')?.data);
  });

  test('another name after a restart, also beside templates that do not hold the whole answer: no login', async () => {
    const it = await scene({ spec: { target: { data: { key: 'x $(token)' } } } });
    const { data } = it.secret() ?? {};
    await it.restart();
    await it.advance(MINUTE);
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(MINUTE);
    expect(it.secret('elsewhere')?.data).toEqual(data);
    expect(it.secret()).toBeUndefined();
    expect(it.logins).toBe(1);
  });

  test('another name that is a stranger’s: a conflict, and the old Secret goes on being there', async () => {
    const it = await scene();
    const before = it.secret();
    it.put(secret('default', 'elsewhere', { theirs: 'yes' }));
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(MINUTE);
    expect(it.ready).toBe('False SecretConflict');
    expect(it.secret()).toEqual(before);
    expect(it.secret('elsewhere')?.data).toEqual({ theirs: 'yes' });
    it.edit({ target: { name: it.targetName } });
    await it.advance(SECOND);
    expect(it.ready).toBe('True TokenLive');
    expect(it.logins).toBe(1);
  });

  test('another name, and the old Secret cannot be removed: status and metrics tell of the new one, and go on', async () => {
    const it = await scene();
    const refusal = it.world.api.inject(
      ({ verb, resource }) => verb === 'delete' && resource === 'secrets',
      { status: 403, reason: 'Forbidden' },
      Number.POSITIVE_INFINITY,
    );
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(SECOND);
    expect(it.waits()).toBe(true);
    expect(it.status.token?.secretName).toBe('elsewhere');
    const { expiresAt } = it;
    await it.at(expiresAt);
    expect(it.expiresAt).toBeGreaterThan(expiresAt);
    expect(it.secret('elsewhere')?.data.token).toBe([...it.world.providers.issued()].at(-1));
    expect(await it.run.scrape()).toMatch(
      new RegExp(`tokensync_credential_expiry_timestamp_seconds\\{.*\\} ${it.expiresAt / 1000}`),
    );
    // asked again when the token is renewed, and not in a loop
    expect(refusal.hits).toBeLessThan(6);
  });

  test('another name with Retain, and back again while the operator is down: the later token counts', async () => {
    const it = await scene({ spec: { target: { deletionPolicy: 'Retain' } } });
    const first = it.token;
    it.edit({ target: { name: 'elsewhere' } });
    await it.advance(SECOND);
    it.annotate('now');
    await it.advance(MINUTE);
    const later = it.secret('elsewhere')?.data.token;
    expect(later).not.toBe(first);
    it.crash();
    it.edit({ target: { name: it.targetName, deletionPolicy: 'Delete' } });
    await it.start();
    await it.advance(MINUTE);
    expect(it.token).toBe(later);
    expect([it.ready, it.logins]).toEqual(['True TokenLive', 2]);
  });

  test.each([
    ['the old Secret is removed', (call: Call) => call.verb === 'delete'],
    ['status tells of it', (call: Call) => call.subresource === 'status'],
  ])(
    'another name twice, with a crash before %s: no login, and no Secret is left behind',
    async (_what, cut) => {
      const it = await scene();
      const token = it.token;
      it.world.api.inject(cut, 'hang', 1);
      it.edit({ target: { name: 'between' } });
      await it.advance(SECOND);
      it.crash();
      expect(it.secret('between')?.data.token).toBe(token);
      it.edit({ target: { name: 'elsewhere' } });
      // Its owner is another's: not ours, whatever its annotations say.
      it.put(secret('default', 'theirs', { theirs: 'yes' }));
      it.editSecret({ metadata: { annotations: it.secret('between')?.annotations ?? {} } }, 'theirs');
      await it.start();
      await it.advance(MINUTE);
      expect(it.secret('elsewhere')?.data.token).toBe(token);
      expect([it.secret(), it.secret('between')]).toEqual([undefined, undefined]);
      expect(it.secret('theirs')?.data).toEqual({ theirs: 'yes' });
      expect([it.logins, it.waits()]).toEqual([1, true]);
    },
  );
});
