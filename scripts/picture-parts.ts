import type { Panel, Section } from '../test/prometheus/dashboard.ts';
import type { Series } from '../test/prometheus/live/prometheus.ts';

/** What the pictures of panels have in common. */

export interface Named extends Series {
  /** By the legend of its query. */
  readonly name: string;
}

export interface Drawn {
  readonly section: Section;
  readonly answers: ReadonlyMap<Panel, readonly Named[]>;
  /** s since 1970. */
  readonly from: number;
  readonly to: number;
}

export const COLOURS: Readonly<Record<string, string>> = {
  green: '#2c8c3c',
  orange: '#d97a00',
  red: '#c2362b',
};
export const INK = '#24292f';
export const FAINT = '#6e7781';
export const GRID = '#e3e6ea';

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export const short = (text: string, most: number): string => {
  const room = Math.max(4, Math.floor(most));
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
};

export const at = (n: number): string => n.toFixed(1).replace(/\.0$/, '');

export function write(x: number, y: number, text: string, how = ''): string {
  return `<text x="${at(x)}" y="${at(y)}" ${how}>${escaped(text)}</text>`;
}

export const rect = ({ x, y, w, h }: Box, how: string): string =>
  `<rect x="${at(x)}" y="${at(y)}" width="${at(w)}" height="${at(h)}" ${how}/>`;

export const rounded = (value: number, digits: number): string => `${Number(value.toFixed(digits))}`;

export function duration(seconds: number): string {
  const size = Math.abs(seconds);
  if (size > 0 && size < 1) return `${rounded(seconds * 1000, 1)} ms`;
  if (size < 120) return `${rounded(seconds, 1)} s`;
  if (size < 7200) return `${rounded(seconds / 60, 1)} min`;
  return size < 172_800 ? `${rounded(seconds / 3600, 1)} h` : `${rounded(seconds / 86_400, 1)} d`;
}

/** A value with its unit. */
export function shown(value: number, unit: string, decimals?: number): string {
  switch (unit) {
    case 's':
      return duration(value);
    case 'bytes':
      return `${rounded(value / 1024 / 1024, 0)} MiB`;
    case 'percentunit':
      return `${decimals === undefined ? rounded(value * 100, 2) : (value * 100).toFixed(decimals)} %`;
    case 'reqps':
      return `${rounded(value, 2)} req/s`;
    default:
      return rounded(value, 2);
  }
}

export const last = ({ samples }: Series): number => samples.at(-1)?.[1] ?? 0;

export function colourOf(panel: Panel, value: number): string {
  const reached = panel.fieldConfig.defaults.thresholds.steps.filter(
    step => step.value === null || step.value <= value,
  );
  return COLOURS[reached.at(-1)?.color ?? ''] ?? INK;
}

export const wordFor = ({ fieldConfig: { defaults } }: Panel, value: number): string =>
  defaults.mappings[0]?.options[`${value}`]?.text ?? shown(value, defaults.unit, defaults.decimals);

/** A step of 1, 2 or 5 in its decimal place, that takes about four to the top. */
export function stepFor(range: number): number {
  const place = 10 ** Math.floor(Math.log10(range / 4));
  return place * ([1, 2, 5].find(factor => factor * place >= range / 4) ?? 10);
}

export const xOf =
  (box: Box, { from, to }: Drawn) =>
  (time: number): number =>
    box.x + ((time - from) / (to - from)) * box.w;

export function timeAxis(box: Box, drawn: Drawn): string {
  const place = xOf(box, drawn);
  const seconds = drawn.to - drawn.from;
  const step = stepFor(seconds / 2);
  const parts: string[] = [];
  for (let second = 0; second <= seconds; second += step) {
    const x = place(drawn.from + second);
    parts.push(`<path d="M${at(x)} ${at(box.y)}V${at(box.y + box.h)}" stroke="${GRID}"/>`);
    parts.push(write(x, box.y + box.h + 13, `${second} s`, `text-anchor="middle" fill="${FAINT}"`));
  }
  return parts.join('');
}
