import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { secret } from '../../sandbox/fixtures.ts';
import { type Kstatus, kstatusOf } from './kstatus.ts';
import { type Place, place, said } from './place.ts';

/** What a GitOps controller sees of a credential at each stage of its life, as a real API server holds it. */

const kstatus = async (it: Place, name: string): Promise<Kstatus> =>
  kstatusOf(await it.client.get('ProviderCredential', name, it.namespace));

/** Waits until the rules say so. */
async function becomes(it: Place, name: string, wanted: Kstatus): Promise<void> {
  await it.client.until(
    'ProviderCredential',
    items => items.some(item => item.metadata.name === name && kstatusOf(item) === wanted),
    { namespace: it.namespace },
  );
}

const patch = (it: Place, name: string, spec: object): Promise<unknown> =>
  it.kubectl(['patch', 'pcred', name, '--type=merge', '-p', JSON.stringify({ spec })]);

describe.concurrent('by the rules that Flux applies, a credential', () => {
  test('that is fresh is in progress, one that is Ready current, one that was edited in progress until its token is there', async context => {
    const it = await place(context, 'gitops-life');
    const { name } = await it.apply('pgf/login', 1);
    expect(await kstatus(it, name), 'not looked at').toBe('InProgress');
    const program = it.start();
    await becomes(it, name, 'Current');
    expect(said(await it.status(name), 'Ready')).toBe('True TokenLive');

    // While nobody looks, the edit is there and its result is not.
    program.signal('SIGSTOP');
    await patch(it, name, { environment: 'development' });
    expect(await kstatus(it, name), 'edited').toBe('InProgress');
    program.signal('SIGCONT');
    // No such account over there: the old token stays, and is not what the spec says.
    await it.until(name, status => said(status, 'Refreshed') === 'False Rejected');
    expect(await kstatus(it, name)).toBe('InProgress');
    await patch(it, name, { environment: 'production' });
    await becomes(it, name, 'Current');

    await patch(it, name, { suspend: true });
    await becomes(it, name, 'Current');
    expect(said(await it.status(name), 'Ready'), 'suspended with a live token').toBe('True Suspended');
  });

  test('whose provider, Secret or key is missing, or that is suspended before its first token, is in progress and heals', async context => {
    const it = await place(context, 'gitops-missing');
    it.start();
    const cases: [number, JsonObject, string][] = [
      [1, { providerRef: { name: `${it.namespace}-later` } }, 'False ProviderNotFound'],
      [2, { source: { secretRef: { name: 'later' } } }, 'False SourceMissing'],
      [3, { source: { keys: { username: 'nobody' } } }, 'False SourceKeyMissing'],
      [4, { suspend: true }, 'False Suspended'],
    ];
    for (const [index, spec, ready] of cases) {
      const { name } = await it.apply('pgf/login', index, spec);
      await it.until(name, status => said(status, 'Ready') === ready);
      expect([ready, await kstatus(it, name)]).toEqual([ready, 'InProgress']);
      expect(said(await it.status(name), 'Stalled'), ready).toBe('absent');
    }
    await it.client.apply(secret(it.namespace, 'later', it.secrets('pgf-login-2')), it.namespace);
    await becomes(it, 'pgf-login-2', 'Current');
    await patch(it, 'pgf-login-4', { suspend: false });
    await becomes(it, 'pgf-login-4', 'Current');
  });

  test('whose login is refused is in progress while it is tried, failed once only a person can help, and current again', async context => {
    const it = await place(context, 'gitops-refused');
    it.start('--rejection-delays=1s');
    const { name, secrets } = await it.apply('pgf/login', 1, { source: { secretRef: { name: 'wrong' } } });
    const wrong = secret(it.namespace, 'wrong', { ...secrets, password: 'c4n4ry-wrong' });
    await it.client.apply(wrong, it.namespace);
    await it.until(name, status => said(status, 'Refreshed') === 'False Rejected');
    expect(await kstatus(it, name)).toBe('InProgress');
    await becomes(it, name, 'Failed');
    expect(said(await it.status(name), 'Ready')).toBe('False RejectionLimit');
    // A reader of Ready alone sees no success either, and of the conditions none says otherwise.
    await it.client.apply(secret(it.namespace, 'wrong', secrets), it.namespace);
    await becomes(it, name, 'Current');
    expect(said(await it.status(name), 'Stalled')).toBe('absent');
  });

  test('whose password no longer works stays current while its token lives', async context => {
    const it = await place(context, 'gitops-alive');
    it.start('--rejection-delays=100ms');
    const { name, secrets } = await it.apply('pgf/login', 1);
    await becomes(it, name, 'Current');
    await it.client.apply(
      secret(it.namespace, `${name}-login`, { ...secrets, password: 'c4n4ry-wrong' }),
      it.namespace,
    );
    await it.until(name, status => said(status, 'Refreshed') === 'False Rejected');
    expect(await kstatus(it, name)).toBe('Current');
    expect(said(await it.status(name), 'Stalled')).toBe('absent');
  });
});
