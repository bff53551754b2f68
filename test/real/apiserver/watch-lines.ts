import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { z } from 'zod';
import { isObject, type KubeObject } from '../../../sandbox/apiserver/json.ts';
import { LineSplitter } from '../../../src/kube/lines.ts';

const LARGEST_LINE_BYTES = 16 * 1024 * 1024;

const Line = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  // Checked as far as it is looked at: the rest is the API server's word.
  object: z.custom<KubeObject>(isObject),
});
export type Told = z.infer<typeof Line>;

export interface Follower {
  told(event: Told, line: string): void;
  /** @param error why, when it broke. */
  ended(error: unknown): void;
}

/** A watch that a real server has accepted: what it tells while nobody follows is kept. */
export class Upstream {
  readonly #abort: AbortController;
  #follower: Follower | undefined;
  #kept: ((follower: Follower) => void)[] = [];

  constructor(body: Readable, abort: AbortController) {
    this.#abort = abort;
    const splitter = new LineSplitter(line => {
      const event = Line.parse(JSON.parse(line));
      this.#tell(follower => follower.told(event, line));
    }, LARGEST_LINE_BYTES);
    body.on('data', (chunk: Buffer) => splitter.push(chunk));
    body.on('end', () => this.#tell(follower => follower.ended(undefined)));
    body.on('error', error => this.#tell(follower => follower.ended(error)));
  }

  follow(follower: Follower | undefined): void {
    this.#follower = follower;
    if (follower !== undefined) for (const tell of this.#kept.splice(0)) tell(follower);
  }

  close(): void {
    this.#follower = undefined;
    this.#abort.abort();
  }

  #tell(tell: (follower: Follower) => void): void {
    if (this.#follower === undefined) this.#kept.push(tell);
    else tell(this.#follower);
  }
}

/** The answer to the request for a watch: its events, or what refused it. */
export type Opened = Upstream | { readonly status: number; readonly text: string };

export async function openWatch(
  dispatcher: Dispatcher,
  path: string,
  headers: Readonly<Record<string, string>>,
  abort: AbortController,
): Promise<Opened> {
  const { signal } = abort;
  const { statusCode, body } = await dispatcher.request({ method: 'GET', path, headers, signal });
  return statusCode === 200 ? new Upstream(body, abort) : { status: statusCode, text: await body.text() };
}

export function endsInitialEvents({ type, object }: Told): boolean {
  return type === 'BOOKMARK' && object.metadata.annotations?.['k8s.io/initial-events-end'] === 'true';
}
