import type { Row } from '../lib/row.ts';

export interface BenchOptions {
  /** As little work as shows that it works. */
  readonly smoke: boolean;
  /** On a machine that is too small: as much as it bears, in place of nothing. */
  readonly less: boolean;
  readonly say: (text: string) => void;
}

/** A benchmark, as the front knows it. */
export interface Bench {
  readonly name: string;
  /** One line, for the help. */
  readonly about: string;
  /** It waits more than it works: others may run beside it where figures mean nothing. */
  readonly waits?: true;
  /** It is of what a real API server does: without one it is skipped. */
  readonly real?: true;
  /** @throws when what was asked for was not done. */
  run(options: BenchOptions): Promise<Row[]>;
}
