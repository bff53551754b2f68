/** The kinds that the operator and its tests know, and where a real API server has them. */
export interface KindPath {
  readonly apiVersion: string;
  readonly kind: string;
  readonly resource: string;
  readonly namespaced: boolean;
}

const kind = (apiVersion: string, name: string, resource: string, namespaced: boolean): KindPath => ({
  apiVersion,
  kind: name,
  resource,
  namespaced,
});

export const NAMESPACES = kind('v1', 'Namespace', 'namespaces', false);
export const DEFINITIONS = kind(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
);

/** What a world is emptied of before it begins. */
export const CONTENT: readonly KindPath[] = [
  kind('tokensync.dev/v1alpha1', 'ProviderCredential', 'providercredentials', true),
  kind('tokensync.dev/v1alpha1', 'ClusterTokenProvider', 'clustertokenproviders', false),
  kind('v1', 'Secret', 'secrets', true),
  kind('v1', 'Event', 'events', true),
  kind('coordination.k8s.io/v1', 'Lease', 'leases', true),
];

/** What is mirrored. */
export const MIRRORED: readonly KindPath[] = [NAMESPACES, ...CONTENT];

/** Of the collection; without a namespace, all of the cluster. */
export function pathOf({ apiVersion, resource }: KindPath, namespace?: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${root}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${resource}`;
}
