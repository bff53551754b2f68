import type { JsonObject } from './json.ts';
import type { Kind } from './kind.ts';
import type { Registry } from './registry.ts';
import type { Schema } from './schema.ts';

/** What kubectl asks first: which groups and kinds there are, and what their fields mean. */

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

const GIT_VERSION = 'v1.36.0-sandbox';
const VERSION: JsonObject = {
  major: '1',
  minor: '36',
  gitVersion: GIT_VERSION,
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'none',
  platform: 'node',
};

/** The answer for a path that is no resource; undefined where there is nothing. */
export function describePath(registry: Registry, path: string): JsonObject | string | undefined {
  if (path === '/version') return VERSION;
  if (['/healthz', '/readyz', '/livez'].includes(path)) return 'ok';
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
  if (path === '/apis') return groupList(registry);
  if (path === '/openapi/v3') return openApiIndex(registry);
  const document = /^\/openapi\/v3\/(?:api|apis)\/(.+)$/.exec(path)?.[1];
  const named = /^\/(?:api|apis)\/(.+)$/.exec(path)?.[1];
  const versions = registry.groupVersions();
  const described = versions.get(document ?? '');
  if (described !== undefined) return openApi(described);
  const listed = versions.get(named ?? '');
  return listed === undefined
    ? groupList(registry).groups.find(({ name }) => name === named)
    : resourceList(listed);
}

function groupList(registry: Registry): { kind: string; apiVersion: string; groups: JsonObject[] } {
  const groups = [...registry.groupVersions()].flatMap(([groupVersion, [kind]]) => {
    if (kind === undefined || kind.group === '') return [];
    const version = { groupVersion, version: kind.version };
    return [
      {
        kind: 'APIGroup',
        apiVersion: 'v1',
        name: kind.group,
        versions: [version],
        preferredVersion: version,
      },
    ];
  });
  return { kind: 'APIGroupList', apiVersion: 'v1', groups };
}

function resourceList(kinds: readonly Kind[]): JsonObject {
  const resources = kinds.flatMap(kind => {
    const { plural, singular, namespaced, shortNames, categories } = kind;
    const resource: JsonObject = {
      name: plural,
      singularName: singular,
      namespaced,
      kind: kind.kind,
      verbs: VERBS,
      ...(shortNames.length > 0 ? { shortNames: [...shortNames] } : {}),
      ...(categories.length > 0 ? { categories: [...categories] } : {}),
    };
    const status: JsonObject = {
      name: `${plural}/status`,
      singularName: '',
      namespaced,
      kind: kind.kind,
      verbs: ['get', 'patch', 'update'],
    };
    return kind.statusSubresource ? [resource, status] : [resource];
  });
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: kinds[0]?.apiVersion ?? '', resources };
}

const rootOf = (kind: Kind): string => (kind.group === '' ? 'api' : 'apis');

function openApiIndex(registry: Registry): JsonObject {
  const paths: JsonObject = {};
  for (const [groupVersion, [kind]] of registry.groupVersions()) {
    if (kind === undefined) continue;
    const path = `${rootOf(kind)}/${groupVersion}`;
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}` };
  }
  return { paths };
}

function openApi(kinds: readonly Kind[]): JsonObject {
  const paths: JsonObject = {};
  const schemas: JsonObject = {};
  for (const kind of kinds) {
    const { group, version, plural, namespaced } = kind;
    const gvk = { group, version, kind: kind.kind };
    const name = `${group === '' ? 'core' : group}.${version}.${kind.kind}`;
    schemas[name] = { ...plain(kind.schema), 'x-kubernetes-group-version-kind': [gvk] };
    const collection = `/${rootOf(kind)}/${kind.apiVersion}${namespaced ? '/namespaces/{namespace}' : ''}/${plural}`;
    const answer = {
      '200': {
        description: 'OK',
        content: { 'application/json': { schema: { $ref: `#/components/schemas/${name}` } } },
      },
    };
    // kubectl leaves the checking of fields to a server that knows these parameters.
    const parameters = ['dryRun', 'fieldManager', 'fieldValidation', 'force'].map(query => ({
      name: query,
      in: 'query',
      schema: { type: 'string', uniqueItems: true },
    }));
    const operation = (action: string): JsonObject => ({
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': gvk,
      parameters,
      responses: answer,
    });
    paths[collection] = { get: operation('list'), post: operation('post') };
    paths[`${collection}/{name}`] = {
      get: operation('get'),
      put: operation('put'),
      patch: operation('patch'),
      delete: operation('delete'),
    };
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: GIT_VERSION },
    paths,
    components: { schemas },
  };
}

/** A Schema is JSON by construction: it was read from a CRD's text, or is a literal. */
const plain = (schema: Schema): JsonObject => schema as unknown as JsonObject;
