/** Durations as Kubernetes users write them: `90s`, `1h30m`, `250ms`. */

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** Go's duration without sign, ns and µs, plus days; also the CRD's pattern. */
export const DURATION_PATTERN = '^([0-9]{1,9}(\\.[0-9]{1,3})?(ms|d|h|m|s))+$';
const WHOLE = new RegExp(DURATION_PATTERN);

/** @returns milliseconds, or undefined when the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  if (text.length > 64 || !WHOLE.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ms|d|h|m|s)/g)) {
    total += Number(amount) * UNITS[unit as keyof typeof UNITS];
  }
  return Math.round(total);
}

/** @param ms milliseconds; shown to the second: `1h2m3s`, `45s`, `2d3h`; under ten seconds as `2.5s`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 10_000) return `${Math.round(ms / 100) / 10}s`;
  let rest = Math.round(ms / 1000);
  const parts: string[] = [];
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.slice(0, 2).join('');
}
