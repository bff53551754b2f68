import { type ApiError, badRequest, cause, invalid } from './errors.ts';
import { type JsonObject, type KubeObject, type ManagedEntry, type Meta, textOr } from './json.ts';
import type { Kind } from './kind.ts';

/** From what a client sent to what it may have meant to change: the rest stays as it was. */

export function checkType(kind: Kind, body: JsonObject): void {
  const version = textOr(body.apiVersion, kind.apiVersion);
  if (version !== kind.apiVersion && version !== '') {
    throw badRequest(
      `the API version in the data (${version}) does not match the expected API version (${kind.apiVersion})`,
    );
  }
  const name = textOr(body.kind, kind.kind);
  if (name !== kind.kind && name !== '') {
    throw badRequest(`${name} in version "${kind.version}" cannot be handled as a ${kind.kind}`);
  }
}

export function checkName(was: { name: string }, given: JsonObject): void {
  const name = textOr(given.name, was.name);
  if (name === was.name) return;
  throw badRequest(`the name of the object (${name}) does not match the name on the URL (${was.name})`);
}

export const immutableUid = (kind: Kind, name: string, uid: string): ApiError =>
  invalid(kind, name, [cause.value('metadata.uid', uid, 'field is immutable')]);

export function withStatus(old: KubeObject, body: JsonObject): KubeObject {
  const object: KubeObject = { ...old };
  if (body.status === undefined) delete object.status;
  else object.status = body.status;
  return object;
}

/** What clients may not change stays as it was. */
const FIXED_META = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
] as const;

export function withoutStatus(kind: Kind, old: KubeObject, body: JsonObject, given: JsonObject): KubeObject {
  const { name, namespace, resourceVersion, managedFields } = old.metadata;
  const metadata: Meta = {
    ...given,
    name,
    resourceVersion,
    uid: old.metadata.uid,
    creationTimestamp: old.metadata.creationTimestamp,
  };
  if (namespace !== undefined) metadata.namespace = namespace;
  if (managedFields !== undefined) metadata.managedFields = managedFields;
  for (const field of FIXED_META) {
    if (old.metadata[field] === undefined) delete metadata[field];
    else Object.assign(metadata, { [field]: old.metadata[field] });
  }
  const object: KubeObject = { ...body, apiVersion: kind.apiVersion, kind: kind.kind, metadata };
  if (!kind.statusSubresource) return object;
  if (old.status === undefined) delete object.status;
  else object.status = old.status;
  return object;
}

export function setEntries(object: KubeObject, entries: ManagedEntry[]): void {
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}
