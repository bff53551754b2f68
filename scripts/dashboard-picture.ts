import type { Panel } from '../test/prometheus/dashboard.ts';
import type { Series } from '../test/prometheus/live/prometheus.ts';
import { lines } from './picture-lines.ts';
import {
  type Box,
  colourOf,
  type Drawn,
  escaped,
  FAINT,
  INK,
  last,
  type Named,
  rect,
  short,
  timeAxis,
  wordFor,
  write,
  xOf,
} from './picture-parts.ts';

/** A row of the dashboard as an SVG: plain, and of what Prometheus answered alone. */

const COLUMN = 50;
const LINE = 36;
const GAP = 8;
const TITLE = 26;

function stat(panel: Panel, [first]: readonly Named[], { x, y, w, h }: Box): string {
  if (first === undefined) return '';
  const how = `text-anchor="middle" font-size="38" font-weight="600" fill="${colourOf(panel, last(first))}"`;
  return write(x + w / 2, y + h / 2 + 14, wordFor(panel, last(first)), how);
}

/** Labels that say where a series was found rather than what of. */
const ELSEWHERE = new Set(['__name__', 'job']);

function table(panel: Panel, series: readonly Named[], box: Box): string {
  const hasValue = panel.transformations?.[0]?.options.renameByName.Value;
  const labels = [...new Set(series.flatMap(each => Object.keys(each.labels)))].filter(
    label => !ELSEWHERE.has(label),
  );
  const heads = hasValue === undefined ? labels : [...labels, hasValue];
  const width = (box.w - 20) / heads.length;
  const room = Math.floor((box.h - 22) / 18);
  const row = (cells: readonly string[], y: number, how: string): string =>
    cells.map((cell, index) => write(box.x + 10 + index * width, y, short(cell, width / 6.6), how)).join('');
  const rows = series.toSorted((a, b) => last(a) - last(b));
  const fits = rows.length > room ? rows.slice(0, room - 1) : rows;
  const more = rows.length - fits.length;
  return [
    row(heads, box.y + 12, `font-weight="600" fill="${FAINT}"`),
    ...fits.map((each, index) => {
      const cells = labels.map(label => each.labels[label] ?? '');
      if (hasValue !== undefined) cells.push(wordFor(panel, last(each)));
      return row(cells, box.y + 32 + index * 18, '');
    }),
    more > 0 ? row([`and ${more} more`], box.y + 32 + fits.length * 18, `fill="${FAINT}"`) : '',
  ].join('');
}

function states(panel: Panel, series: readonly Named[], box: Box, drawn: Drawn): string {
  const nameWidth = Math.min(230, box.w * 0.45);
  const plot = { x: box.x + nameWidth, y: box.y + 4, w: box.w - nameWidth - 20, h: box.h - 24 };
  const room = Math.min(30, plot.h / Math.max(1, series.length));
  const place = xOf(plot, drawn);
  const parts = [timeAxis(plot, drawn)];
  series.forEach((each, index) => {
    const top = plot.y + index * room + 2;
    const name = short(each.name.replace('https://', ''), nameWidth / 6.4 - 2);
    parts.push(write(plot.x - 8, top + room / 2 + 2, name, 'text-anchor="end"'));
    for (const run of runs(each)) {
      const x = place(run.from);
      const w = Math.max(2, place(Math.min(run.to, drawn.to)) - x);
      parts.push(rect({ x, y: top, w, h: room - 4 }, `fill="${colourOf(panel, run.value)}" opacity="0.75"`));
      const text = wordFor(panel, run.value);
      if (room > 13 && w > text.length * 7) parts.push(write(x + 5, top + room / 2 + 2, text, 'fill="#fff"'));
    }
  });
  return parts.join('');
}

/** Equal values one after another. */
function runs({ samples }: Series): { from: number; to: number; value: number }[] {
  const found: { from: number; to: number; value: number }[] = [];
  for (const [time, value] of samples) {
    const run = found.at(-1);
    if (run !== undefined && time - run.to < 1.5) run.to = time;
    if (run?.value !== value || run.to !== time) found.push({ from: time, to: time + 1, value });
  }
  return found;
}

const KINDS = { stat, timeseries: lines, table, 'state-timeline': states } as const;

/** @returns an SVG. */
export function picture(drawn: Drawn): string {
  const { section, answers } = drawn;
  const top = Math.min(...section.panels.map(({ gridPos }) => gridPos.y));
  const bottom = Math.max(...section.panels.map(({ gridPos: { y, h } }) => y + h));
  const [width, height] = [24 * COLUMN + GAP, (bottom - top) * LINE + GAP];
  const parts = section.panels.map(panel => {
    const { x, y, w, h } = panel.gridPos;
    const box = {
      x: x * COLUMN + GAP,
      y: (y - top) * LINE + GAP,
      w: w * COLUMN - GAP,
      h: h * LINE - GAP,
    };
    const inside = { ...box, y: box.y + TITLE, h: box.h - TITLE };
    const series = answers.get(panel) ?? [];
    return [
      rect(box, `rx="4" fill="#fff" stroke="#d0d7de"`),
      write(box.x + 10, box.y + 18, short(panel.title, box.w / 7.2), 'font-size="13" font-weight="600"'),
      series.length === 0
        ? write(box.x + 10, box.y + 40, 'no data', `fill="${FAINT}"`)
        : KINDS[panel.type](panel, series, inside, drawn),
    ].join('\n');
  });
  const style = `font-family="DejaVu Sans, Verdana, sans-serif" font-size="11" fill="${INK}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${style}>`,
    `<title>${escaped(section.title)}</title>`,
    rect({ x: 0, y: 0, w: width, h: height }, 'fill="#f6f8fa"'),
    ...parts,
    '</svg>\n',
  ].join('\n');
}
