import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';

/** What Linux knows of a process. */

/**
 * Processor time that its threads have used, in ms, to the nanosecond. What a thread used that has ended is not in it:
 * the programs here keep theirs.
 */
export async function cpuOf(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const times = await Promise.all(
    threads.map(thread => readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0')),
  );
  return times.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1e6;
}

/** Bytes read and written by system calls: sockets, files and all else. */
export async function bytesOf(pid: number): Promise<number> {
  const io = await readFile(`/proc/${pid}/io`, 'utf8');
  return fieldOf(io, 'rchar') + fieldOf(io, 'wchar');
}

/** The same, read alone: of two runs of one program, the difference is what came by sockets. */
export async function readOf(pid: number): Promise<number> {
  return fieldOf(await readFile(`/proc/${pid}/io`, 'utf8'), 'rchar');
}

export interface Resident {
  /** Bytes. */
  readonly total: number;
  /** Bytes that are its own, in contrast to those of mapped files, which others may share. */
  readonly anonymous: number;
}

export async function residentOf(pid: number): Promise<Resident> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return { total: fieldOf(status, 'VmRSS') * 1024, anonymous: fieldOf(status, 'RssAnon') * 1024 };
}

/** Most bytes that it held since it was started, or since {@link forgetPeak}. */
export async function peakOf(pid: number): Promise<number> {
  return fieldOf(await readFile(`/proc/${pid}/status`, 'utf8'), 'VmHWM') * 1024;
}

export function forgetPeak(pid: number): Promise<void> {
  return writeFile(`/proc/${pid}/clear_refs`, '5');
}

function fieldOf(text: string, name: string): number {
  const value = Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]);
  if (Number.isNaN(value)) throw new Error(`no ${name} in /proc`);
  return value;
}

/** Processes of these programs with a text among their arguments. */
export async function pidsOf(programs: readonly string[], argument: string): Promise<number[]> {
  const all = (await readdir('/proc')).filter(name => /^\d+$/.test(name));
  const found = await Promise.all(
    all.map(async pid => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const [program = '', ...args] = line.split('\0');
      return programs.includes(basename(program)) && args.some(arg => arg.includes(argument))
        ? [Number(pid)]
        : [];
    }),
  );
  return found.flat();
}
