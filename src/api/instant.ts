const DAY_S = 86_400;
/** `00` to `59`. */
const TWO = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));
/** Days since 1970 that were written of late, by their text: nearly every time is of one of a few. */
const days = new Map<number, string>();
const MOST_DAYS = 100;
/** What was written of late, by the last bits of its seconds: a refresh writes the same times in three places. */
const written = Array.from({ length: 64 }, () => ({ seconds: Number.NaN, text: '' }));

/**
 * RFC 3339 to the second, as Kubernetes writes times: what is finer is cut, so that an expiry is never later than it is.
 * Several are written for each refresh, and a Date's own way takes ten times as long.
 * @param ms since 1970. @throws RangeError for what is no time.
 */
export function instant(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const known = written[seconds & 63];
  if (known?.seconds === seconds) return known.text;
  const text = textOf(seconds);
  written[seconds & 63] = { seconds, text };
  return text;
}

function textOf(seconds: number): string {
  const number = Math.floor(seconds / DAY_S);
  const second = seconds - number * DAY_S;
  return `${days.get(number) ?? dayText(number)}${TWO[Math.floor(second / 3600)]}:${TWO[Math.floor(second / 60) % 60]}:${TWO[second % 60]}Z`;
}

function dayText(number: number): string {
  const text = new Date(number * DAY_S * 1000).toISOString().slice(0, -13);
  if (days.size >= MOST_DAYS) days.clear();
  days.set(number, text);
  return text;
}
