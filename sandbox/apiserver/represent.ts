import { remembering } from '../remember.ts';
import { nameColumn } from './columns.ts';
import { ApiError } from './errors.ts';
import type { JsonObject, KubeObject } from './json.ts';
import type { Kind } from './kind.ts';
import type { Version } from './store.ts';

/** The forms that a client may ask for: whole objects, their metadata alone, or rows of a table. */
export interface Form {
  readonly as: 'full' | 'partial' | 'table';
  /** Asked for as a list (`PartialObjectMetadataList`); undefined where any will do. */
  readonly list: boolean | undefined;
}

const FULL: Form = { as: 'full', list: undefined };

/** Reads an Accept header: the first that we can serve. */
export function negotiate(accept: string | undefined): Form {
  return accept === undefined || !accept.includes('as=') ? FULL : formOf(accept);
}

const formOf = remembering((accept): Form => {
  for (const option of accept.split(',')) {
    const [type = '', ...params] = option.split(';').map(part => part.trim());
    if (type !== 'application/json') continue;
    const as = params.find(param => param.startsWith('as='))?.slice(3);
    if (as === undefined) return FULL;
    if (!params.includes('g=meta.k8s.io') || !params.includes('v=v1')) continue;
    if (as === 'Table') return { as: 'table', list: undefined };
    if (as === 'PartialObjectMetadata') return { as: 'partial', list: false };
    if (as === 'PartialObjectMetadataList') return { as: 'partial', list: true };
  }
  throw new ApiError(406, 'NotAcceptable', 'only the following media types are accepted: application/json');
});

const partial = ({ metadata }: KubeObject): JsonObject => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata,
});

export interface Table {
  readonly includeObject: string;
  readonly now: number;
}

const columnDefinitions = (kind: Kind): JsonObject[] =>
  kind.columns.map(({ name, type, format, priority }) => ({
    name,
    type,
    format: format ?? '',
    description: name === nameColumn.name ? 'Name of the object.' : '',
    priority,
  }));

function row(kind: Kind, object: KubeObject, { includeObject, now }: Table): JsonObject {
  const shown =
    includeObject === 'Object' ? kind.encode(object) : includeObject === 'None' ? undefined : partial(object);
  const cells = kind.columns.map(({ cell }) => cell(object, now));
  return shown === undefined ? { cells } : { cells, object: shown };
}

const toTable = (kind: Kind, rows: JsonObject[], metadata: JsonObject): JsonObject => ({
  kind: 'Table',
  apiVersion: 'meta.k8s.io/v1',
  metadata,
  columnDefinitions: columnDefinitions(kind),
  rows,
});

/** The JSON text of one object. */
export function objectText(kind: Kind, version: Version, form: Form, table: () => Table): string {
  if (form.as === 'full') return version.text(kind.apiVersion, kind.encode);
  if (form.as === 'partial') return version.text('partial', partial);
  const { resourceVersion } = version.object.metadata;
  return JSON.stringify(toTable(kind, [row(kind, version.object, table())], { resourceVersion }));
}

export function listText(
  kind: Kind,
  versions: readonly Version[],
  metadata: JsonObject,
  form: Form,
  table: () => Table,
): string {
  if (form.as === 'table') {
    const rows = versions.map(({ object }) => row(kind, object, table()));
    return JSON.stringify(toTable(kind, rows, metadata));
  }
  if (form.list === false) {
    const what = `the requested object is a list (${kind.listKind})`;
    throw new ApiError(406, 'NotAcceptable', `you requested PartialObjectMetadata, but ${what}`);
  }
  const [apiVersion, name] =
    form.as === 'full' ? [kind.apiVersion, kind.listKind] : ['meta.k8s.io/v1', 'PartialObjectMetadataList'];
  const items = versions.map(version => objectText(kind, version, form, table)).join(',');
  return `{"kind":"${name}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(metadata)},"items":[${items}]}`;
}
