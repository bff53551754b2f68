import type { Family } from './families.ts';

/** The two text formats that Prometheus reads, and what they ask of a text. */

export type Format = 'text' | 'openmetrics';

export const CONTENT_TYPE: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** What ends an exposition: OpenMetrics tells a whole one from one that was cut off. */
export const END: Readonly<Record<Format, string>> = { text: '', openmetrics: '# EOF\n' };

const OPENMETRICS = /^application\/openmetrics-text\s*(;|$)/i;
const VERSION = /;\s*version\s*=\s*"?([^;"\s]+)/i;
const QUALITY = /;\s*q\s*=\s*([0-9.]+)/i;

/** @param accept the header; OpenMetrics only for who names it, and prefers it to text. */
export function formatFor(accept: string | undefined): Format {
  let [openmetrics, text] = [0, 0];
  for (const part of (accept ?? '').split(',').map(range => range.trim())) {
    const quality = Number(QUALITY.exec(part)?.[1] ?? 1);
    const version = VERSION.exec(part)?.[1] ?? '1.0.0';
    if (OPENMETRICS.test(part) && version === '1.0.0') openmetrics = Math.max(openmetrics, quality);
    else if (/^text\/plain\s*(;|$)/i.test(part)) text = Math.max(text, quality);
  }
  return openmetrics > 0 && openmetrics >= text ? 'openmetrics' : 'text';
}

export function header({ name, help, type }: Family): string {
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
}

/** `a="b",c="d"`, whatever the values hold. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeHelp(value).replaceAll('"', '\\"')}"`)
    .join(',');
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

const COMMENT = /^# (HELP|TYPE) (\S+) (.*)$/gm;

/**
 * One metric in the text format, as OpenMetrics: there a counter is named without `_total` but for its samples, and
 * quotes in a help are escaped. prom-client would do it by renaming the metric for good, and for every other scraper.
 */
export function toOpenMetrics(text: string): string {
  const isCounter = /^# TYPE \S+ counter$/m.test(text);
  return text.replaceAll(COMMENT, (_, kind: string, name: string, rest: string) => {
    const shown = isCounter ? name.replace(/_total$/, '') : name;
    return `# ${kind} ${shown} ${kind === 'HELP' ? rest.replaceAll('"', '\\"') : rest}`;
  });
}
