import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, on } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';

/** The bundle where there is one (test/support/bundled.ts); else the source. */
const MAIN = process.env.TOKENSYNC_PROGRAM ?? fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The program as its users start it: a process of its own, told by flags and environment alone. */
export class Program {
  /** Resolves when it has ended and all of its output is here. */
  readonly exited: Promise<Exit>;
  readonly lines: string[] = [];
  stderr = '';
  readonly #child: ChildProcess;
  readonly #told = new EventEmitter();

  constructor(flags: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [MAIN, ...flags], {
      env: { PATH: process.env.PATH, HOME: '/nonexistent', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error('no pipes');
    stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    createInterface({ input: stdout }).on('line', line => {
      this.lines.push(line);
      this.#told.emit('line', line);
    });
    this.exited = new Promise(resolve => {
      this.#child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** All that it has said. */
  get output(): string {
    return `${this.lines.join('\n')}\n${this.stderr}`;
  }

  /** @returns the first log line that holds the text, waiting for it. */
  async logged(text: string, timeoutMs = 60_000): Promise<string> {
    const late = AbortSignal.timeout(timeoutMs);
    const coming = on(this.#told, 'line', { signal: late }) as AsyncIterable<[string]>;
    const said = this.lines.find(line => line.includes(text));
    if (said !== undefined) return said;
    try {
      for await (const [line] of coming) if (line.includes(text)) return line;
    } catch {
      // too late
    }
    throw new Error(`never said ${JSON.stringify(text)}, but:\n${this.output}`);
  }

  /** What it answers at `/metrics`, `/healthz` or `/readyz`. */
  async get(path: string): Promise<{ status: number; text: string }> {
    const { metrics, probes } = JSON.parse(await this.logged('tokensync starts')) as Record<string, string>;
    const { statusCode, body } = await request(`http://${path === '/metrics' ? metrics : probes}${path}`);
    return { status: statusCode, text: await body.text() };
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
}
