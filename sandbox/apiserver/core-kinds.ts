import { definitionColumns, eventColumns, leaseColumns, namespaceColumns, secretColumns } from './columns.ts';
import { type Cause, cause } from './errors.ts';
import { isObject, type Json, type JsonObject, type KubeObject, objectOr, textOr } from './json.ts';
import { type Kind, makeKind } from './kind.ts';
import type { Schema } from './schema.ts';
import { admitSecret } from './secret.ts';

/** The kinds that every cluster has, as far as an operator like ours needs them. */

const text: Schema = { type: 'string' };
const time: Schema = { type: 'string', format: 'date-time' };
const integer: Schema = { type: 'integer' };
const textMap: Schema = { type: 'object', additionalProperties: text };
const shape = (properties: Record<string, Schema>, required?: string[]): Schema =>
  required === undefined ? { type: 'object', properties } : { type: 'object', properties, required };

const secret = makeKind({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  columns: secretColumns,
  selectable: ['type'],
  admit: admitSecret,
  schema: {
    ...shape({ data: textMap, stringData: textMap, type: text, immutable: { type: 'boolean' } }),
    description: 'Secret holds secret data of a certain type.',
  },
});

const namespace = makeKind({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  namespaced: false,
  statusSubresource: true,
  columns: namespaceColumns,
  selectable: ['status.phase'],
  admit: (object, old) => ({ object: old === undefined ? activeNamespace(object) : object, causes: [] }),
  schema: {
    description: 'Namespace provides a scope for Names.',
    ...shape({
      spec: shape({ finalizers: { type: 'array', items: text } }),
      status: shape({
        phase: text,
        conditions: {
          type: 'array',
          items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['type'],
        },
      }),
    }),
  },
});

function activeNamespace(object: KubeObject): KubeObject {
  const labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name };
  return {
    ...object,
    metadata: { ...object.metadata, labels },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
}

const lease = makeKind({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  unconditionalUpdate: false,
  columns: leaseColumns,
  schema: {
    description: 'Lease defines a lease concept.',
    ...shape({
      spec: shape({
        holderIdentity: text,
        leaseDurationSeconds: { type: 'integer', minimum: 1 },
        acquireTime: time,
        renewTime: time,
        leaseTransitions: { type: 'integer', minimum: 0 },
        strategy: text,
        preferredHolder: text,
      }),
    }),
  },
});

const reference = shape({
  kind: text,
  namespace: text,
  name: text,
  uid: text,
  apiVersion: text,
  resourceVersion: text,
  fieldPath: text,
});
const common = {
  reason: text,
  type: text,
  eventTime: time,
  action: text,
  related: reference,
  reportingInstance: text,
  series: shape({ count: integer, lastObservedTime: time }),
};
const source = shape({ component: text, host: text });
const eventDescription = 'Event is a report of an event somewhere in the cluster.';
const aboutWhat = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];

const coreEvent = makeKind({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  columns: eventColumns,
  encode: object => ({ ...object, apiVersion: 'v1' }),
  selectable: ['reason', 'type', 'source', ...aboutWhat.map(field => `involvedObject.${field}`)],
  schema: {
    description: eventDescription,
    ...shape({
      ...common,
      involvedObject: reference,
      message: text,
      source,
      firstTimestamp: time,
      lastTimestamp: time,
      count: integer,
      reportingComponent: text,
    }),
  },
});

/** What events.k8s.io calls it, and what core/v1, the stored form, does. */
const EVENT_NAMES: readonly (readonly [string, string])[] = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
  ['reportingController', 'reportingComponent'],
];
function rename(object: JsonObject, names: readonly (readonly [string, string])[]): JsonObject {
  const result = { ...object };
  for (const [from, to] of names) {
    if (result[from] === undefined) continue;
    result[to] = result[from];
    delete result[from];
  }
  return result;
}
const EVENT_NAMES_BACK = EVENT_NAMES.map(([from, to]) => [to, from] as const);

/** The newer API asks for more than core/v1 does. */
function eventMistakes(event: KubeObject): Cause[] {
  const bounded: [string, Json | undefined, number][] = [
    ['reportingController', event.reportingComponent, 128],
    ['reportingInstance', event.reportingInstance, 128],
    ['action', event.action, 128],
    ['reason', event.reason, 128],
    ['note', event.message ?? '-', 1024],
  ];
  const causes: Cause[] = [];
  if (textOr(event.eventTime) === '') causes.push(cause.required('eventTime'));
  else {
    for (const [field, value, limit] of bounded) {
      if (textOr(value) === '') causes.push(cause.required(field));
      else if (textOr(value).length > limit) {
        causes.push(cause.value(field, '', `can have at most ${limit} characters`));
      }
    }
  }
  if (event.type !== 'Normal' && event.type !== 'Warning') {
    causes.push(cause.value('type', event.type, 'has invalid value'));
  }
  const about = textOr(objectOr(event.involvedObject).namespace) || 'default';
  if (about !== event.metadata.namespace) {
    causes.push(cause.value('regarding.namespace', about, 'does not match event.namespace'));
  }
  return causes;
}

const newEvent = makeKind({
  ...coreEvent,
  group: 'events.k8s.io',
  apiVersion: 'events.k8s.io/v1',
  admit: object => ({ object, causes: eventMistakes(object) }),
  decode: object => rename(object, EVENT_NAMES),
  encode: object => ({
    ...rename(object, EVENT_NAMES_BACK),
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: object.metadata,
  }),
});

const definition = makeKind({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  namespaced: false,
  statusSubresource: true,
  unconditionalUpdate: false,
  columns: definitionColumns,
  admit: object => ({ object: namedDefinition(object), causes: [] }),
  schema: {
    description: 'CustomResourceDefinition represents a resource that should be exposed on the API server.',
    type: 'object',
    required: ['spec'],
    properties: {
      spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    },
  },
});

/** Fills in what the real server does, so that a client-side apply of the same text changes nothing. */
function namedDefinition(object: KubeObject): KubeObject {
  const spec = objectOr(object.spec);
  if (!isObject(spec.names)) return object;
  const kind = typeof spec.names.kind === 'string' ? spec.names.kind : '';
  const names = { singular: kind.toLowerCase(), listKind: `${kind}List`, ...spec.names };
  return { ...object, spec: { conversion: { strategy: 'None' }, ...spec, names } };
}

export const NAMESPACES = namespace;
export const DEFINITIONS = definition;
export const CORE_KINDS: readonly Kind[] = [secret, namespace, coreEvent, newEvent, lease, definition];
