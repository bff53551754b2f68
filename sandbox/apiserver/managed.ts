import { ApiError } from './errors.ts';
import {
  compare,
  type Difference,
  difference,
  type Fields,
  fieldsOf,
  includes,
  intersection,
  merge,
  pathsOf,
  prune,
  setText,
  shared,
  union,
} from './fields.ts';
import {
  type FieldSet,
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  type ManagedEntry,
  type Meta,
  objectOr,
} from './json.ts';
import type { Kind } from './kind.ts';

/** Who wrote which field (`metadata.managedFields`), and server-side apply, which lives by it. */

export interface Writer {
  readonly manager: string;
  readonly subresource: '' | 'status';
  /** RFC 3339, whole seconds. */
  readonly now: string;
}

const OWNED_META = ['labels', 'annotations', 'finalizers', 'ownerReferences', 'generateName'] as const;

/** The part of an object that the writer may own. Status and the rest are each written through their own path. */
function view(object: JsonObject, kind: Kind, subresource: string): JsonObject {
  if (subresource === 'status') return object.status === undefined ? {} : { status: object.status };
  const viewed: JsonObject = {};
  for (const key of Object.keys(object)) {
    if (key === 'apiVersion' || key === 'kind' || (key === 'status' && kind.statusSubresource)) continue;
    viewed[key] = object[key];
  }
  const owned: JsonObject = {};
  const all = objectOr(object.metadata);
  for (const key of OWNED_META) if (all[key] !== undefined) owned[key] = all[key];
  viewed.metadata = owned;
  return viewed;
}

const sameWriter = (entry: ManagedEntry, operation: string, { manager, subresource }: Writer): boolean =>
  entry.operation === operation && entry.manager === manager && (entry.subresource ?? '') === subresource;

const makeEntry = (
  kind: Kind,
  operation: string,
  { manager, subresource, now }: Writer,
  fieldsV1: FieldSet,
): ManagedEntry => ({
  manager,
  operation,
  apiVersion: kind.apiVersion,
  time: now,
  fieldsType: 'FieldsV1',
  fieldsV1: shared(fieldsV1),
  ...(subresource === '' ? {} : { subresource }),
});

/** The JSON of an object's metadata, most of which is mostly this; as a kube-apiserver writes them, with it at the end. */
export function metaText(meta: Meta): string {
  const { managedFields } = meta;
  if (managedFields === undefined) return JSON.stringify(meta);
  const rest = JSON.stringify({ ...meta, managedFields: undefined });
  return `${rest.slice(0, -1)},"managedFields":[${managedFields.map(entryText).join(',')}]}`;
}

function entryText({
  fieldsV1,
  manager,
  operation,
  apiVersion,
  time,
  fieldsType,
  subresource,
}: ManagedEntry): string {
  const rest = JSON.stringify({ manager, operation, apiVersion, time, fieldsType, subresource });
  return `{"fieldsV1":${setText(fieldsV1)},${rest.slice(1)}`;
}

/** Applies first, then by age. */
function sorted(entries: ManagedEntry[]): ManagedEntry[] {
  const rank = (entry: ManagedEntry): string =>
    `${entry.operation}\n${entry.time}\n${entry.manager}\n${entry.subresource ?? ''}`;
  return entries.length < 2 ? entries : entries.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

function withoutFields(entries: readonly ManagedEntry[], fields: Fields): ManagedEntry[] {
  if (fields === undefined) return [...entries];
  const result: ManagedEntry[] = [];
  for (const entry of entries) {
    const left = difference(entry.fieldsV1, fields);
    if (left === entry.fieldsV1) result.push(entry);
    else if (left !== undefined) result.push({ ...entry, fieldsV1: shared(left) });
  }
  return result;
}

/** The entries after a write that was no apply: the writer owns what it changed. */
export function ownChanges(
  kind: Kind,
  old: KubeObject | undefined,
  next: KubeObject,
  entries: readonly ManagedEntry[],
  writer: Writer,
): ManagedEntry[] {
  const before = old === undefined ? { metadata: {} } : view(old, kind, writer.subresource);
  const { changed, removed } = compare(before, view(next, kind, writer.subresource), kind.schema);
  if (changed === undefined && removed === undefined) return [...entries];
  const own = entries.find(entry => sameWriter(entry, 'Update', writer));
  const others = entries.filter(entry => entry !== own);
  const result = withoutFields(others, union(changed, removed));
  const fields = union(difference(own?.fieldsV1, removed), changed);
  if (fields !== undefined) result.push(makeEntry(kind, 'Update', writer, fields));
  return sorted(result);
}

const NOTHING: Difference = { changed: undefined, removed: undefined };

/** Throws a 409 that names every field held by others, unless forced. */
export function applyObject(
  kind: Kind,
  live: KubeObject,
  applied: JsonObject,
  force: boolean,
  writer: Writer,
): KubeObject {
  const { subresource } = writer;
  const entries = live.metadata.managedFields ?? [];
  const own = entries.find(entry => sameWriter(entry, 'Apply', writer));
  const others = entries.filter(entry => entry !== own);
  const wanted = view(applied, kind, subresource);
  const fields = wantedFields(wanted, kind);
  const before = view(live, kind, subresource);
  const merged = merge(before, wanted, kind.schema);
  const same = own !== undefined && includes(own.fieldsV1, fields) && includes(fields, own.fieldsV1);
  const after = same ? objectOr(merged) : dropFormer(merged, own, others, fields, kind);
  // With no one else around there is no one to lose a field to: the hot path.
  const { changed, removed } = others.length === 0 ? NOTHING : compare(before, after, kind.schema);
  if (!force) refuseConflicts(others, difference(changed, formerlyApplied(kind, live, writer)));

  const left = withoutFields(others, union(changed, removed));
  if (same) left.push(own);
  else if (fields !== undefined) left.push(makeEntry(kind, 'Apply', writer, fields));
  const object = reassemble(kind, live, after, subresource, sorted(left));
  const { annotations } = object.metadata;
  if (annotations?.[LAST_APPLIED] !== undefined && isKubectl(writer)) {
    object.metadata.annotations = { ...annotations, [LAST_APPLIED]: `${JSON.stringify(applied)}\n` };
  }
  return object;
}

/** What this applier had, has no more, and nobody else has. */
function dropFormer(
  merged: Json,
  own: ManagedEntry | undefined,
  others: readonly ManagedEntry[],
  fields: Fields,
  kind: Kind,
): JsonObject {
  const owned = others.reduce<Fields>((all, entry) => union(all, entry.fieldsV1), fields);
  return objectOr(prune(merged, own?.fieldsV1, owned, kind.schema));
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const isKubectl = ({ manager, subresource }: Writer): boolean => manager === 'kubectl' && subresource === '';

/** What kubectl once applied client-side is its own: `apply --server-side` takes it over without a conflict. */
function formerlyApplied(kind: Kind, live: KubeObject, writer: Writer): Fields {
  const text = live.metadata.annotations?.[LAST_APPLIED];
  if (text === undefined || !isKubectl(writer)) return undefined;
  try {
    const applied = JSON.parse(text) as Json;
    return isObject(applied) ? wantedFields(view(applied, kind, ''), kind) : undefined;
  } catch {
    return undefined;
  }
}

function wantedFields(wanted: JsonObject, kind: Kind): Fields {
  const metadata = objectOr(wanted.metadata);
  // An object without metadata of interest must not come out as the owner of `metadata` itself.
  const { metadata: _, ...rest } = wanted;
  const view = Object.keys(metadata).length === 0 ? rest : wanted;
  return Object.keys(view).length === 0 ? undefined : fieldsOf(view, kind.schema, false);
}

function reassemble(
  kind: Kind,
  live: KubeObject,
  after: JsonObject,
  subresource: string,
  managedFields: ManagedEntry[],
): KubeObject {
  if (subresource === 'status') return { ...live, ...after, metadata: { ...live.metadata, managedFields } };
  const owned = objectOr(after.metadata);
  const metadata: Meta = { ...live.metadata, ...owned, managedFields };
  for (const key of OWNED_META) {
    if (metadata[key] !== undefined && owned[key] === undefined) delete metadata[key];
  }
  const { apiVersion } = kind;
  const result: KubeObject = { ...after, apiVersion, kind: kind.kind, metadata };
  if (kind.statusSubresource && live.status !== undefined) result.status = live.status;
  return result;
}

function refuseConflicts(others: readonly ManagedEntry[], changed: Fields): void {
  const found = others.flatMap(entry => {
    const paths = pathsOf(intersection(entry.fieldsV1, changed));
    return paths.length === 0 ? [] : [{ who: describe(entry), paths }];
  });
  const count = found.reduce((sum, { paths }) => sum + paths.length, 0);
  if (count === 0) return;
  const [first] = found;
  const list =
    count === 1
      ? `conflict with ${first?.who}: ${first?.paths[0]}`
      : found.map(({ who, paths }) => `conflicts with ${who}:\n- ${paths.join('\n- ')}`).join('\n');
  throw new ApiError(
    409,
    'Conflict',
    `Apply failed with ${count} conflict${count === 1 ? '' : 's'}: ${list}`,
    {
      causes: found.flatMap(({ who, paths }) =>
        paths.map(field => ({ reason: 'FieldManagerConflict', message: `conflict with ${who}`, field })),
      ),
    },
  );
}

function describe({ manager, operation, apiVersion, subresource }: ManagedEntry): string {
  const sub = subresource === undefined ? '' : ` with subresource "${subresource}"`;
  return operation === 'Apply' ? `"${manager}"${sub}` : `"${manager}"${sub} using ${apiVersion}`;
}

/** Entries that a client sent along (kubectl moves ownership so, by a JSON patch), when they read like entries. */
export function readEntries(value: unknown): ManagedEntry[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const read = (entry: unknown): ManagedEntry[] => {
    if (!isObject(entry)) return [];
    const { manager, operation, apiVersion, time, fieldsV1, subresource } = entry;
    if (typeof manager !== 'string' || typeof operation !== 'string' || !isObject(fieldsV1)) return [];
    return [
      {
        manager,
        operation,
        apiVersion: typeof apiVersion === 'string' ? apiVersion : '',
        time: typeof time === 'string' ? time : '',
        fieldsType: 'FieldsV1',
        fieldsV1: fieldsV1 as FieldSet,
        ...(typeof subresource === 'string' ? { subresource } : {}),
      },
    ];
  };
  return value.flatMap(read);
}
