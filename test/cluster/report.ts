/** What is said while it runs, and how it ends. */

const broken: string[] = [];

export function say(text: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

export function promise(kept: boolean, what: string): void {
  if (!kept) broken.push(what);
  say(`${kept ? 'kept  ' : 'BROKEN'} ${what}`);
}

/** @returns the exit code. */
export function verdict(): 0 | 1 {
  say(broken.length === 0 ? 'all promises kept' : `broken: ${broken.join('; ')}`);
  return broken.length === 0 ? 0 : 1;
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
