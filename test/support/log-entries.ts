import { z } from 'zod';

const Entry = z.record(z.string(), z.unknown());

/** What a log in JSON says, a line each. */
export const logEntries = (lines: readonly string[]): z.infer<typeof Entry>[] =>
  lines.map(line => Entry.parse(JSON.parse(line)));
