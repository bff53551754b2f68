import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { PAGE, page, RESULTS } from '../../bench/lib/page.ts';
import { type Machine, readReport } from '../../bench/lib/report.ts';
import { atLeast, atMost } from '../../bench/lib/row.ts';
import { rowsOf } from '../../bench/rows/scrape.ts';

const ON: Machine = {
  date: '2026-11-22',
  processor: 'Z80',
  cores: 2,
  memoryGiB: 24,
  kernel: 'Linux 6',
  node: '24.21.0',
  v8: '13',
  tokensync: '0.1.0',
};

it('says which goals are missed, and on which machine', () => {
  const rows = [
    { bench: 'start', what: 'RSS', figure: 90, unit: 'MiB', goal: atMost(80) },
    { bench: 'start', what: 'ratio', figure: 1, unit: 'ratio', goal: atLeast(0.9) },
  ];
  const text = page({ start: { on: ON, rows } });
  expect(text).toContain('Of 2 goals 1 are met. Missed:\n\n- RSS\n');
  expect(text).toContain('Not on record yet, with their goals: refresh, ');
  expect(text).toContain(
    'Measured on 2026-11-22: tokensync 0.1.0, Node 24.21.0 (V8 13), Linux 6, 2 cores of Z80, 24 GiB.',
  );
});

it('is what the figures on record make of it', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(page(await readReport(RESULTS)));
});

const SCRAPE = `
┌─────────┬───────────────┬──────────┬────────────────────────┬─────────────────┬────────────────┐
│ (index) │ format        │ size MiB │ loop held, longest ms  │ heap before MiB │ heap after MiB │
├─────────┼───────────────┼──────────┼────────────────────────┼─────────────────┼────────────────┤
│ 0       │ 'text'        │ '6.1'    │ '12.3'                 │ '30.0'          │ '30.5'         │
│ 1       │ 'OpenMetrics' │ '6.2'    │ '25.0'                 │ '30.5'          │ '30.5'         │
└─────────┴───────────────┴──────────┴────────────────────────┴─────────────────┴────────────────┘
`;

it('reads the table of a scrape', () => {
  expect(rowsOf(SCRAPE, 10_000)).toContainEqual({
    bench: 'scrape',
    what: 'OpenMetrics, 10,000 credentials: longest turn of the event loop',
    unit: 'ms',
    figure: 25,
    goal: atMost(20),
  });
  expect(() => rowsOf(SCRAPE.replace(/^.*OpenMetrics.*\n/m, ''), 1)).toThrow('not measured');
  expect(() => rowsOf(SCRAPE.replace("'25.0'", "''"), 1)).toThrow('no figure');
});
