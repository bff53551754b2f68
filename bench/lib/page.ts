import type { Machine, Report } from './report.ts';
import { type Row, verdict } from './row.ts';
import { asMarkdown } from './table.ts';

/** The page that users read, made of the figures. Pure. */

export const PAGE = 'docs/performance.md';
export const RESULTS = 'bench/results.json';

const TITLES: Readonly<Record<string, { title: string; text: string }>> = {
  refresh: {
    title: 'A refresh, beside the floor',
    text: `The floor is a script of some hundred lines (\`bench/floor.ts\`) that does with bare pooled undici what one refresh must: ask the provider,
apply the Secret, patch the status, and save a rotated refresh token where there is one. It decides nothing, checks nothing, remembers nothing,
and watches nothing. Operator and floor take turns in one run, at the same API server and provider, each with as many credentials, all due at
once, and 32 at a time. All figures are for one refresh. Processor time is user and system time of the whole process; of the API server, above
what it uses when nobody asks. A ratio is taken of each pair of turns; the figure is the median of the rounds.`,
  },
  start: {
    title: 'The start',
    text: `From exec until the target Secret is there: lists, lease, login, writes. RSS is read when ten credentials are Ready and nothing was due for
ten seconds.`,
  },
  memory: {
    title: 'Flags for memory',
    text: 'The same work under each: first tokens of as many credentials, then rest. What helps little is listed too.',
  },
  scrape: {
    title: 'A scrape of the metrics',
    text: 'With series for each credential; without them a scrape costs next to nothing.',
  },
};

export function page(report: Report): string {
  const parts = Object.entries(report).map(([name, { on, rows }]) => {
    const { title, text } = TITLES[name] ?? { title: name, text: '' };
    return `## ${title}\n\n${text}\n\n${asMarkdown(rows)}\n${machine(on)}\n`;
  });
  return `<!-- Made by npm run bench -- --write. -->
# Performance

Measured by \`npm run bench\`, which anyone can run; \`npm run bench -- --help\` says how. Figures are processor time where they can be: it says more
of a program than the time on the wall of a machine that others use too. Each table begins with ratios, then come goals.

${missed(Object.values(report).flatMap(({ rows }) => rows))}

## The hot path

A refresh is one request to the provider and two writes: a server-side apply of the Secret and a merge patch of the status; three with a refresh
token that rotates. Nothing is read for it: what a decision rests on is in memory from the watches. The answers to writes are asked for as metadata
alone, so that the API server sends no Secret back. The status patch holds only what differs. Connections to the API server are pooled, 16 of them,
and kept for 20 s; those to a provider for 4 s, since a login that is sent on a stale connection may be lost. A change that we made ourselves comes
back by the watch, and is known by its version.

${parts.join('\n')}`;
}

function missed(rows: readonly Row[]): string {
  const goals = rows.filter(({ goal }) => goal !== undefined);
  const failed = goals.filter(row => verdict(row) === 'missed');
  return `Of ${goals.length} goals ${goals.length - failed.length} are met.${
    failed.length === 0 ? '' : ` Missed:\n\n${failed.map(({ what }) => `- ${what}`).join('\n')}`
  }`;
}

function machine({ date, processor, cores, memoryGiB, kernel, node, v8, tokensync }: Machine): string {
  return `Measured on ${date}: tokensync ${tokensync}, Node ${node} (V8 ${v8}), ${kernel}, ${cores} cores of ${processor}, ${memoryGiB} GiB.`;
}
