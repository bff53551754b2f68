import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** In a process of its own, as `npm run simulate` runs it: nothing of the test runner slows it, and its exit code is tried too. */
function simulate(...args: string[]): Promise<Ended> {
  return new Promise(resolve => {
    const argv = ['sandbox/simulate.ts', ...args];
    execFile(process.execPath, argv, { cwd: ROOT }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, output: stdout + stderr });
    });
  });
}

const numberOf = (output: string, what: string): number =>
  Number(RegExp(`(\\d+) ${what}`).exec(output)?.[1] ?? 0);

/** The same week each time, unless asked for another. */
const SEED = process.env.SIMULATION_SEED ?? 'week';

test(`a week of fifty credentials among outages, edits and restarts: every promise holds (seed ${SEED})`, {
  timeout: 300_000,
}, async () => {
  const { code, output } = await simulate('--days', '7', '--seed', SEED);
  expect(code, output).toBe(0);
  expect(output).toContain('every promise held');
  expect(output).toContain(', 2 restarts');
  // the 120-second kind alone
  expect(numberOf(output, 'tokens')).toBeGreaterThan(20_000);
  // what went wrong is what it was about
  for (const kind of ['provider: ', 'api: ', 'watches: ']) expect(output).toContain(kind);
});

test.each([
  [['--days', '0'], '--days: 0 is not a number above 0'],
  [['--credentials', 'many'], '--credentials: many is not a whole number above 0'],
  [['--what'], "Unknown option '--what'"],
])('%j is refused with exit code 2', async (args, message) => {
  const { code, output } = await simulate(...args);
  expect(code).toBe(2);
  expect(output).toContain(message);
});
