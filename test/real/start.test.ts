import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { createAuthority } from '../../sandbox/certificates.ts';
import { Program } from '../e2e/program.ts';
import { kubeconfigText, startControlPlane } from './control-plane.ts';
import { clientOf, installCrds } from './install.ts';

/** How the program starts where something is amiss: one line with what to do, or a wait that says for what. */

const ANY_PORT = ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=127.0.0.1:0'];
const CANARY = 'c4n4ry-start';
const plane = inject('controlPlane');

function start(kubeconfig: string, ...flags: string[]): Program {
  const program = new Program([`--kubeconfig=${kubeconfig}`, '--leader-elect=false', ...ANY_PORT, ...flags]);
  onTestFinished(async () => {
    program.signal('SIGKILL');
    await program.exited;
  });
  return program;
}

/** The admin's kubeconfig, with something changed. */
async function written(name: string, change: (config: Config) => void): Promise<string> {
  const config = parse(await readFile(plane.kubeconfig, 'utf8')) as Config;
  change(config);
  const path = join(plane.folder, `start-${name}`);
  await writeFile(path, stringify(config), { mode: 0o600 });
  return path;
}
interface Config {
  'current-context'?: string;
  clusters: [{ cluster: Record<string, string> }];
  users: [{ user: Record<string, unknown> }];
}

describe('ends with 1 and one line that says what to do, where', () => {
  const cases: [string, () => Promise<string>, RegExp][] = [
    [
      'the kubeconfig is no YAML',
      async () => {
        const path = join(plane.folder, 'start-no-yaml');
        await writeFile(path, `a: [${CANARY}\n b: "`);
        return path;
      },
      /kubeconfig \S+start-no-yaml is not valid YAML/,
    ],
    [
      'it names no context',
      () =>
        written('no-context', config => {
          delete config['current-context'];
        }),
      /has no current-context: choose one with "kubectl config use-context"/,
    ],
    [
      'its exec plugin is missing',
      () =>
        written('no-plugin', ({ users: [{ user }] }) => {
          delete user.token;
          user.exec = {
            apiVersion: 'client.authentication.k8s.io/v1',
            command: 'no-such-plugin',
            args: [CANARY],
          };
        }),
      /the exec plugin "no-such-plugin" of kubeconfig user "main" is not there \(ENOENT\): install it, or put it on PATH/,
    ],
    [
      'its exec plugin fails',
      () =>
        written('bad-plugin', ({ users: [{ user }] }) => {
          delete user.token;
          user.exec = {
            apiVersion: 'client.authentication.k8s.io/v1',
            command: 'sh',
            args: ['-c', `echo ${CANARY} >&2; exit 3`],
          };
        }),
      /the exec plugin "sh" of kubeconfig user "main" failed: run it by hand to see why/,
    ],
    [
      'its CA is another’s',
      async () => {
        const { ca } = await createAuthority();
        return written('wrong-ca', ({ clusters: [{ cluster }] }) => {
          cluster['certificate-authority-data'] = Buffer.from(ca).toString('base64');
        });
      },
      /the certificate of https:\/\/127\.0\.0\.1:\d+ is not to be trusted \([A-Z_]+\): certificate-authority of the kubeconfig/,
    ],
    [
      'the server has another name',
      () =>
        written('wrong-name', ({ clusters: [{ cluster }] }) => {
          cluster['tls-server-name'] = 'api.example.com';
        }),
      /the certificate of \S+ is for other names \(ERR_TLS_CERT_ALTNAME_INVALID\): .*tls-server-name/,
    ],
    [
      'its token is refused',
      () =>
        written('wrong-token', ({ users: [{ user }] }) => {
          user.token = CANARY;
        }),
      /https:\/\/127\.0\.0\.1:\d+ refuses the credentials \(401 Unauthorized\): .*choose a user of the kubeconfig that works/,
    ],
  ];

  test.each(cases)('%s', async (_, make, says) => {
    const program = start(await make());
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr).toMatch(/^tokensync: .*\n$/);
    expect(program.stderr).toMatch(says);
    expect(program.output).not.toContain(CANARY);
    expect(program.output).not.toMatch(/\n +at /);
  });
});

test('waits for a server that does not answer, and says which and what to do', async () => {
  const { ca } = await createAuthority();
  const path = join(plane.folder, 'start-nobody');
  await writeFile(path, kubeconfigText({ server: 'https://127.0.0.1:1', ca, token: CANARY, namespace: 'x' }));
  const program = start(path);
  const line = await program.logged('waiting for the API server');
  expect(JSON.parse(line)).toMatchObject({
    level: 'warn',
    apiServer: 'https://127.0.0.1:1',
    reason: 'ECONNREFUSED',
  });
  expect(line).toContain('check that it runs');
  expect(await program.get('/readyz')).toMatchObject({ status: 503 });
  expect(await program.get('/healthz')).toMatchObject({ status: 200 });
  program.signal('SIGTERM');
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(program.stderr).toBe('');
});

test('waits for CRDs that are not installed, says so, is not ready, and goes on by itself once they are', async () => {
  const bare = await startControlPlane();
  onTestFinished(() => bare.stop());
  const client = clientOf(bare);
  onTestFinished(() => client.close());
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tokensync' } });
  const program = start(bare.kubeconfig);
  const line = await program.logged('"resource":"providercredentials"');
  expect(JSON.parse(line)).toMatchObject({ level: 'warn', code: 404 });
  expect(line).toContain('the CRDs of tokensync are not installed: kubectl apply -k deploy');
  expect(await program.get('/readyz')).toMatchObject({ status: 503 });
  expect(await program.get('/healthz')).toMatchObject({ status: 200 });
  await installCrds(client);
  await program.logged('work begins');
  expect(await program.get('/readyz')).toMatchObject({ status: 200 });
});
