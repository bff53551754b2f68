import { ApiError } from '../../../sandbox/apiserver/errors.ts';
import { isObject, type KubeObject, objectOr, textOr } from '../../../sandbox/apiserver/json.ts';
import type { WireRequest } from '../../../sandbox/wire.ts';
import type { Delivered, Parcel } from './courier.ts';

/** What a client may learn of an answer besides its body. */
const PASSED_ON = ['content-type', 'retry-after', 'warning'];
/** What the way to the real server sets anew. */
const OWN_HEADERS = new Set(['host', 'connection', 'content-length', 'authorization', 'transfer-encoding']);

/** An API server's own word. */
export function parseObject(text: string): KubeObject {
  const object: unknown = JSON.parse(text);
  if (!isObject(object) || !isObject(object.metadata)) throw new Error('no object');
  return object as KubeObject;
}

/** The body; throws as the sandbox does for what was refused. */
export function accepted({ status, body }: Delivered): string {
  if (status < 300) return body;
  const refusal: unknown = JSON.parse(body);
  const { reason, message, details } = isObject(refusal) ? refusal : {};
  throw new ApiError(status, textOr(reason), textOr(message), objectOr(details));
}

/** What no test asked for: the server is overwhelmed, or not there. */
export const isFailure = (status: number): boolean => status === 0 || status === 429 || status >= 500;

export function parcelOf({ method, url, headers, body }: WireRequest): Parcel {
  const parcel = {
    // what the operator's client and undici let through
    method: method as Parcel['method'],
    path: url.pathname + url.search,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name))),
  };
  return body.length === 0 ? parcel : { ...parcel, body: body.toString() };
}

export function passedOn({ headers }: Delivered): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.flatMap(name => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}
