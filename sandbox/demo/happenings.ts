import { z } from 'zod';

/** What happened, as one line each. */

const KubeEvent = z.object({
  metadata: z.object({ uid: z.string() }),
  type: z.string(),
  reason: z.string(),
  note: z.string().default(''),
  regarding: z.object({ name: z.string().default('') }).default({ name: '' }),
});

export interface Happening {
  /** Tells it from others; the same event may be seen twice. */
  readonly id: string;
  readonly line: string;
}

export function happeningOf(event: unknown): Happening | undefined {
  const parsed = KubeEvent.safeParse(event);
  if (!parsed.success) return undefined;
  const { metadata, type, reason, note, regarding } = parsed.data;
  return { id: metadata.uid, line: `${type.toLowerCase().padEnd(8)} ${regarding.name}: ${reason}: ${note}` };
}

/** Fields that every line has, or that say nothing here. */
const SILENT = new Set(['level', 'time', 'msg', 'credential', 'attempt', 'environment', 'provider', 'flow']);

/** A line of the operator's log, shorter: `operator sendfact-token: token obtained (grant=Login durationMs=100)`. */
export function logLineOf(fields: Readonly<Record<string, unknown>>): string {
  const { credential } = fields;
  const about = typeof credential === 'string' ? `${credential.slice(credential.indexOf('/') + 1)}: ` : '';
  const rest = Object.entries(fields)
    .filter(([name]) => !SILENT.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `operator ${about}${String(fields.msg)}${rest.length === 0 ? '' : ` (${rest.join(' ')})`}`;
}
