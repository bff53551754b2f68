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
  const ready = conditionOf(row, 'Ready');
  const { token, login, failures } = row.status ?? {};
  const parts = [
    ready?.status,
    ready?.reason,
    isStalled(row),
    token?.issuedAt,
    login?.tries,
    failures?.retryAt,
  ];
  return JSON.stringify(parts);
}

export function isReady(row: Row): boolean {
  return conditionOf(row, 'Ready')?.status === 'True';
}

export function isStalled(row: Row): boolean {
  return conditionOf(row, 'Stalled')?.status === 'True';
}

/** The bar and what it says in words; for a credential without a token, its tries. */
function timesOf(row: Row, now: number): string {
  const { token, login, failures } = row.status ?? {};
  if (token === undefined) {
    const tries = login?.tries ?? 0;
    const refused = tries === 0 ? '' : `${tries} ${tries === 1 ? 'login' : 'logins'} refused`;
    if (isStalled(row)) return `${refused}, waiting for a person`.replace(/^, /, '');
    const retryAt = failures?.retryAt;
    const next = retryAt === undefined ? '' : `next try ${relative(Date.parse(retryAt) - now)}`;
    return [refused, next].filter(part => part !== '').join(', ');
  }
  const issued = Date.parse(token.issuedAt);
  const renew = token.renewAt === undefined ? undefined : Date.parse(token.renewAt);
  const expires = token.expiresAt === undefined ? undefined : Date.parse(token.expiresAt);
  const words = [
    renew === undefined ? 'kept' : `renews ${relative(renew - now)}`,
    expires === undefined ? 'no expiry' : `expires ${relative(expires - now)}`,
  ];
  return `${barOf(issued, renew, expires, now)} ${words.join(', ')}`;
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
