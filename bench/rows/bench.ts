import type { Row } from '../lib/row.ts';

/** A benchmark, as the front knows it. */
export interface Bench {
  readonly name: string;
  /** One line, for the help. */
  readonly about: string;
  /** @param smoke as little work as shows that it works. @throws when what was asked for was not done. */
  run(options: { smoke: boolean; say: (text: string) => void }): Promise<Row[]>;
}
