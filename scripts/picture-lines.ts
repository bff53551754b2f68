import type { Panel } from '../test/prometheus/dashboard.ts';
import type { Series } from '../test/prometheus/live/prometheus.ts';
import {
  at,
  type Box,
  type Drawn,
  FAINT,
  GRID,
  INK,
  last,
  type Named,
  rect,
  short,
  shown,
  stepFor,
  timeAxis,
  write,
  xOf,
} from './picture-parts.ts';

/** Lines over time, with a scale and a legend. */

const LEGEND_LINE = 15;
const PALETTE = [
  '#2f7ed8',
  '#2ca02c',
  '#e07b00',
  '#c2362b',
  '#8a5fbf',
  '#7d5a4f',
  '#c956a5',
  '#6b7280',
  '#9a9a1f',
  '#1597a5',
];

/** With its value now, where it has one. */
function legendOf(series: Named, unit: string, now: number): string {
  const isHere = now - (series.samples.at(-1)?.[0] ?? 0) < 2.5;
  return isHere ? `${series.name}: ${shown(last(series), unit)}` : series.name;
}

/** A gap in the samples is a gap in the line. */
function path({ samples }: Series, x: (time: number) => number, y: (value: number) => number): string {
  let before = Number.NaN;
  return samples
    .map(([time, value]) => {
      const command = time - before < 2.5 ? 'L' : 'M';
      before = time;
      return `${command}${at(x(time))} ${at(y(value))}`;
    })
    .join('');
}

interface Scale {
  readonly ticks: readonly number[];
  /** 0 at the bottom, 1 at the top. */
  readonly share: (value: number) => number;
}

/** What people count time in. */
const TIMES = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 86_400, 864_000, 8_640_000, 86_400_000];

function scaleFor(panel: Panel, series: readonly Named[]): Scale {
  const { unit, min, max, custom } = panel.fieldConfig.defaults;
  const values = series.flatMap(({ samples }) => samples.map(([, value]) => value));
  if (custom?.scaleDistribution?.type === 'log') {
    const positive = values.filter(value => value > 0);
    const low = TIMES.findLast(time => time <= Math.min(...positive)) ?? 0.001;
    const high = TIMES.find(time => time >= Math.max(...positive)) ?? Math.max(...positive);
    return {
      ticks: TIMES.filter(time => time >= low && time <= high),
      share: value => Math.log(Math.max(low, value) / low) / Math.log(high / low),
    };
  }
  const lowest = Math.min(0, min ?? Math.min(...values));
  const reached = max ?? Math.max(...values);
  const highest = reached > lowest ? reached : lowest + 1;
  const size = unit === 'bytes' ? 1024 * 1024 : 1;
  const step = stepFor((highest - lowest) / size) * size;
  const low = Math.floor(lowest / step) * step;
  const steps = Math.max(1, Math.ceil((highest - low) / step - 1e-9));
  return {
    ticks: Array.from({ length: steps + 1 }, (_, index) => low + index * step),
    share: value => (value - low) / (steps * step),
  };
}

export function lines(panel: Panel, series: readonly Named[], box: Box, drawn: Drawn): string {
  const { unit } = panel.fieldConfig.defaults;
  const columns = box.w > 400 ? 2 : 1;
  const room = Math.min(Math.ceil(series.length / columns), columns === 1 ? 6 : 4);
  const plot = {
    x: box.x + 62,
    y: box.y + 4,
    w: box.w - 74,
    h: box.h - 26 - room * LEGEND_LINE,
  };
  const scale = scaleFor(panel, series);
  const y = (value: number): number => plot.y + plot.h * (1 - scale.share(value));
  const parts = [timeAxis(plot, drawn)];
  for (const tick of scale.ticks) {
    parts.push(`<path d="M${at(plot.x)} ${at(y(tick))}h${at(plot.w)}" stroke="${GRID}"/>`);
    parts.push(write(plot.x - 6, y(tick) + 4, shown(tick, unit), `text-anchor="end" fill="${FAINT}"`));
  }
  series.forEach((each, index) => {
    const colour = PALETTE[index % PALETTE.length] ?? INK;
    const d = path(each, xOf(plot, drawn), y);
    parts.push(`<path d="${d}" fill="none" stroke="${colour}" stroke-width="1.8" stroke-linecap="round"/>`);
    const place = Math.floor(index / columns);
    const isLast = index === room * columns - 1;
    if (place >= room) return;
    const [x, top] = [
      box.x + 10 + (index % columns) * (box.w / columns),
      plot.y + plot.h + 32 + place * LEGEND_LINE,
    ];
    const more = series.length - room * columns;
    if (isLast && more > 0) {
      parts.push(write(x, top, `and ${more + 1} more`, `fill="${FAINT}"`));
      return;
    }
    parts.push(rect({ x, y: top - 5, w: 12, h: 3 }, `fill="${colour}"`));
    parts.push(write(x + 17, top, short(legendOf(each, unit, drawn.to), box.w / columns / 6.4 - 4)));
  });
  return parts.join('');
}
