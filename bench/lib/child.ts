import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** Both ends of asking a process of ours something, over Node's own channel. */

const Reply = z.object({ reply: z.number(), value: z.unknown(), error: z.string().optional() });
const Ask = z.object({ ask: z.number(), what: z.string(), args: z.unknown() });

export interface ChildOptions {
  /** Node's own flags. */
  readonly node?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where its output goes. Default: errors to ours. */
  readonly output?: number;
}

export const pathOf = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url));

/** A Node process that ends with this one. */
export class Child {
  readonly ended: Promise<unknown>;
  readonly startedAt = performance.now();
  readonly #process: ChildProcess;
  #asked = 0;

  /** @param script with its whole path. */
  constructor(script: string, options: ChildOptions = {}) {
    const { node = [], args = [], env = {}, output } = options;
    const stdio: StdioOptions =
      output === undefined ? ['ignore', 'ignore', 'inherit', 'ipc'] : ['ignore', output, output, 'ipc'];
    this.#process = spawn(process.execPath, [...node, script, ...args], {
      env: { PATH: process.env.PATH, HOME: '/nonexistent', ...env },
      stdio,
    });
    this.#process.setMaxListeners(0);
    this.ended = once(this.#process, 'exit');
    const kill = (): void => void this.#process.kill('SIGKILL');
    process.once('exit', kill);
    void this.ended.then(() => process.off('exit', kill));
  }

  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error('a process could not be started');
    return pid;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** @throws what the other side threw, and when it has ended. */
  async ask<T>(schema: z.ZodType<T>, what: string, args: unknown = null): Promise<T> {
    if (!this.running) throw new Error(`${what}: the process has ended`);
    const ask = ++this.#asked;
    const answer = Promise.withResolvers<unknown>();
    const onMessage = (message: unknown): void => {
      const reply = Reply.safeParse(message);
      if (!reply.success || reply.data.reply !== ask) return;
      if (reply.data.error === undefined) answer.resolve(reply.data.value);
      else answer.reject(new Error(`${what}: ${reply.data.error}`));
    };
    const onExit = (): void => answer.reject(new Error(`${what}: the process ended before it answered`));
    this.#process.on('message', onMessage).once('exit', onExit);
    try {
      this.#process.send({ ask, what, args });
      return schema.parse(await answer.promise);
    } finally {
      this.#process.off('message', onMessage).off('exit', onExit);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  async stop(name: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.running) return;
    this.signal(name);
    await this.ended;
  }
}

/** In the child: what it can be asked. It lives until we end it, or end. */
export function answering(handlers: Readonly<Record<string, (args: unknown) => unknown>>): void {
  process.on('disconnect', () => process.exit(1));
  const answer = async (message: unknown): Promise<void> => {
    const ask = Ask.safeParse(message);
    if (!ask.success) return;
    const handler = handlers[ask.data.what];
    if (handler === undefined) return;
    try {
      process.send?.({ reply: ask.data.ask, value: (await handler(ask.data.args)) ?? null });
    } catch (error) {
      process.send?.({ reply: ask.data.ask, value: null, error: String(error) });
    }
  };
  process.on('message', message => void answer(message));
  process.channel?.ref();
}
