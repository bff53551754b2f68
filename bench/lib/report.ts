import { readFile, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { z } from 'zod';
import { Row } from './row.ts';

/** What the benchmarks found, as JSON: by benchmark, so that each can be run again alone. */

export const Machine = z.object({
  date: z.string(),
  processor: z.string(),
  cores: z.number(),
  memoryGiB: z.number(),
  kernel: z.string(),
  node: z.string(),
  v8: z.string(),
  tokensync: z.string(),
});
export type Machine = z.infer<typeof Machine>;
export const Report = z.record(z.string(), z.object({ on: Machine, rows: z.array(Row) }));
export type Report = z.infer<typeof Report>;

export function thisMachine(now: Date, version: string): Machine {
  const all = cpus();
  return {
    date: now.toISOString().slice(0, 10),
    processor: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `Linux ${release()}`,
    node: process.versions.node,
    v8: process.versions.v8,
    tokensync: version,
  };
}

/** @returns an empty one where there is no such file. @throws for a file that is no report. */
export async function readReport(path: string): Promise<Report> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return {};
  }
  return Report.parse(JSON.parse(text));
}

export function writeReport(path: string, report: Report): Promise<void> {
  return writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
}
