import type { CredentialStatus } from '../../src/api/credential.ts';
import { formatDuration } from '../../src/api/duration.ts';

/** What the demo shows of one credential, as pure text. */

export interface Row {
  readonly name: string;
  readonly provider: string;
  readonly flow: string;
  readonly status: CredentialStatus | undefined;
}

const BAR_CELLS = 20;

/** The marks and columns of one line; `now` in milliseconds since 1970. */
export function lineOf(row: Row, now: number): string {
  const ready = conditionOf(row, 'Ready');
  const stalled = isStalled(row);
  const mark = ready?.status === 'True' ? '●' : stalled ? '✖' : '○';
  const columns = [
    mark,
    row.name.padEnd(18),
    row.provider.padEnd(10),
    row.flow.padEnd(11),
    `Ready=${ready?.status ?? 'Unknown'}`.padEnd(13),
    (stalled ? `Stalled/${conditionOf(row, 'Stalled')?.reason}` : (ready?.reason ?? 'Pending')).padEnd(23),
    (row.status?.token?.grant ?? '-').padEnd(7),
    timesOf(row, now),
  ];
  return columns.join(' ').trimEnd();
}

/** Changes when something happened, and not with the passing of time. */
export function signatureOf(row: Row): string {
  const { token, failures } = row.status ?? {};
  // a first login that is under way is not yet news
  if (token === undefined && failures === undefined && !isStalled(row)) return 'waiting';
  const ready = conditionOf(row, 'Ready');
  return JSON.stringify([ready?.status, ready?.reason, isStalled(row), token?.issuedAt, failures?.retryAt]);
}

export function isReady(row: Row): boolean {
  return conditionOf(row, 'Ready')?.status === 'True';
}

export function isStalled(row: Row): boolean {
  return conditionOf(row, 'Stalled')?.status === 'True';
}

/** The bar, and what it says in words; for a credential without a token, its tries. */
function timesOf(row: Row, now: number): string {
  const { token } = row.status ?? {};
  if (token === undefined) return triesOf(row, now);
  const issued = Date.parse(token.issuedAt);
  const renew = token.renewAt === undefined ? undefined : Date.parse(token.renewAt);
  const expires = token.expiresAt === undefined ? undefined : Date.parse(token.expiresAt);
  const words = [
    renew === undefined ? 'kept' : `renews ${relative(renew - now)}`,
    expires === undefined ? 'no expiry' : `expires ${relative(expires - now)}`,
  ];
  return `${barOf(issued, renew, expires, now)} ${words.join(', ')}`;
}

/** A login is counted before it is sent: one that is under way is among them. */
function triesOf(row: Row, now: number): string {
  const { login, failures } = row.status ?? {};
  const tries = login?.tries ?? 0;
  if (isStalled(row))
    return tries === 0 ? 'waits for a person' : `refused ${times(tries)}, waits for a person`;
  const retryAt = failures?.retryAt === undefined ? undefined : Date.parse(failures.retryAt);
  if (retryAt !== undefined && retryAt > now) {
    const refused = tries === 0 ? '' : `refused ${times(tries)}, `;
    return `${refused}tries again ${relative(retryAt - now)}`;
  }
  return tries === 0 ? '' : `logging in, try ${tries}`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

/**
 * The token's life from left to right: `█` has passed, `┃` is where it is renewed, `·` is what is left by then for pods
 * that hold the old one. All `─` where it never expires.
 */
export function barOf(
  issued: number,
  renew: number | undefined,
  expires: number | undefined,
  now: number,
): string {
  if (expires === undefined || expires <= issued) return '─'.repeat(BAR_CELLS);
  const cellOf = (time: number): number =>
    Math.floor(Math.min(1, Math.max(0, (time - issued) / (expires - issued))) * BAR_CELLS);
  const passed = cellOf(now);
  const renewal = renew === undefined ? BAR_CELLS : Math.min(BAR_CELLS - 1, cellOf(renew));
  return Array.from({ length: BAR_CELLS }, (_, cell) => {
    if (cell === renewal) return '┃';
    if (cell < passed) return '█';
    return cell < renewal ? '─' : '·';
  }).join('');
}

function relative(ms: number): string {
  return ms < 0 ? 'now' : `in ${formatDuration(Math.ceil(ms / 1000) * 1000)}`;
}

function conditionOf(row: Row, type: string) {
  return row.status?.conditions?.find(condition => condition.type === type);
}
