import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ASSETS } from './control-plane.ts';
import { place } from './place.ts';

/** What the runbook tells people to type, typed: of its commands those about credentials, providers and Secrets. */

const run = promisify(execFile);

const runbook = readFileSync(join(import.meta.dirname, '../../docs/runbook.md'), 'utf8');
const commands = new Set(
  [...runbook.matchAll(/^kubectl [^#\n]+|`(kubectl [^`\n]+)`/gm)]
    .map(([line, quoted]) => (quoted ?? line).trim())
    .filter(command => /^kubectl (get|describe|annotate) (pcred|ctprov|secret|--raw)/.test(command)),
);

test('every command of the runbook works as it is written', async context => {
  expect(commands.size).toBeGreaterThan(8);
  const it = await place(context, 'runbook');
  it.start();
  const { name } = await it.apply('pgf/login', 1);
  await it.untilReady(name);
  const env = {
    PATH: [ASSETS, process.env.PATH].join(delimiter),
    KUBECONFIG: it.kubeconfig,
    // kubectl keeps a cache there.
    HOME: dirname(it.kubeconfig),
  };
  for (const command of commands) {
    const typed = command
      .replaceAll('NAMESPACE', it.namespace)
      .replaceAll('NAME', name)
      .replaceAll('PROVIDER', it.provider('pgf'))
      .replaceAll('TARGET', `${name}-token`);
    // a header at least, also where `grep -v True` finds nothing that is wrong
    const { stdout, stderr } = await run('sh', ['-c', typed], { env, timeout: 30_000 });
    expect({ typed, stderr, told: stdout !== '' }).toEqual({ typed, stderr: '', told: true });
  }
});
