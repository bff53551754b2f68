import { existsSync } from 'node:fs';
import { ProxyAgent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../../sandbox/demo/cluster.ts';
import { manifestsIn, openAccounts, trusting } from '../../sandbox/demo/examples.ts';
import { happeningOf, logLineOf } from '../../sandbox/demo/happenings.ts';
import { barOf, lineOf, type Row, signatureOf, tableOf } from '../../sandbox/demo/rows.ts';
import { Screen } from '../../sandbox/demo/screen.ts';
import { Verdict } from '../../sandbox/demo/verdict.ts';
import { createProviders } from '../../sandbox/providers/index.ts';
import { seeded } from '../../sandbox/random.ts';
import type { CredentialStatus } from '../../src/api/credential.ts';
import { systemClock } from '../../src/loop/clock.ts';

const NOW = Date.UTC(2026, 5, 1, 12);
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toISOString();

function row(status: CredentialStatus | undefined, name = 'sendfact-token'): Row {
  return { name, provider: 'sendfact', flow: 'token', status };
}

const condition = (type: string, status: 'True' | 'False', reason: string) => ({
  type,
  status,
  reason,
  message: '',
  lastTransitionTime: at(0),
});

const live: CredentialStatus = {
  conditions: [condition('Ready', 'True', 'TokenLive')],
  token: {
    issuedAt: at(-30),
    renewAt: at(30),
    expiresAt: at(90),
    grant: 'Refresh',
    secretName: 'sendfact-token',
  },
};
const stalled: CredentialStatus = {
  conditions: [condition('Ready', 'False', 'RejectionLimit'), condition('Stalled', 'True', 'RejectionLimit')],
  login: { tries: 3 },
  failures: { consecutive: 3 },
};

const BAR = '█████─────┃·········';
const kept: CredentialStatus = { ...live, token: { issuedAt: at(-30), grant: 'Login', secretName: 's' } };
const first: CredentialStatus = {
  conditions: [condition('Ready', 'False', 'TokenMissing')],
  login: { tries: 1 },
};
const refused: CredentialStatus = {
  conditions: [condition('Ready', 'False', 'Rejected')],
  login: { tries: 2 },
  failures: { consecutive: 2, retryAt: at(5) },
};

describe('a credential', () => {
  test.each<[string, CredentialStatus | undefined, string]>([
    ['○', undefined, 'Ready=Unknown, Pending'],
    ['●', live, `Ready=True, TokenLive, by Refresh, renews in 30s, expires in 1m30s ${BAR}`],
    ['●', kept, `Ready=True, TokenLive, by Login, is kept, never expires ${'─'.repeat(20)}`],
    ['○', first, 'Ready=False, TokenMissing, logging in, try 1'],
    ['○', refused, 'Ready=False, Rejected, refused 2 times, tries again in 5s'],
    ['✖', stalled, 'Ready=False, Stalled, RejectionLimit, refused 3 times, waits for a person'],
  ])('in words: %s %j', (mark, status, expected) => {
    expect(lineOf(row(status), NOW)).toBe(`${mark} sendfact-token (sendfact, token): ${expected}`);
  });

  test('in a table', () => {
    expect(
      tableOf(
        [live, kept, first, refused, stalled].map(status => row(status)),
        NOW,
      ),
    ).toEqual([
      '  NAME               PROVIDER   FLOW        READY   REASON         GRANT   RENEWS  EXPIRES LIFE',
      `● sendfact-token     sendfact   token       True    TokenLive      Refresh 30s     1m30s   ${BAR}`,
      `● sendfact-token     sendfact   token       True    TokenLive      Login   -       never   ${'─'.repeat(20)}`,
      '○ sendfact-token     sendfact   token       False   TokenMissing   logging in, try 1',
      '○ sendfact-token     sendfact   token       False   Rejected       refused 2 times, tries again in 5s',
      '✖ sendfact-token     sendfact   token       Stalled RejectionLimit refused 3 times, waits for a person',
    ]);
  });

  test('is news when something happened, not when time passes', () => {
    const refreshed = { ...live, token: { ...live.token, issuedAt: at(1) } } as CredentialStatus;
    expect(signatureOf(row(live))).toBe(signatureOf(row({ ...live })));
    expect(signatureOf(row(live))).not.toBe(signatureOf(row(refreshed)));
    expect(signatureOf(row(live))).not.toBe(signatureOf(row(stalled)));
    expect(signatureOf(row(undefined))).toBe(signatureOf(row(first)));
  });
});

describe('the bar', () => {
  test.each<[string, [number, number | undefined, number | undefined, number], string]>([
    ['fresh', [0, 50, 100, 0], '──────────┃·········'],
    ['due', [0, 50, 100, 50], '██████████┃·········'],
    ['overdue', [0, 50, 100, 75], '██████████┃████·····'],
    ['dead', [0, 50, 100, 500], '██████████┃█████████'],
    ['renewed only after expiry', [0, 101, 100, 50], '██████████─────────┃'],
    ['never renewed', [0, undefined, 100, 50], '██████████──────────'],
    ['no life at all', [100, undefined, 100, 50], '────────────────────'],
  ])('%s', (_name, [issued, renew, expires, now], expected) => {
    expect(barOf(issued, renew, expires, now)).toBe(expected);
  });
});

describe('the verdict', () => {
  const expected = { ready: ['a', 's'], refreshed: 's', stalled: 'm' };
  const renewed = { ...live, token: { ...live.token, issuedAt: at(10) } } as CredentialStatus;
  const all: readonly [CredentialStatus, string][] = [
    [live, 'a'],
    [live, 's'],
    [renewed, 's'],
    [stalled, 'm'],
  ];

  test.each<[string, readonly [CredentialStatus, string][], readonly string[]]>([
    ['all seen', all, []],
    ['one never Ready', all.slice(1), ['a was never Ready']],
    ['not refreshed', all.filter(([status]) => status !== renewed), ['the token of s was not refreshed']],
    [
      'the other refreshed',
      [...all.slice(0, 2), [renewed, 'a'], [stalled, 'm']],
      ['the token of s was not refreshed'],
    ],
    ['not stalled', all.slice(0, 3), ['m did not stall']],
    ['Ready with a wrong password', [...all, [live, 'm']], ['m was Ready, with a wrong password']],
  ])('%s', (_name, seen, problems) => {
    const verdict = new Verdict(expected);
    for (const [status, name] of seen) verdict.see(row(status, name));
    expect(verdict.problems()).toEqual(problems);
  });
});

describe('what happened', () => {
  test('an event, told once', () => {
    const event = {
      metadata: { uid: 'u1' },
      type: 'Warning',
      reason: 'Rejected',
      note: 'it refuses the login',
      regarding: { name: 'mistyped' },
    };
    expect(happeningOf(event)).toEqual({
      id: 'u1',
      line: 'warning  mistyped: Rejected: it refuses the login',
    });
    expect(happeningOf({ kind: 'Status' })).toBeUndefined();
  });

  test('a line of the log', () => {
    const fields = {
      level: 'info',
      time: 't',
      credential: 'demo/a',
      attempt: 'x',
      msg: 'token obtained',
      durationMs: 1,
    };
    expect(logLineOf(fields)).toBe('operator a: token obtained (durationMs=1)');
    expect(logLineOf({ msg: 'stopped' })).toBe('operator stopped');
  });
});

describe('the screen', () => {
  const written = (tty: boolean) => {
    const chunks: string[] = [];
    const stream = { isTTY: tty, columns: 10, write: (text: string) => chunks.push(text) };
    return { chunks, screen: new Screen(stream as unknown as NodeJS.WriteStream) };
  };

  test('is drawn over on a terminal, under what scrolls by, and never wraps', () => {
    const { chunks, screen } = written(true);
    screen.show(['one', 'a line that is far too long']);
    screen.say('happened');
    expect(chunks).toEqual(['\r\x1b[Jone\na line th\n', '\x1b[2A\r\x1b[Jhappened\none\na line th\n']);
  });

  test('elsewhere only what happened is printed', () => {
    const { chunks, screen } = written(false);
    screen.show(['block']);
    screen.say('happened');
    expect(chunks).toEqual(['happened\n']);
  });
});

describe('the examples', () => {
  const examples = manifestsIn('deploy/examples');
  const definitions = manifestsIn('deploy/providers');

  test('have an account for each of the seven flows', () => {
    const providers = createProviders({ clock: systemClock, random: seeded(1) });
    expect(openAccounts(providers, examples)).toHaveLength(7);
    const flows = examples
      .filter(({ kind }) => kind === 'ProviderCredential')
      .map(({ spec }) => spec as { providerRef: { name: string }; flow?: string })
      .map(({ providerRef, flow }) => `${providerRef.name}/${flow ?? ''}`);
    expect(flows.toSorted()).toEqual([
      'admintotal/',
      'admintotal/api-key',
      'firmeasy/',
      'pgf/login',
      'pgf/login-token',
      'sendfact/',
      'ventiapp/',
    ]);
  });

  test('of definitions nothing is changed but what they trust', () => {
    for (const definition of definitions) {
      const spec = definition.spec as object;
      expect(trusting(definition, 'PEM')).toEqual({
        ...definition,
        spec: { ...spec, network: { caBundle: 'PEM' } },
      });
    }
  });
});

describe('the cluster', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster('demo');
  });
  afterAll(() => cluster.close());

  test('takes everything that the demo applies, and shows it to who looks on', async () => {
    const { client } = cluster;
    await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo' } }, 'demo');
    for (const manifest of [
      ...manifestsIn('crds'),
      ...manifestsIn('deploy/providers').map(definition => trusting(definition, cluster.ca)),
      ...manifestsIn('deploy/examples'),
      ...manifestsIn('sandbox/demo/wrong-password.yaml'),
    ]) {
      await client.apply(manifest, 'demo');
    }
    const seen: string[] = [];
    const abort = new AbortController();
    const path = '/apis/tokensync.dev/v1alpha1/namespaces/demo/providercredentials';
    const following = client.follow(
      path,
      object => seen.push((object as { metadata: { name: string } }).metadata.name),
      abort.signal,
    );
    await expect.poll(() => seen.length).toBe(8);
    const again = manifestsIn('sandbox/demo/wrong-password.yaml').map(manifest =>
      manifest.kind === 'Secret'
        ? manifest
        : { ...manifest, metadata: { ...manifest.metadata, labels: { changed: 'true' } } },
    );
    for (const manifest of again) await client.apply(manifest, 'demo');
    await expect.poll(() => seen.slice(8)).toEqual(['mistyped']);
    abort.abort();
    await following;
  });

  test('refuses what it does not know, saying so', async () => {
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'NOT A NAME' } };
    await expect(cluster.client.apply(secret, 'demo')).rejects.toThrow('was refused');
  });

  test('leads the providers’ real names to the simulated ones, and no other', async () => {
    const dispatcher = new ProxyAgent({ uri: cluster.proxyUrl, requestTls: { ca: cluster.ca } });
    openAccounts(cluster.providers, manifestsIn('deploy/examples'));
    const answer = await request('https://acme.admintotal.com/api/v2/token/', {
      dispatcher,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'demo-user', password: 'not-a-real-password' }),
    });
    expect(answer.statusCode).toBe(200);
    await answer.body.dump();
    await expect(request('https://stranger.test/', { dispatcher })).rejects.toThrow();
    await dispatcher.close();
  });

  test('leaves nothing behind', async () => {
    const other = await startCluster('demo');
    expect(existsSync(other.kubeconfig)).toBe(true);
    await other.close();
    expect(existsSync(other.kubeconfig)).toBe(false);
    await expect(request(other.proxyUrl)).rejects.toThrow();
  });
});
