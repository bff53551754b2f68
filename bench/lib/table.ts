import { inOrder, type Row, rounded, verdict } from './row.ts';

/** Rows as a person reads them. Pure. */

export interface Column {
  readonly title: string;
  readonly right?: boolean;
  readonly cell: (row: Row) => string;
}

const COLUMNS: readonly Column[] = [
  { title: 'what', cell: ({ what }) => what },
  { title: 'figure', right: true, cell: ({ figure, unit }) => withUnit(figure, unit) },
  {
    title: 'rounds',
    right: true,
    cell: ({ spread }) => (spread === undefined ? '' : `${rounded(spread.least)} – ${rounded(spread.most)}`),
  },
  {
    title: 'goal',
    right: true,
    cell: ({ goal, unit }) => (goal === undefined ? '' : `${goal.bound} ${withUnit(goal.value, unit)}`),
  },
  { title: '', cell: verdict },
];
const NOTE: Column = { title: 'note', cell: ({ note }) => note ?? '' };

function withUnit(value: number, unit: string): string {
  return unit === 'ratio' ? rounded(value) : `${rounded(value)} ${unit}`;
}

/** For a terminal. */
export function asText(rows: readonly Row[]): string {
  const cells = inOrder(rows).map(row => COLUMNS.map(({ cell }) => cell(row)));
  const widths = COLUMNS.map(({ title }, index) =>
    Math.max(title.length, ...cells.map(row => row[index]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, index) => {
        const width = widths[index] ?? 0;
        return COLUMNS[index]?.right === true ? text.padStart(width) : text.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return `${[COLUMNS.map(({ title }) => title), ...cells].map(line).join('\n')}\n`;
}

/** For a page. */
export function asMarkdown(rows: readonly Row[]): string {
  const columns = rows.some(({ note }) => note !== undefined) ? [...COLUMNS, NOTE] : COLUMNS;
  const line = (cells: readonly string[]): string =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[
    line(columns.map(({ title }) => title)),
    line(columns.map(({ right }) => (right === true ? '---:' : '---'))),
    ...inOrder(rows).map(row => line(columns.map(({ cell }) => cell(row)))),
  ].join('\n')}\n`;
}
