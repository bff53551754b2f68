import { styleText } from 'node:util';

/** On a terminal: a block of lines that is drawn anew, under what scrolls by. Elsewhere the block is never shown. */
export class Screen {
  readonly live: boolean;
  readonly #stream: NodeJS.WriteStream;
  #block: readonly string[] = [];
  #drawn = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.live = stream.isTTY;
  }

  /** Something that happened; stays. */
  say(line: string): void {
    this.#write([line]);
  }

  /** What is the case now; replaces what was shown before. */
  show(block: readonly string[]): void {
    this.#block = block;
    if (this.live) this.#write([]);
  }

  #write(lines: readonly string[]): void {
    if (!this.live) {
      for (const line of lines) this.#stream.write(`${line}\n`);
      return;
    }
    // a line that wraps would count as two when the block is drawn over
    const fitting = this.#block.map(line => this.#paint(line.slice(0, this.#stream.columns - 1)));
    const up = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A`;
    this.#drawn = fitting.length;
    this.#stream.write(`${up}\r\x1b[J${[...lines, ...fitting].map(line => `${line}\n`).join('')}`);
  }

  #paint(line: string): string {
    const styles = { '●': 'green', '✖': 'red', '○': 'yellow', '█': 'dim' } as const;
    return line.replaceAll(/[●✖○]|█+/g, mark =>
      styleText(styles[mark.charAt(0) as keyof typeof styles], mark, { stream: this.#stream }),
    );
  }
}
