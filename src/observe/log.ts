import pino, { type Logger } from 'pino';
import type { Clock } from '../loop/clock.ts';

/**
 * Names of fields whose value is never logged. This is the second line of defence, for a slip:
 * the first is that nothing secret is handed to a log.
 */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'password',
  'token',
  'accessToken',
  'access_token',
  'refreshToken',
  'refresh_token',
  'apiKey',
  'api_key',
  'secret',
  'authorization',
  'Authorization',
  'cookie',
  'inputs',
  'body',
  'data',
  'stringData',
]);
/** How deep fields are searched for those names; what lies deeper is not logged at all. */
const DEEPEST = 3;

export interface LogOptions {
  readonly clock: Clock;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'pretty';
  /** Where lines go, each with its newline; by default to standard output, those of one turn of the event loop together. */
  readonly write?: (line: string) => void;
}

/** One line an entry: JSON, or something for people. A {@link Log} takes the keys of the vocabulary alone; this takes any. Errors are logged as their type, code and frames, since messages may quote values. */
export function createLog(options: LogOptions): Logger {
  const { clock, level, format } = options;
  const write = options.write ?? inTurns(lines => process.stdout.write(lines));
  const output = format === 'json' ? write : (line: string) => write(pretty(line));
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(clock.wall()).toISOString()}"`,
      formatters: { level: label => ({ level: label }), log: fields => safe(fields, 1) },
    },
    { write: output },
  );
}

/** A write of its own for each line would cost more than the line. */
function inTurns(write: (lines: string) => void): (line: string) => void {
  let lines = '';
  const flush = (): void => {
    const told = lines;
    lines = '';
    if (told !== '') write(told);
  };
  // What the last turn told of.
  process.once('exit', flush);
  return line => {
    if (lines === '') setImmediate(flush);
    lines += line;
  };
}

/** pino's own redaction costs as much as the rest of a line. */
function safe(fields: object, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    shown[name] = SECRET_FIELDS.has(name) ? '[redacted]' : safeValue(value, depth);
  }
  return shown;
}

function safeValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return describe(value);
  if (depth >= DEEPEST) return '[deeper]';
  if (Array.isArray(value)) return value.map(item => safeValue(item, depth + 1));
  return safe(value, depth + 1);
}

function describe(error: Error): Record<string, unknown> {
  const frames = (error.stack ?? '').split('\n').filter(line => /^ {4}at /.test(line));
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  return { type: error.name, ...code, at: frames.slice(0, 8).map(frame => frame.trim().slice(3)) };
}

/** `12:34:56.789 INFO  token obtained credential=shop/acme durationMs=200` */
function pretty(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${plain(value)}`);
  return `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}${rest.join('')}\n`;
}

function plain(value: unknown): string {
  return typeof value === 'string' && /^[^\s"'=\p{C}]+$/u.test(value) ? value : JSON.stringify(value);
}
