import { ApiError, badRequest, expired } from './errors.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import type { Kind } from './kind.ts';
import type { Matcher } from './selectors.ts';
import type { Store, Version } from './store.ts';

/** Lists, whole or by pages. All pages show the state of the first, as long as history reaches back to it. */

export interface Page {
  readonly versions: Version[];
  readonly metadata: JsonObject;
}

export function listPage(
  store: Store,
  kind: Kind,
  namespace: string | undefined,
  matches: Matcher,
  params: URLSearchParams,
): Page {
  const limit = Number(params.get('limit') ?? 0);
  const token = params.get('continue') ?? '';
  const at = token === '' ? startOf(store, params) : readToken(token, store);
  const found = [...store.at(at.rv, kind.table)]
    .filter(([key, { object }]) => {
      if (namespace !== undefined && object.metadata.namespace !== namespace) return false;
      return key > at.after && matches(object);
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const page = limit > 0 ? found.slice(0, limit) : found;
  const metadata: JsonObject = { resourceVersion: String(at.rv) };
  const last = page.at(-1);
  if (last !== undefined && page.length < found.length) {
    const next = { v: 'meta.k8s.io/v1', rv: at.rv, start: last[0] };
    metadata.continue = Buffer.from(JSON.stringify(next)).toString('base64url');
    if (!params.has('labelSelector') && !params.has('fieldSelector')) {
      metadata.remainingItemCount = found.length - page.length;
    }
  }
  return { versions: page.map(([, version]) => version), metadata };
}

interface Start {
  readonly rv: number;
  /** The key of the last object already listed. */
  readonly after: string;
}

function startOf(store: Store, params: URLSearchParams): Start {
  const wanted = readNotOlder(params, store);
  if (params.get('resourceVersionMatch') !== 'Exact') return { rv: store.current, after: '' };
  if (wanted < store.oldest) throw tooOld(wanted, store);
  return { rv: wanted, after: '' };
}

/** @throws ApiError for a version that is still to come. */
export function readNotOlder(params: URLSearchParams, { current }: Store): number {
  const wanted = readVersion(params);
  if (wanted <= current) return wanted;
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`;
  throw new ApiError(504, 'Timeout', message, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

export function readVersion(params: URLSearchParams): number {
  const text = params.get('resourceVersion') ?? '';
  if (text === '') return 0;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const why = `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw new ApiError(500, '', `resourceVersion: Invalid value: ${JSON.stringify(text)}: ${why}`);
}

export const tooOld = (rv: number, store: Store): ApiError =>
  expired(`too old resource version: ${rv} (${store.oldest})`);

function readToken(token: string, store: Store): Start {
  let value: Json = null;
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString()) as Json;
  } catch {
    // refused below
  }
  if (!isObject(value) || typeof value.rv !== 'number' || typeof value.start !== 'string') {
    throw badRequest('invalid continue token: continue key is not valid');
  }
  if (value.rv < store.oldest) {
    throw expired(
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
    );
  }
  return { rv: value.rv, after: value.start };
}
