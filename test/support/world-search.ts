import { holdsSecret } from '../../sandbox/simulation/canary.ts';
import type { WireHandler, WireRequest, WireResponse } from '../../sandbox/wire.ts';
import type { Listener, World } from '../../sandbox/world.ts';
import { Canaries } from './canaries.ts';

/** What a world says beyond this is searched for marks alone, which every fixture's secret and every token has. */
const KEPT_CHARACTERS = 8_000_000;

/** What a Secret may hold without being one. */
const PUBLIC_KEYS = new Set([
  'username',
  'email',
  'token_type',
  'header_name',
  'expires_at',
  'id',
  'session',
  // what a cluster adds to the Secret of a service account's token
  'namespace',
  'ca.crt',
]);

interface Said {
  readonly where: string;
  readonly text: string;
}

/**
 * Hears all that the operators of a world say (logs, statuses, events, annotations, metrics, why one did not start),
 * learns every value that was in a Secret, and tells where one is found outside.
 */
export class WorldSearch implements Listener {
  readonly #world: World;
  readonly #canaries = new Canaries();
  readonly #marked: Said[] = [];
  readonly #said: Said[] = [];
  #heard = 0;

  constructor(world: World) {
    this.#world = world;
  }

  log(line: string): void {
    this.#hear('log', line);
  }

  #hear(where: string, text: string): void {
    if (holdsSecret(text)) this.#marked.push({ where, text });
    else if (this.#heard < KEPT_CHARACTERS) {
      this.#heard += text.length;
      this.#said.push({ where, text });
    }
  }

  request({ method, url, body }: WireRequest, response: ReturnType<WireHandler>): void {
    const where = `${method} ${url.pathname}`;
    this.#hear(where, url.pathname + url.search);
    const isSecret = /\/secrets(\/|$)/.test(url.pathname);
    if (isSecret) void Promise.resolve(response).then(answer => this.#learn(answer));
    if (body.length === 0) return;
    const text = body.toString();
    this.#hear(where, isSecret ? this.#withoutData(text) : text);
  }

  /** Where a secret value was seen outside Secrets, since the last call. */
  async leaks(): Promise<string[]> {
    for (const token of this.#world.providers.issued()) this.#canaries.add(token);
    for (const secret of this.#world.api.list('secrets')) this.#learnData(secret);
    for (const run of this.#world.runs) {
      this.#hear('/metrics', await run.scrape());
      run.started.catch((error: unknown) => {
        this.#hear('why it did not start', error instanceof Error ? `${error.stack}` : '');
      });
    }
    await new Promise(setImmediate);
    const marked = this.#marked.splice(0).map(({ where, text }) => `${where}: ${shown(text)}`);
    const found = this.#said
      .splice(0)
      .filter(({ text }) => this.#canaries.find(text).length > 0)
      .map(({ where, text }) => `${where}: ${shown(text)}`);
    this.#heard = 0;
    return [...marked, ...found];
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

const shown = (text: string): string => text.slice(0, 2000);

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
