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

/** One line in words, for where nothing is drawn over. @param now milliseconds since 1970. */
export function lineOf(row: Row, now: number): string {
  const stalled = isStalled(row) ? ', Stalled' : '';
  const head = `${markOf(row)} ${row.name} (${row.provider}, ${row.flow}): Ready=${readyOf(row)}${stalled}, ${reasonOf(row)}`;
  const life = lifeOf(row, now);
  if (life === undefined) return [head, triesOf(row, now)].filter(part => part !== '').join(', ');
  const renews = life.renews === '-' ? 'is kept' : `renews in ${life.renews}`;
  const expires = life.expires === 'never' ? 'never expires' : `expires in ${life.expires}`;
  return `${head}, by ${life.grant}, ${renews}, ${expires} ${life.bar}`;
}

/** A table with a heading, for a terminal. */
export function tableOf(rows: readonly Row[], now: number): string[] {
  const heading = ['', 'NAME', 'PROVIDER', 'FLOW', 'READY', 'REASON', 'GRANT', 'RENEWS', 'EXPIRES', 'LIFE'];
  const cells = rows.map(row => {
    const ready = isStalled(row) ? 'Stalled' : readyOf(row);
    const life = lifeOf(row, now);
    const rest = life === undefined ? [triesOf(row, now)] : [life.grant, life.renews, life.expires, life.bar];
    return [markOf(row), row.name, row.provider, row.flow, ready, reasonOf(row), ...rest];
  });
  return [heading, ...cells].map(line =>
    line
      .map((cell, column) => cell.padEnd(WIDTHS[column] ?? 0))
      .join(' ')
      .trimEnd(),
  );
}

/** Of the columns; what is longer moves the rest of its line. */
const WIDTHS = [1, 18, 10, 11, 7, 14, 7, 7, 7];

function markOf(row: Row): string {
  if (isReady(row)) return '●';
  return isStalled(row) ? '✖' : '○';
}

function readyOf(row: Row): string {
  return conditionOf(row, 'Ready')?.status ?? 'Unknown';
}

function reasonOf(row: Row): string {
  return conditionOf(row, 'Ready')?.reason ?? 'Pending';
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

function lifeOf(row: Row, now: number) {
  const { token } = row.status ?? {};
  if (token === undefined) return undefined;
  const issued = Date.parse(token.issuedAt);
  const renew = token.renewAt === undefined ? undefined : Date.parse(token.renewAt);
  const expires = token.expiresAt === undefined ? undefined : Date.parse(token.expiresAt);
  return {
    grant: token.grant,
    renews: renew === undefined ? '-' : left(renew - now),
    expires: expires === undefined ? 'never' : left(expires - now),
    bar: barOf(issued, renew, expires, now),
  };
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
    return `${refused}tries again in ${left(retryAt - now)}`;
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

function left(ms: number): string {
  return formatDuration(Math.ceil(Math.max(0, ms) / 1000) * 1000);
}

function conditionOf(row: Row, type: string) {
  return row.status?.conditions?.find(condition => condition.type === type);
}
