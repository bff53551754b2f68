const NEWLINE = 0x0a;

/** Cuts a byte stream into lines. On bytes, since a newline never occurs inside a UTF-8 sequence but chunks end there. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(onLine: (line: string) => void, maxBytes: number) {
    this.#onLine = onLine;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of a line that has not ended yet. */
  get pending(): number {
    return this.#bytes;
  }

  /** @returns false when the unfinished line is longer than allowed. */
  push(chunk: Buffer): boolean {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line =
        this.#bytes === 0 ? chunk.toString('utf8', start, end) : this.#join(chunk.subarray(start, end));
      start = end + 1;
      if (line !== '') this.#onLine(line);
    }
    if (start < chunk.length) {
      this.#pieces.push(start === 0 ? chunk : chunk.subarray(start));
      this.#bytes += chunk.length - start;
    }
    return this.#bytes <= this.#maxBytes;
  }

  #join(last: Buffer): string {
    const line = Buffer.concat([...this.#pieces, last], this.#bytes + last.length).toString('utf8');
    this.#pieces = [];
    this.#bytes = 0;
    return line;
  }
}
