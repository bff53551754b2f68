import { z } from 'zod';
import type { JsonObject, KubeObject } from '../sandbox/apiserver/json.ts';
import { createApiServer } from '../sandbox/apiserver/server.ts';
import { type Served, serve } from '../sandbox/serve.ts';
import { systemClock } from '../src/loop/clock.ts';
import { answering } from './lib/child.ts';
import type { Journal } from './lib/journal.ts';

/** The sandbox's API server as a process of its own. It can be asked to be away, and what it saw of a namespace's credentials. */
const Tls = z.object({ key: z.string(), cert: z.string() });
const Objects = z.array(z.looseObject({}));

const api = createApiServer({ clock: systemClock, crds: [] });
const journals = new Map<string, Journal>();
let tls: z.infer<typeof Tls> | undefined;
let served: Served | undefined;

const numberOf = (name: string): number => Number(/^credential-(\d+)/.exec(name)?.[1] ?? -1);

function note({ kind, metadata }: KubeObject, type: string): void {
  const journal = journals.get(metadata.namespace ?? '');
  if (journal === undefined || type === 'DELETED') return;
  const { name, uid, annotations = {} } = metadata;
  if (kind === 'ProviderCredential') {
    if (type === 'ADDED') journal.made.push([numberOf(name), Date.now(), uid]);
    return;
  }
  const issuedAt = annotations['tokensync.dev/issued-at'];
  if (kind !== 'Secret' || issuedAt === undefined || !name.endsWith('-token')) return;
  const expiresAt = annotations['tokensync.dev/expires-at'] ?? '';
  const grants = Number(annotations['tokensync.dev/grants']);
  journal.written.push([numberOf(name), Date.now(), Date.parse(issuedAt), Date.parse(expiresAt), grants]);
}

answering({
  serve: async args => {
    tls = Tls.parse(args);
    served = await serve(api.handler, { tls });
    return served.url;
  },
  put: objects => {
    for (const object of Objects.parse(objects)) api.put(object as JsonObject);
  },
  /** Refuses connections, and breaks those that there are. */
  leave: () => served?.close(),
  back: async () => {
    if (tls === undefined || served === undefined) throw new Error('not served yet');
    served = await serve(api.handler, { tls, port: served.port });
  },
  /** What came about in a namespace since it was last asked; a journal is kept from the first time on. */
  journal: args => {
    const namespace = z.string().parse(args);
    if (journals.size === 0) api.listen(({ type, version }) => note(version.object, type));
    const found = journals.get(namespace) ?? { made: [], written: [] };
    journals.set(namespace, { made: [], written: [] });
    return found;
  },
});
