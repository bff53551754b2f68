import { describe, expect, test } from 'vitest';
import { type Audited, place } from './place.ts';

/** tokensync as one meets it through kubectl, on a real API server with its real garbage collector. */

/** Names and times that differ from run to run, by what they are; columns one space apart. */
function plain(text: string, namespace: string): string {
  return text
    .replaceAll(namespace, 'NS')
    .replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME')
    .replace(/ (\d+m)?\d+s\b/g, ' AGE')
    .replace(/ +/g, ' ')
    .replace(/ $/gm, '');
}

const WRITES = new Set(['create', 'update', 'patch', 'delete']);

/** What was asked about one credential and its Secrets: `patch secrets/a-token 200`. */
function about(name: string, calls: readonly Audited[]): string[] {
  return calls
    .filter(({ objectRef }) => objectRef?.name?.startsWith(name) === true && objectRef.resource !== 'events')
    .map(({ verb, objectRef, responseStatus, requestURI }) => {
      const sub = objectRef?.subresource === undefined ? '' : `/${objectRef.subresource}`;
      const dry = requestURI.includes('dryRun') ? ' dry' : '';
      return `${verb} ${objectRef?.resource}${sub}/${objectRef?.name}${dry} ${responseStatus?.code}`;
    });
}
const writesIn = (calls: readonly string[]): string[] =>
  calls.filter(call => WRITES.has(call.split(' ')[0] ?? ''));

describe.concurrent('kubectl', () => {
  test('get shows what matters, and -o wide the rest', async context => {
    const it = await place(context, 'kubectl-get');
    const program = it.start('--rejection-delays=100ms');
    const good = await it.apply('pgf/login', 1);
    await it.apply('pgf/login', 2, { source: { secretRef: { name: 'nobody' } } });
    const bad = await it.apply('pgf/login', 3, { source: { secretRef: { name: 'wrong' } } });
    await it.client.apply(
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'wrong' },
        stringData: { username: 'me', password: 'c4n4ry-wrong' },
      },
      it.namespace,
    );
    await it.untilReady(good.name);
    await it.until(bad.name, ({ conditions }) => conditions?.some(({ type }) => type === 'Stalled') === true);
    const told = async (...args: string[]) =>
      plain((await it.kubectl(['get', ...args])).stdout, it.namespace);
    expect(await told('pcred')).toBe(
      [
        'NAME PROVIDER READY REASON EXPIRES RENEWS AGE',
        'pgf-login-1 NS-pgf True TokenLive TIME TIME AGE',
        'pgf-login-2 NS-pgf False SourceMissing AGE',
        'pgf-login-3 NS-pgf False RejectionLimit AGE',
        '',
      ].join('\n'),
    );
    expect(await told('pcred', '-o', 'wide')).toBe(
      [
        'NAME PROVIDER READY REASON EXPIRES RENEWS AGE FLOW SECRET TRIES',
        'pgf-login-1 NS-pgf True TokenLive TIME TIME AGE login pgf-login-1-token 0',
        'pgf-login-2 NS-pgf False SourceMissing AGE login',
        'pgf-login-3 NS-pgf False RejectionLimit AGE login 3',
        '',
      ].join('\n'),
    );
    expect(await told('ctprov', it.provider('pgf'))).toBe(
      'NAME ACCEPTED REASON SATURATED AGE\nNS-pgf True Compiled False AGE\n',
    );
    expect(await told('tokensync')).toContain('providercredential.tokensync.dev/pgf-login-1');
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  test('wait --for=condition=Ready, describe, apply of the same, and a label of someone else', async context => {
    const it = await place(context, 'kubectl-use');
    it.start();
    const { name } = await it.apply('pgf/login', 1);
    const target = `${name}-token`;
    expect(
      await it.kubectl(['wait', '--for=condition=Ready', `pcred/${name}`, '--timeout=60s']),
    ).toMatchObject({ code: 0 });

    await context.expect
      .poll(async () => (await it.kubectl(['describe', 'pcred', name])).stdout, {
        timeout: 30_000,
        interval: 500,
      })
      .toMatch(/Events:\n.*\n.*\n +Normal +TokenLive .*The Secret holds a live token\./);
    const story = plain((await it.kubectl(['describe', 'pcred', name])).stdout, it.namespace);
    for (const said of [
      'Conditions:\n Last Transition Time: TIME\n Message: The Secret holds a live token.\n Observed Generation: 1\n Reason: TokenLive\n Status: True\n Type: Ready',
      'Message: The last login worked, and its token is in the Secret.',
      'Token:\n Expires At: TIME\n Grant: Login\n Issued At: TIME\n Renew At: TIME\n Secret Name: pgf-login-1-token',
    ]) {
      expect(story).toContain(said);
    }
    expect(story).not.toContain('c4n4ry');

    // What a person applies, and applies again.
    const { stdout } = await it.kubectl(['get', 'pcred', name, '-o', 'json']);
    const { spec } = JSON.parse(stdout) as { spec: object };
    const file = {
      apiVersion: 'tokensync.dev/v1alpha1',
      kind: 'ProviderCredential',
      metadata: { name },
      spec,
    };
    const apply = async (): Promise<string> =>
      (await it.kubectl(['apply', '-f', '-'], JSON.stringify(file))).stdout.trim().split(' ').at(-1) ?? '';
    expect(await apply()).toBe('configured');
    await it.fence();
    const before = about(name, await it.calls());
    const logins = it.providers.log.count({ flow: 'login' });
    expect(logins).toBe(1);
    expect(await apply()).toBe('unchanged');
    await it.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(file));
    await it.kubectl(['label', 'pcred', name, 'team=billing']);
    await it.fence();
    expect(
      about(name, await it.calls()).slice(before.length),
      'our calls after what changes nothing',
    ).toEqual([]);
    expect(it.providers.log.count({ flow: 'login' })).toBe(logins);

    // A label of another manager outlives a refresh; a refresh is a few calls, and then nothing more.
    const label = ['label', 'secret', target, 'owner=someone-else', '--field-manager=someone'];
    expect(await it.kubectl(label)).toMatchObject({ code: 0 });
    await it.fence();
    const calm = about(name, await it.calls());
    expect(writesIn(calm.slice(before.length)), 'a stranger’s label is let be').toEqual([]);
    const old = (await it.status(name)).token?.issuedAt ?? '';
    await it.kubectl(['annotate', 'pcred', name, 'tokensync.dev/refresh-requested-at=now']);
    await it.until(name, ({ token }) => token !== undefined && token.issuedAt !== old);
    await it.fence();
    const refresh = about(name, await it.calls()).slice(calm.length);
    expect(writesIn(refresh)).toEqual([
      `patch providercredentials/status/${name} 200`,
      `patch secrets/${target} 200`,
      `patch providercredentials/status/${name} 200`,
    ]);
    expect(refresh.length).toBeLessThanOrEqual(5);
    await it.fence();
    await it.fence();
    expect(about(name, await it.calls()).slice(calm.length), 'calls go still').toEqual(refresh);
    const labels = await it.kubectl(['get', 'secret', target, '-o', 'jsonpath={.metadata.labels.owner}']);
    expect(labels.stdout).toBe('someone-else');
    expect(it.providers.isLive((await it.values(target))?.token ?? '')).toBe(true);
    expect(it.providers.log.count({ flow: 'login' })).toBe(2);
  });

  test('delete leaves nothing behind but what is a person’s, and Retain the token', async context => {
    const it = await place(context, 'kubectl-delete', ['admintotal', 'pgf']);
    it.start();
    const gone = await it.apply('admintotal/jwt', 1);
    const kept = await it.apply('pgf/login', 2, { target: { name: 'kept', deletionPolicy: 'Retain' } });
    await it.untilReady(gone.name, kept.name);
    const secrets = async (): Promise<string[]> =>
      (await it.client.list('Secret', it.namespace)).items.map(({ metadata }) => metadata.name).toSorted();
    const logins = [`${gone.name}-login`, `${kept.name}-login`];
    expect(await secrets()).toEqual(
      [...logins, `${gone.name}-token`, `${gone.name}.session`, 'kept'].toSorted(),
    );
    const deleted = await it.kubectl(['delete', 'pcred', gone.name, kept.name, '--timeout=60s']);
    expect(deleted).toMatchObject({ code: 0, stderr: '' });
    await it.client.until('Secret', items => items.length === 3, { namespace: it.namespace });
    expect(await secrets()).toEqual([...logins, 'kept'].toSorted());
    // Made again under the same name, the credential takes what was kept for its own.
    const uid = (await it.client.get('Secret', 'kept', it.namespace))?.metadata.uid;
    expect(uid).toBeDefined();
    await it.apply('pgf/login', 2, { target: { name: 'kept', deletionPolicy: 'Retain' } });
    await it.untilReady(kept.name);
    expect((await it.client.get('Secret', 'kept', it.namespace))?.metadata.uid).toBe(uid);
  });
});
