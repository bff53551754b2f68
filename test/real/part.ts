import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/**
 * Starts "$@", tells its pid and how it ended, and kills it when standard input closes: that happens whatever becomes of
 * the process that started it, also where a signal is meant for them all, as Ctrl-C is.
 */
const KEEPER = `
exec 3<&0
log=$1; shift
"$@" >>"$log" 2>&1 </dev/null 3<&- &
child=$!
echo "$child"
{ trap '' HUP INT TERM; cat <&3 >/dev/null; kill -9 "$child"; } 2>/dev/null &
wait "$child"
echo "ended with $?"
kill $! 2>/dev/null
`;

/** A program of the control plane: a process of its own that ends with this one. */
export class Part {
  readonly name: string;
  readonly log: string;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #keeper: ChildProcess;
  readonly #pid: Promise<number>;

  constructor(options: { binary: string; args: readonly string[]; name: string; log: string }) {
    this.name = options.name;
    this.log = options.log;
    this.#keeper = spawn('sh', ['-c', KEEPER, 'sh', options.log, options.binary, ...options.args], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const { stdout, stdin } = this.#keeper;
    if (stdout === null || stdin === null) throw new Error('no pipes');
    stdin.on('error', () => {}); // it ended first
    const told = Promise.withResolvers<number>();
    const ended = Promise.withResolvers<void>();
    createInterface({ input: stdout })
      .on('line', line => {
        if (line.startsWith('ended')) ended.resolve();
        else told.resolve(Number(line));
      })
      .on('close', () => ended.resolve());
    this.#pid = told.promise;
    this.ended = ended.promise;
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    try {
      process.kill(await this.#pid, signal);
    } catch {
      // it has ended
    }
  }

  /** Kills it, and waits for its end. */
  async stop(): Promise<void> {
    this.#keeper.stdin?.end();
    await this.ended;
  }

  /** The end of what it said, for the message of a failure. */
  async said(): Promise<string> {
    const text = await readFile(this.log, 'utf8').catch(() => '');
    return `${this.name} said:\n${text.split('\n').slice(-15).join('\n')}`;
  }
}
