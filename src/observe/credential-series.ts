import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CredentialState } from './credential-columns.ts';
import type { Entry } from './credentials.ts';
import { header, labelText } from './exposition.ts';
import { CREDENTIAL_FAMILIES } from './families.ts';

/**
 * The series of each credential, rendered here and not by prom-client: that keeps an object for each series and renders a
 * metric in one go, which for ten thousand credentials holds the event loop for tens of milliseconds.
 */

type Sample = number | { readonly reason: string } | undefined;
const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);
const because = (reason: string | undefined): Sample => (reason === undefined ? undefined : { reason });

const SAMPLES: Readonly<Record<keyof typeof CREDENTIAL_FAMILIES, (state: CredentialState) => Sample>> = {
  ready: ({ ready }) => (ready ? 1 : 0),
  notReady: ({ ready, reason }) => because(ready ? undefined : reason),
  stopped: ({ stopped }) => because(stopped),
  suspended: ({ suspended }) => (suspended === true ? 1 : undefined),
  expiry: ({ expiresAt }) => seconds(expiresAt),
  renew: ({ renewAt }) => seconds(renewAt),
  lastSuccess: ({ lastSuccess }) => seconds(lastSuccess),
  rejections: ({ rejections }) => rejections,
};

/** Rendered at once: well under a millisecond. */
const PIECE = 500;

/** Family by family, as both formats ask, and in pieces between which others get their turn. */
export async function* credentialSeries(entries: readonly Entry[]): AsyncGenerator<string> {
  for (const [key, family] of Object.entries(CREDENTIAL_FAMILIES)) {
    const sampleOf = SAMPLES[key as keyof typeof CREDENTIAL_FAMILIES];
    let piece = header(family);
    for (let first = 0; first < entries.length; first += PIECE) {
      for (const entry of entries.slice(first, first + PIECE)) {
        const { state } = entry;
        // Gone since the scrape began.
        if (state !== undefined) piece += line(family.name, entry.labels, sampleOf(state));
      }
      yield piece;
      piece = '';
      await nextTurn();
    }
    if (piece !== '') yield piece;
  }
}

function line(name: string, labels: string, sample: Sample): string {
  if (sample === undefined) return '';
  return typeof sample === 'number'
    ? `${name}{${labels}} ${sample}\n`
    : `${name}{${labels},${labelText(sample)}} 1\n`;
}
