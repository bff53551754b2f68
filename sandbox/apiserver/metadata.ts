import { remembering } from '../remember.ts';
import { type Cause, cause } from './errors.ts';
import type { Meta } from './json.ts';

/** What the API server asks of any object's metadata. */

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const LARGEST_ANNOTATIONS_BYTES = 256 * 1024;

const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_RULE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** Keys are few and come again with every write. */
const isQualified = remembering((key): boolean => {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  const prefix = key.slice(0, Math.max(0, slash));
  if (slash >= 0 && (prefix.length > 253 || !SUBDOMAIN.test(prefix))) return false;
  return name.length <= 63 && QUALIFIED.test(name);
});

export function nameMistakes(meta: Meta, isNamespace: boolean): Cause[] {
  const { name } = meta;
  if (name === '') return [cause.required('metadata.name', 'name or generateName is required')];
  const [pattern, rule, longest] = isNamespace
    ? ([LABEL, LABEL_RULE, 63] as const)
    : ([SUBDOMAIN, SUBDOMAIN_RULE, 253] as const);
  if (name.length > longest) {
    return [cause.value('metadata.name', name, `must be no more than ${longest} bytes`)];
  }
  return pattern.test(name) ? [] : [cause.value('metadata.name', name, rule)];
}

/** Looks only at what changed. */
export function metaMistakes(meta: Meta, old: Meta | undefined): Cause[] {
  const causes: Cause[] = [];
  if (meta.labels !== old?.labels) {
    for (const [key, value] of Object.entries(meta.labels ?? {})) {
      if (!isQualified(key)) causes.push(cause.value('metadata.labels', key, QUALIFIED_RULE));
      if (value.length > 63) {
        causes.push(cause.value('metadata.labels', value, 'must be no more than 63 bytes'));
      } else if (!LABEL_VALUE.test(value)) {
        causes.push(cause.value('metadata.labels', value, VALUE_RULE));
      }
    }
  }
  if (meta.annotations !== old?.annotations) {
    let size = 0;
    for (const [key, value] of Object.entries(meta.annotations ?? {})) {
      size += key.length + value.length;
      if (!isQualified(key.toLowerCase())) {
        causes.push(cause.value('metadata.annotations', key, QUALIFIED_RULE));
      }
    }
    if (size > LARGEST_ANNOTATIONS_BYTES) {
      causes.push({
        reason: 'FieldValueTooLong',
        message: `Too long: may not be more than ${LARGEST_ANNOTATIONS_BYTES} bytes`,
        field: 'metadata.annotations',
      });
    }
  }
  if (meta.ownerReferences !== old?.ownerReferences) ownerMistakes(meta, causes);
  if (meta.finalizers !== old?.finalizers) finalizerMistakes(meta, old, causes);
  return causes;
}

function ownerMistakes(meta: Meta, causes: Cause[]): void {
  const owners = meta.ownerReferences ?? [];
  owners.forEach((owner, index) => {
    const at = `metadata.ownerReferences[${index}]`;
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (owner[field] === '') causes.push(cause.value(`${at}.${field}`, '', 'must not be empty'));
    }
  });
  if (owners.filter(({ controller }) => controller === true).length > 1) {
    const why = 'Only one reference can have Controller set to true';
    causes.push(cause.value('metadata.ownerReferences', null, why));
  }
}

function finalizerMistakes(meta: Meta, old: Meta | undefined, causes: Cause[]): void {
  for (const finalizer of meta.finalizers ?? []) {
    if (!isQualified(finalizer)) causes.push(cause.value('metadata.finalizers', finalizer, QUALIFIED_RULE));
  }
  if (old?.deletionTimestamp === undefined) return;
  const added = (meta.finalizers ?? []).filter(finalizer => !old.finalizers?.includes(finalizer));
  if (added.length > 0) {
    const list = added.map(finalizer => `"${finalizer}"`).join(', ');
    const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
    causes.push(cause.forbidden('metadata.finalizers', why));
  }
}
