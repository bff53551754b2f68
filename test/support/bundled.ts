import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The bundle, made once for all that start the program: it starts in a third of the processor time that the source takes, and it is what users run. */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'tokensync-bundle-'));
  const script = join(import.meta.dirname, '../../scripts/bundle.ts');
  await promisify(execFile)(process.execPath, [script, folder]);
  process.env.TOKENSYNC_PROGRAM = join(folder, 'tokensync.mjs');
  return () => rm(folder, { recursive: true, force: true });
}
