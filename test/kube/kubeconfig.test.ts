import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Authority, createAuthority } from '../../sandbox/certificates.ts';
import { startProxy } from '../../sandbox/proxy.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { kubeconfigEndpoint } from '../../src/kube/kubeconfig.ts';
import { kubeconfigPaths } from '../../src/kube/kubeconfig-file.ts';
import { type Call, clientOf, FakeApi, until } from './fake-api.ts';

const CANARY = 'canary-p4ss';
const base64 = (text: string) => Buffer.from(text).toString('base64');

let authority: Authority;
let leaf: { key: string; cert: string };
let secure: FakeApi;
let plain: FakeApi;
let folder: string;
let clock: VirtualClock;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  leaf = await authority.issue(['127.0.0.1']);
  secure = await FakeApi.start({ ...leaf, requestCert: true, rejectUnauthorized: false });
  plain = await FakeApi.start();
});
afterAll(() => Promise.all([secure.close(), plain.close()]));
beforeEach(async () => {
  clock = new VirtualClock({ startMs: 0 });
  folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map(close => close()));
  await rm(folder, { recursive: true });
});

const file = (name: string) => join(folder, name);

/** A kubeconfig of one context; JSON is YAML. */
async function write(
  name: string,
  parts: { cluster?: object; user?: object | null; context?: object; current?: string },
): Promise<string> {
  const { cluster = {}, user = {}, context = {}, current = 'ctx' } = parts;
  const document = {
    'current-context': current,
    clusters: [{ name: 'c', cluster: { server: secure.url, ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'ctx', context: { cluster: 'c', user: 'u', ...context } }],
  };
  await writeFile(file(name), JSON.stringify(document));
  return file(name);
}

async function open(paths: string[], context?: string) {
  const opened = await kubeconfigEndpoint({ paths, context, clock });
  closing.push(() => opened.endpoint.close());
  return opened;
}

/** How one request through the endpoint arrives. */
async function arrives(path: string, api = secure): Promise<Call> {
  const { endpoint } = await open([path]);
  const { client } = clientOf('', clock, { endpoint });
  const answer = client.get('/api/v1/secrets', z.unknown());
  let call: Call | undefined;
  let failed = false;
  answer.catch(() => {
    failed = true;
  });
  await until(() => api.waiting > 0 || failed, 'a request');
  if (!failed) call = await api.next();
  call?.json(200, {});
  await answer;
  if (call === undefined) throw new Error('answered by nobody');
  return call;
}

const ca = () => ({ 'certificate-authority-data': base64(authority.ca) });

describe('authenticates', () => {
  test('by token, with the CA in the file', async () => {
    const call = await arrives(await write('a', { cluster: ca(), user: { token: CANARY } }));
    expect(call.headers.authorization).toBe(`Bearer ${CANARY}`);
  });

  test('by token file and CA file, both relative to the kubeconfig', async () => {
    await writeFile(file('ca.pem'), authority.ca);
    await writeFile(file('token'), `${CANARY}\n`);
    const cluster = { 'certificate-authority': 'ca.pem' };
    const call = await arrives(await write('a', { cluster, user: { tokenFile: 'token', token: 'other' } }));
    expect(call.headers.authorization).toBe(`Bearer ${CANARY}`);
  });

  test('by password', async () => {
    const user = { username: 'me', password: CANARY };
    const call = await arrives(await write('a', { cluster: ca(), user }));
    expect(call.headers.authorization).toBe(`Basic ${base64(`me:${CANARY}`)}`);
  });

  test('by client certificate', async () => {
    await writeFile(file('client.key'), leaf.key);
    const user = { 'client-certificate-data': base64(leaf.cert), 'client-key': 'client.key' };
    expect((await arrives(await write('a', { cluster: ca(), user }))).clientName).toBe('tokensync sandbox');
  });

  test('by an exec plugin beside the kubeconfig, run again after a 401', async () => {
    const script = `#!/bin/sh
echo run >> "${file('runs')}"
n=$(wc -l < "${file('runs')}")
echo '{"kind":"ExecCredential","status":{"token":"${CANARY}-'$n'"}}'
`;
    await writeFile(file('plugin'), script);
    await chmod(file('plugin'), 0o755);
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: './plugin',
      interactiveMode: 'Never',
    };
    const { endpoint } = await open([await write('a', { cluster: ca(), user: { exec } })]);
    const { client } = clientOf('', clock, { endpoint });
    const answer = client.get('/x', z.unknown());
    const first = await secure.next();
    expect(first.headers.authorization).toMatch(new RegExp(`^Bearer ${CANARY}- *1$`));
    first.status(401, 'Unauthorized');
    const second = await secure.next();
    expect(second.headers.authorization).toMatch(new RegExp(`^Bearer ${CANARY}- *2$`));
    second.json(200, {});
    await answer;
    await clock.advance(60_000);
    expect((await endpoint.headers()).authorization).toBe(second.headers.authorization);
  });

  test('as another user', async () => {
    const user = { token: CANARY, as: 'other', 'as-groups': [], 'as-uid': '', 'as-user-extra': {} };
    const call = await arrives(await write('a', { cluster: ca(), user }));
    expect(call.headers).toMatchObject({ authorization: `Bearer ${CANARY}`, 'impersonate-user': 'other' });
  });

  test.each([false, true])('a plugin is told about itself, and the cluster if wanted: %s', async wanted => {
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'sh',
      args: [
        '-c',
        `printf %s "$KUBERNETES_EXEC_INFO" > "${file('info')}"; echo '{"status":{"token":"'$OWN'"}}'`,
      ],
      env: [{ name: 'OWN', value: CANARY }],
      provideClusterInfo: wanted,
    };
    const config = { audience: 'x' };
    const extensions = [
      { name: 'other', extension: {} },
      { name: 'client.authentication.k8s.io/exec', extension: config },
    ];
    await writeFile(file('ca.pem'), authority.ca);
    const cluster = { 'certificate-authority': 'ca.pem', extensions };
    const call = await arrives(await write('a', { cluster, user: { exec } }));
    expect(call.headers.authorization).toBe(`Bearer ${CANARY}`);
    const info = {
      server: secure.url,
      'certificate-authority-data': base64(authority.ca),
      config,
    };
    expect(JSON.parse(await readFile(file('info'), 'utf8'))).toEqual({
      apiVersion: exec.apiVersion,
      kind: 'ExecCredential',
      spec: { interactive: false, ...(wanted ? { cluster: info } : {}) },
    });
  });

  test('not at all, where the context names no user', async () => {
    const path = await write('a', { cluster: ca(), context: { user: undefined } });
    expect((await arrives(path)).headers.authorization).toBeUndefined();
  });

  test('a token changed in the file is used after a 401', async () => {
    const path = await write('a', { cluster: ca(), user: { token: 'old' } });
    const { endpoint } = await open([path]);
    await write('a', { cluster: ca(), user: { token: 'new' } });
    await endpoint.refresh();
    expect(await endpoint.headers()).toEqual({ authorization: 'Bearer new' });
  });
});

describe('connects', () => {
  test('to a plain http server', async () => {
    const path = await write('a', { cluster: { server: plain.url }, user: { token: CANARY } });
    expect((await arrives(path, plain)).headers.authorization).toBe(`Bearer ${CANARY}`);
  });

  test('only to a server that the CA vouches for', async () => {
    const other = await createAuthority();
    const cluster = { 'certificate-authority-data': base64(other.ca) };
    await expect(arrives(await write('a', { cluster }))).rejects.toMatchObject({ code: 0, sent: 'no' });
  });

  test('unless told to skip that', async () => {
    await arrives(await write('a', { cluster: { 'insecure-skip-tls-verify': true } }));
  });

  test('by another name of the server', async () => {
    const named = await FakeApi.start(await authority.issue(['api.example.com']));
    closing.push(() => named.close());
    const cluster = { ...ca(), server: named.url };
    await expect(arrives(await write('a', { cluster }), named)).rejects.toMatchObject({
      reason: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    await arrives(await write('a', { cluster: { ...cluster, 'tls-server-name': 'api.example.com' } }), named);
  });

  test('through a proxy', async () => {
    const proxy = await startProxy(() => secure.port);
    closing.push(() => proxy.close());
    await arrives(await write('a', { cluster: { ...ca(), 'proxy-url': proxy.url } }));
    expect(proxy.asked.map(each => each.authority)).toEqual([`127.0.0.1:${secure.port}`]);
  });
});

describe('chooses', () => {
  test('the current context, or the one that is asked for, with its namespace', async () => {
    const path = await write('a', { context: { namespace: 'team' } });
    expect(await open([path])).toMatchObject({ context: 'ctx', namespace: 'team' });
    expect((await open([await write('b', { current: '' })], 'ctx')).namespace).toBeUndefined();
  });

  test('among several files the first to name a thing; missing ones are passed over', async () => {
    await writeFile(
      file('first'),
      JSON.stringify({ contexts: [{ name: 'ctx', context: { cluster: 'c', namespace: 'one' } }] }),
    );
    const second = await write('second', { cluster: ca(), context: { namespace: 'two' } });
    const opened = await open([file('none'), file('first'), second]);
    expect([opened.namespace, opened.endpoint.server]).toEqual(['one', secure.url]);
  });

  test.each([
    [{ flag: '/f', env: { KUBECONFIG: '/a:/b' } }, ['/f']],
    [{ env: { KUBECONFIG: '/a::/b' } }, ['/a', '/b']],
    [{ flag: '', env: { KUBECONFIG: '' } }, ['/home/me/.kube/config']],
  ])('the files of %j', ({ flag, env }: { flag?: string; env: Record<string, string> }, expected) => {
    expect(kubeconfigPaths(flag, env, '/home/me')).toEqual(expected);
  });
});

describe('a mistake is told by its place, and nothing secret with it', () => {
  const exec = (command: string, args: string[] = []) => ({ user: { exec: { command, args } } });
  test.each<[string, () => Promise<string>, RegExp]>([
    ['no file', () => Promise.resolve(file('none')), /kubeconfig .*none does not exist: set --kubeconfig/],
    ['a folder', () => Promise.resolve(folder), /cannot read kubeconfig .* \(EISDIR\)/],
    ['no YAML', () => raw(`a: [${CANARY}\n b: "`), /raw is not valid YAML/],
    ['empty', () => raw(''), /raw is wrong or incomplete at the whole/],
    ['a list', () => raw(`- ${CANARY}`), /raw is wrong or incomplete at the whole/],
    [
      'no server',
      () => write('a', { cluster: { server: undefined } }),
      /incomplete at clusters\.0\.cluster\.server/,
    ],
    ['no current context', () => write('a', { current: '' }), /has no current-context: .*use-context/],
    [
      'unknown context',
      () => write('a', { current: 'x' }),
      /context "x" is not in kubeconfig .*get-contexts/,
    ],
    [
      'unknown cluster',
      () => write('a', { context: { cluster: 'x' } }),
      /cluster "x" of context "ctx" is not in/,
    ],
    ['unknown user', () => write('a', { context: { user: 'x' } }), /user "x" of context "ctx" is not in/],
    [
      'no URL',
      () => write('a', { cluster: { server: 'api:6443' } }),
      /server of context "ctx" is no http or https URL/,
    ],
    [
      'a password in the server',
      () => write('a', { cluster: { server: `https://me:${CANARY}@127.0.0.1` } }),
      /^the server of context "ctx" holds a user or password: put them into the kubeconfig's user$/,
    ],
    [
      'a user in the server',
      () => write('a', { cluster: { server: 'https://me@127.0.0.1' } }),
      /^the server of context "ctx" holds a user or password/,
    ],
    [
      'a proxy whose password has a lone percent sign',
      () => write('a', { cluster: { 'proxy-url': `http://me:${CANARY}%@127.0.0.1:1` } }),
      /^the proxy-url of context "ctx": write % as %25 in its user and password$/,
    ],
    ...(
      [
        ['as-groups', ['admins']],
        ['as-uid', 'uid'],
        ['as-user-extra', { scopes: ['all'] }],
      ] as const
    ).map(([key, value]): [string, () => Promise<string>, RegExp] => [
      key,
      () => write('a', { user: { token: 't', as: 'other', [key]: value } }),
      new RegExp(`^kubeconfig user "u" has ${key}, which cannot be used here: .*`),
    ]),
    ...Object.entries<object>({
      'an unknown auth-provider': { 'auth-provider': { name: 'nobody', config: { token: CANARY } } },
      'a certificate without its key': { 'client-certificate-data': base64(CANARY) },
      'a plugin that answers without any': { exec: { command: 'echo', args: ['{"status":{}}'] } },
      'a plugin that answers without any, as another': {
        as: 'other',
        exec: { command: 'echo', args: ['{"status":{}}'] },
      },
    }).map(([what, user]): [string, () => Promise<string>, RegExp] => [
      what,
      () => write('a', { user }),
      /^kubeconfig user "u" gave no credentials: /,
    ]),
    [
      'a socks proxy',
      () => write('a', { cluster: { 'proxy-url': 'socks5://x' } }),
      /proxy-url of context "ctx"/,
    ],
    [
      'no CA file',
      () => write('a', { cluster: { 'certificate-authority': 'x' } }),
      /cannot read .*x, the kubeconfig's certificate-authority \(ENOENT\)/,
    ],
    [
      'no token file',
      () => write('a', { user: { tokenFile: 'x' } }),
      /cannot read .*x, the kubeconfig's tokenFile \(ENOENT\)/,
    ],
    [
      'no client key',
      () => write('a', { user: { 'client-key': 'x' } }),
      /credentials of kubeconfig user "u" cannot be read \(ENOENT\)/,
    ],
    [
      'no plugin',
      () => write('a', exec('./none')),
      /exec plugin ".*none" of kubeconfig user "u" is not there \(ENOENT\): install it/,
    ],
    [
      'a plugin that fails',
      () => write('a', exec('sh', ['-c', `echo ${CANARY} >&2; exit 1`])),
      /exec plugin "sh" of kubeconfig user "u" failed: run it by hand/,
    ],
    [
      'a plugin that babbles',
      () => write('a', exec('echo', [CANARY])),
      /exec plugin "echo" of kubeconfig user "u" failed/,
    ],
  ])('%s', async (_, make, message) => {
    const error: unknown = await open([await make()]).catch((thrown: unknown) => thrown);
    if (!(error instanceof Error)) throw new Error('expected an error');
    expect(error.message).toMatch(message);
    expect(`${error.stack} ${String(error.cause)}`).not.toContain(CANARY);
  });

  async function raw(content: string): Promise<string> {
    await writeFile(file('raw'), content);
    return file('raw');
  }
});
