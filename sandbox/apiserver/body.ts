import { parse as parseYaml } from 'yaml';
import type { WireRequest } from '../wire.ts';
import { ApiError, badRequest } from './errors.ts';
import type { Call } from './faults.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import type { WriteOptions } from './objects.ts';
import { readProtobuf } from './protobuf.ts';

/** What a request says besides its path. No refusal quotes a body: it may hold a secret. */

export const unknownFormat = (): ApiError =>
  new ApiError(
    415,
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
  );

export function writeOptions({ params, dryRun }: Call, { headers }: WireRequest): WriteOptions {
  const validation = params.get('fieldValidation');
  return {
    manager: params.get('fieldManager') ?? (headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown',
    dryRun,
    validation: validation === 'Strict' || validation === 'Ignore' ? validation : 'Warn',
  };
}

export function readJson({ body, headers }: WireRequest): Json {
  const type = headers['content-type'] ?? 'application/json';
  if (type === 'application/vnd.kubernetes.protobuf') return readProtobuf(body);
  const source = body.toString();
  if (!type.includes('json') && !type.includes('yaml')) throw unknownFormat();
  // Never quotes the body: it may hold a secret.
  if (source.includes('"__proto__"')) throw badRequest('a key is not acceptable');
  try {
    const first = source.trimStart()[0];
    return (
      first === '{' || first === '[' || !type.includes('yaml') ? JSON.parse(source) : parseYaml(source)
    ) as Json;
  } catch {
    throw badRequest('the object provided is unrecognized: it cannot be parsed');
  }
}

export function readBody(request: WireRequest): JsonObject {
  const body = readJson(request);
  if (!isObject(body)) throw badRequest('the object provided is unrecognized: it is no object');
  return body;
}

export function readDelete(call: Call, request: WireRequest) {
  const body = request.body.length === 0 ? {} : readBody(request);
  const preconditions = isObject(body.preconditions) ? body.preconditions : {};
  const { uid, resourceVersion } = preconditions;
  const policy = call.params.get('propagationPolicy') ?? body.propagationPolicy;
  return {
    dryRun: call.dryRun || (Array.isArray(body.dryRun) && body.dryRun.includes('All')),
    orphan: policy === 'Orphan' || body.orphanDependents === true,
    uid: typeof uid === 'string' ? uid : undefined,
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : undefined,
  };
}
