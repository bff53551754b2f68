import { execFile, spawn } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { serve } from '../../sandbox/serve.ts';

/** What the image runs: one file, and beside it what only a kubeconfig needs; far from any node_modules. */

const run = promisify(execFile);
/** Made for all tests that start the program (test/support/bundled.ts). */
const bundle = process.env.TOKENSYNC_PROGRAM ?? '';
const folder = dirname(bundle);

test('is small, and says its version', async () => {
  const { stdout } = await run(process.execPath, ['--enable-source-maps', bundle, '--version']);
  expect(stdout).toBe(`tokensync ${manifest.version}\n`);
  // the library of kubeconfigs would be twice as much, and all of undici and zod half as much again
  const [main, shared] = await loadedFiles();
  expect(main + shared).toBeLessThan(1_800_000);
  expect((await stat(`${bundle}.map`)).size).toBeLessThan(600_000);
});

test('is ASCII: one other character, and V8 would hold two bytes for each', async () => {
  const files = (await readdir(folder)).filter(name => name.endsWith('.mjs'));
  const texts = await Promise.all(files.map(name => readFile(join(folder, name), 'latin1')));
  // oxlint-disable-next-line no-control-regex
  expect(texts.map(text => /[^\0-\x7f]/.exec(text)?.index)).toEqual(files.map(() => undefined));
});

test("does not load Node's own fetch", async () => {
  const script = `
    process.argv.push('--version');
    await import(${JSON.stringify(bundle)});
    process.stderr.write(process.moduleLoadList.filter(name => name.includes('undici')).join());
  `;
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', script, 'bundle']);
  expect([stdout, stderr]).toEqual([`tokensync ${manifest.version}\n`, '']);
});

/** Bytes of the file that is started, and of those that it imports at once. */
async function loadedFiles(): Promise<[main: number, shared: number]> {
  const text = await readFile(bundle, 'utf8');
  const imported = [...text.matchAll(/from *"\.\/([\w-]+\.mjs)"/g)].map(([, name = '']) => name);
  const sizes = await Promise.all([...new Set(imported)].map(name => stat(join(folder, name))));
  return [text.length, sizes.reduce((sum, { size }) => sum + size, 0)];
}

test('has what a kubeconfig with an exec plugin needs', async ({ onTestFinished }) => {
  const asked = Promise.withResolvers<string | undefined>();
  const server = await serve(request => {
    asked.resolve(request.headers.authorization);
    return { status: 503 };
  });
  onTestFinished(() => server.close());
  const credential = {
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    status: { token: 'from-the-plugin' },
  };
  const exec = {
    apiVersion: credential.apiVersion,
    command: process.execPath,
    args: ['-p', JSON.stringify(JSON.stringify(credential))],
    interactiveMode: 'Never',
  };
  const config = {
    'current-context': 'it',
    contexts: [{ name: 'it', context: { cluster: 'it', user: 'it' } }],
    clusters: [{ name: 'it', cluster: { server: server.url } }],
    users: [{ name: 'it', user: { exec } }],
  };
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, JSON.stringify(config));
  const flags = ['--metrics-bind-address=0', '--health-probe-bind-address=0'];
  const program = spawn(process.execPath, [bundle, `--kubeconfig=${kubeconfig}`, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void program.kill('SIGKILL'));
  let said = '';
  program.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  program.once('exit', () => asked.resolve(`it ended: ${said}`));
  expect(await asked.promise).toBe('Bearer from-the-plugin');
});
