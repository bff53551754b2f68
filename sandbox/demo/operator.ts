import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface OperatorOptions {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Each line that it logs; a line that is no JSON object comes as `{msg}`. */
  readonly onLog: (fields: Readonly<Record<string, unknown>>) => void;
  readonly onExit: (code: number | null) => void;
}

/** The operator as its users start it: a process of its own, told by flags and environment alone. */
export class OperatorProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;

  constructor(options: OperatorOptions) {
    // a process group of its own, so that Ctrl-C reaches the demo alone, and the operator is stopped in order
    this.#child = spawn(process.execPath, [MAIN, ...options.flags], {
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      if (output !== null)
        createInterface({ input: output }).on('line', line => options.onLog(fieldsOf(line)));
    }
    this.#exited = new Promise(resolve => {
      this.#child.once('close', code => {
        options.onExit(code);
        resolve();
      });
    });
  }

  /** Asks it to drain, and ends it when that takes more than `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#child.kill('SIGTERM');
    const overdue = setTimeout(() => this.kill(), graceMs);
    await this.#exited;
    clearTimeout(overdue);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

function fieldsOf(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // what Node itself prints
  }
  return { msg: line };
}
