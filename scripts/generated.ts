import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Files that are made from the sources and committed: written, or compared with `--check`. */

export type Generated = ReadonlyMap<string, string>;

const SHOWN_LINES = 12;
const inProject = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The first lines that were taken away (`-`) or added (`+`), each with its number in its own file. */
export function shortDiff(committed: string, made: string): string {
  const [old, fresh] = [committed.split('\n'), made.split('\n')];
  const common = longestCommon(old, fresh);
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) [i, j] = [i + 1, j + 1];
    else if (j >= fresh.length || (i < old.length && common(i + 1, j) >= common(i, j + 1)))
      lines.push(`- ${i + 1}: ${old[i++]}`);
    else lines.push(`+ ${j + 1}: ${fresh[j++]}`);
  }
  const more = lines.length - SHOWN_LINES;
  return [...lines.slice(0, SHOWN_LINES), ...(more > 0 ? [`… ${more} lines more`] : [])].join('\n');
}

/** @returns the length of the longest common subsequence of what follows `a[i]` and `b[j]`, both included. */
function longestCommon(a: readonly string[], b: readonly string[]): (i: number, j: number) => number {
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => table[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  return at;
}

const committed = (path: string): Promise<string> =>
  readFile(inProject(path), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });

/** @returns the exit code: 1 when `--check` is given and a committed file differs. */
export async function writeOrCheck(files: Generated, args: readonly string[]): Promise<number> {
  let stale = 0;
  for (const [path, made] of files) {
    const before = await committed(path);
    if (before === made) continue;
    if (args.includes('--check')) {
      stale++;
      console.error(
        `${path} is not what its sources say. Run: npm run generate\n${shortDiff(before, made)}\n`,
      );
    } else {
      await writeFile(inProject(path), made);
      console.log(`wrote ${path}`);
    }
  }
  return stale > 0 ? 1 : 0;
}
