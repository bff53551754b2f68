import { readdir, readFile } from 'node:fs/promises';

/** A pod's process, seen from its node: this test must run there, as root. */

/** @returns the process id of what runs in this pod. */
export async function processOf(pod: string): Promise<number> {
  for (const entry of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const environment = await readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(`HOSTNAME=${pod}`)) return Number(entry);
  }
  throw new Error(`no process of pod ${pod} on this machine: run the test on the node, as root`);
}

/** Resident memory, MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+([0-9]+)/.exec(status)?.[1]) / 1024);
}

/** When it was executed, milliseconds since 1970, to some 10 ms. */
export async function startOf(pid: number): Promise<number> {
  const [stat, uptime] = await Promise.all(
    [`/proc/${pid}/stat`, '/proc/uptime'].map(path => readFile(path, 'utf8')),
  );
  // the fields behind the name, which may hold spaces; in hundredths of a second since boot
  const ticks = Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  return Date.now() - (Number(uptime?.split(' ')[0]) * 1000 - ticks * 10);
}
