import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Makes the bundle as the image has it, in a folder of its own that is gone when this process is. @returns its path. */
export async function temporaryBundle(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tokensync-bundle-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'bundle.ts'), folder]);
  return join(folder, 'tokensync.mjs');
}
