import { DEFINITIONS, NAMESPACES } from './core-kinds.ts';
import { kindOf, servedStatus } from './definitions.ts';
import { badRequest, type Cause, cause, invalid } from './errors.ts';
import { equal, isObject, type KubeObject } from './json.ts';
import type { Kind } from './kind.ts';
import { metaMistakes, nameMistakes } from './metadata.ts';
import { normalise } from './schema.ts';
import { blocksRules } from './validate.ts';

/** What the server does about fields that the schema does not know. */
export type Validation = 'Ignore' | 'Warn' | 'Strict';

/** The object as it would be stored, or a 422 that names each mistake. Its metadata is a copy that may be finished. */
export function settle(
  kind: Kind,
  draft: KubeObject,
  old: KubeObject | undefined,
  validation: Validation,
  now: string,
): { object: KubeObject; unknown: string[] } {
  const unknown: string[] = [];
  // The schema of metadata, checked below, is what makes this a KubeObject.
  const normal = normalise(draft, old, kind.schema, unknown) as KubeObject;
  if (validation === 'Strict' && unknown.length > 0) {
    const list = unknown.map(field => `unknown field "${field}"`).join(', ');
    const what = `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}`;
    throw badRequest(`${what}: strict decoding error: ${list}`);
  }
  const causes: Cause[] = [];
  for (const field of kind.schema.required ?? []) {
    if (normal[field] === undefined) causes.push(cause.required(field));
  }
  for (const [field, check] of kind.validators) {
    const value = normal[field];
    const before = old?.[field];
    if (value !== undefined && value !== before) causes.push(...check(value, field, before));
  }
  const { name } = draft.metadata;
  if (blocksRules(causes)) throw invalid(kind, name, kind.custom ? [...causes, UNCHECKED] : causes);
  const admitted = kind.admit(normal, old);
  causes.push(...admitted.causes, ...kind.rules(admitted.object, old, ''));
  if (old === undefined) causes.push(...nameMistakes(draft.metadata, kind === NAMESPACES));
  causes.push(...metaMistakes(admitted.object.metadata, old?.metadata));
  if (causes.length > 0) throw invalid(kind, name, causes);
  const object: KubeObject = { ...admitted.object, metadata: { ...admitted.object.metadata } };
  if (old !== undefined && specChanged(kind, object, old)) {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
  if (kind === DEFINITIONS) {
    const served = kindOf(object);
    if (!isObject(object.status)) object.status = servedStatus(served, now);
  }
  return { object, unknown };
}

const UNCHECKED: Cause = {
  reason: 'FieldValueInvalid',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  field: '<nil>',
};

/** Generations count changes of what is wanted: everything but metadata and, where it has its own path, status. */
function specChanged(kind: Kind, next: KubeObject, old: KubeObject): boolean {
  if (old.metadata.generation === undefined) return false;
  const differs = (key: string): boolean =>
    key !== 'metadata' && !(key === 'status' && kind.statusSubresource) && !equal(next[key], old[key]);
  return Object.keys(next).some(differs) || Object.keys(old).some(differs);
}
