export type Outcome =
  | 'granted'
  | 'cached'
  | 'refused'
  | 'locked'
  | 'malformed'
  | 'redirected'
  | 'throttled'
  | 'down'
  | 'not-found';

/** One request as the provider saw it. Accounts by name; nothing secret. */
export interface LogEntry {
  /** Milliseconds since 1970, by the sandbox's clock. */
  readonly at: number;
  readonly provider: string;
  readonly flow: string;
  readonly step: 'login' | 'refresh';
  /** Empty where the request did not tell. */
  readonly account: string;
  readonly outcome: Outcome;
}

/** The last entries, and how many there were of each kind since the start. */
const KEPT = 50_000;

export class RequestLog {
  readonly counts = new Map<string, number>();
  /** Told of each entry, before its answer is on its way. */
  onEntry: ((entry: LogEntry) => void) | undefined;
  #entries: LogEntry[] = [];

  add(entry: LogEntry): void {
    this.onEntry?.(entry);
    this.#entries.push(entry);
    if (this.#entries.length > 2 * KEPT) this.#entries = this.#entries.slice(-KEPT);
    const key = `${entry.provider}/${entry.flow}/${entry.step}/${entry.outcome}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  /** How many there were in all; a field left out matches every value. */
  count(where: Partial<Pick<LogEntry, 'provider' | 'flow' | 'step' | 'outcome'>> = {}): number {
    const wanted = [where.provider, where.flow, where.step, where.outcome];
    let total = 0;
    for (const [key, count] of this.counts) {
      const parts = key.split('/');
      if (wanted.every((want, index) => want === undefined || want === parts[index])) total += count;
    }
    return total;
  }
}
