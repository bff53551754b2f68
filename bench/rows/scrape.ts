import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pathOf } from '../lib/child.ts';
import { atMost, type Row } from '../lib/row.ts';
import type { Bench } from './bench.ts';

/** The front's view of `bench/scrape.ts`, which is a program of its own: its table as rows. */
export const scrape: Bench = {
  name: 'scrape',
  about: 'what a scrape of /metrics costs with a series for each credential',
  async run({ smoke, say }) {
    const [credentials, scrapes] = smoke ? [500, 3] : [10_000, 50];
    say(`scrape: ${credentials} credentials, ${scrapes} scrapes of each format`);
    const child = spawn(
      process.execPath,
      ['--expose-gc', pathOf('scrape.ts'), String(credentials), String(scrapes)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    await once(child, 'close');
    return rowsOf(text, credentials);
  },
};

/** @param text what it prints. @throws when a format, or a figure, is missing. */
export function rowsOf(text: string, credentials: number): Row[] {
  const lines = text.split('\n').filter(line => line.startsWith('│'));
  const [titles, ...formats] = lines.map(line =>
    line
      .split('│')
      .slice(2, -1)
      .map(cell => cell.trim().replaceAll("'", '')),
  );
  if (titles === undefined || formats.length !== 2) throw new Error('scrape: a format was not measured');
  return formats.flatMap(cells => {
    const figure = (title: string): number => {
      const value = Number.parseFloat(cells[titles.indexOf(title)] ?? '');
      if (Number.isNaN(value)) throw new Error(`scrape: no figure for ${title}`);
      return value;
    };
    const of = `${cells[titles.indexOf('format')] ?? ''}, ${credentials.toLocaleString('en-US')} credentials`;
    const bench = 'scrape';
    return [
      {
        bench,
        what: `${of}: longest turn of the event loop`,
        unit: 'ms',
        figure: figure('loop held, longest ms'),
        goal: atMost(20),
      },
      { bench, what: `${of}: size`, unit: 'MiB', figure: figure('size MiB') },
      {
        bench,
        what: `${of}: heap left behind`,
        unit: 'MiB',
        figure: figure('heap after MiB') - figure('heap before MiB'),
      },
    ];
  });
}
