/** What was asked, and what is to go wrong. */

/** A request as the API sees it. */
export interface Call {
  /** get, list, watch, create, update, patch, delete, deletecollection; or `read` for discovery and the like. */
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  /** Plural; empty for discovery and the like. */
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly path: string;
  readonly params: URLSearchParams;
  readonly dryRun: boolean;
}

export interface Answered extends Omit<Call, 'params'> {
  /** 0: no answer was given. */
  readonly status: number;
  /** The server's wall clock, milliseconds since 1970. */
  readonly at: number;
}

export type Fault =
  | {
      readonly status: number;
      readonly reason: string;
      readonly message?: string;
      readonly retryAfter?: number;
    }
  /** Never connected; broken before anything was done; never answered. */
  | 'refuse'
  | 'reset'
  | 'hang'
  /** Done, but the answer is lost. */
  | { readonly afterCommit: 'reset' | 'hang' }
  /** Answered as usual, this much later. */
  | { readonly delayMs: number };

export interface Injection {
  readonly hits: number;
  cancel(): void;
}

export class Faults {
  private active: { match: (call: Call) => boolean; fault: Fault; left: number; hits: number }[] = [];

  inject(match: (call: Call) => boolean, fault: Fault, times: number): Injection {
    const entry = { match, fault, left: times, hits: 0 };
    this.active.push(entry);
    return {
      get hits() {
        return entry.hits;
      },
      cancel: () => {
        entry.left = 0;
      },
    };
  }

  /** The first fault that is meant for this call, used up by it. */
  take(call: Call): Fault | undefined {
    if (this.active.length === 0) return undefined;
    this.active = this.active.filter(({ left }) => left > 0);
    const hit = this.active.find(({ match }) => match(call));
    if (hit === undefined) return undefined;
    hit.left -= 1;
    hit.hits += 1;
    return hit.fault;
  }
}

/** The latest requests, and totals of all. */
export class RequestLog {
  private readonly limit = 5_000;
  private kept: Answered[] = [];
  /** `verb resource[/subresource] status` to how often. */
  readonly totals = new Map<string, number>();

  add(request: Answered): void {
    const what = request.subresource === '' ? request.resource : `${request.resource}/${request.subresource}`;
    const key = `${request.verb} ${what} ${request.status}`;
    this.totals.set(key, (this.totals.get(key) ?? 0) + 1);
    this.kept.push(request);
    if (this.kept.length > 2 * this.limit) this.kept = this.kept.slice(-this.limit);
  }

  /** Of the last 5,000 at least. */
  all(match: (request: Answered) => boolean = () => true): Answered[] {
    return this.kept.filter(match);
  }

  count(match: (request: Answered) => boolean = () => true): number {
    return this.all(match).length;
  }

  clear(): void {
    this.kept = [];
    this.totals.clear();
  }
}
