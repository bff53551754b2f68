import type { Listener } from '../../sandbox/listener.ts';
import type { WireHandler, WireRequest, WireResponse } from '../../sandbox/wire.ts';
import type { World } from '../../sandbox/world.ts';
import { Canaries } from './canaries.ts';

/** Part of every fixture's secrets; a test that makes secrets of its own puts it into them. */
export const CANARY = 'c4n4ry';

/** What a Secret may hold without being one. */
const PUBLIC_KEYS = new Set([
  'username',
  'email',
  'token_type',
  'header_name',
  'expires_at',
  'id',
  'session',
]);

/**
 * Hears all that the operators of a world say (logs, statuses, events, annotations, metrics, why one did not start),
 * learns every value that was in a Secret, and tells where one is found outside.
 */
export class WorldSearch implements Listener {
  readonly #world: World;
  readonly #canaries = new Canaries();
  readonly #said: { readonly where: string; readonly text: string }[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#canaries.add(CANARY);
  }

  log(line: string): void {
    this.#said.push({ where: 'log', text: line });
  }

  request({ method, url, body }: WireRequest, response: ReturnType<WireHandler>): void {
    const where = `${method} ${url.pathname}`;
    this.#said.push({ where, text: url.pathname + url.search });
    const isSecret = /\/secrets(\/|$)/.test(url.pathname);
    if (isSecret) void Promise.resolve(response).then(answer => this.#learn(answer));
    if (body.length === 0) return;
    const text = body.toString();
    this.#said.push({ where, text: isSecret ? this.#withoutData(text) : text });
  }

  /** Where a secret value was seen outside Secrets, since the last call. */
  async leaks(): Promise<string[]> {
    for (const token of this.#world.providers.issued()) this.#canaries.add(token);
    for (const secret of this.#world.api.list('secrets')) this.#learnData(secret);
    for (const run of this.#world.runs) {
      this.#said.push({ where: '/metrics', text: await run.scrape() });
      run.started.catch((error: unknown) => {
        this.#said.push({
          where: 'why it did not start',
          text: error instanceof Error ? `${error.stack}` : '',
        });
      });
    }
    await new Promise(setImmediate);
    return this.#said
      .splice(0)
      .flatMap(({ where, text }) =>
        this.#canaries.find(text).map(form => `${where}: ${form} in ${text.slice(0, 2000)}`),
      );
  }

  #learn({ body }: WireResponse): void {
    if (body === undefined) return;
    this.#learnData(parsed(Buffer.from(body).toString()));
  }

  #learnData(secret: unknown): void {
    if (!isRecord(secret) || !isRecord(secret.data)) return;
    for (const [key, value] of Object.entries(secret.data)) {
      if (typeof value !== 'string' || PUBLIC_KEYS.has(key)) continue;
      this.#canaries.add(Buffer.from(value, 'base64').toString());
    }
  }

  #withoutData(text: string): string {
    const secret = parsed(text);
    this.#learnData(secret);
    if (!isRecord(secret)) return text;
    const { data: _data, ...rest } = secret;
    return JSON.stringify(rest);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
