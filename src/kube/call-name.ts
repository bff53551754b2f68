/** The content type of a server-side apply; JSON is YAML. */
export const APPLY = 'application/apply-patch+yaml';
export const MERGE_PATCH = 'application/merge-patch+json';

export interface CallName {
  /** As in RBAC, and `apply` for a server-side apply. */
  readonly verb: string;
  /** Plural and subresource, without names: `secrets`, `providercredentials/status`. A closed set, so fit for a label. */
  readonly resource: string;
}

const WRITES: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', DELETE: 'delete' };

/** @param call.path `/api/v1/…` or `/apis/<group>/<version>/…`; anything else (`/version`) is a resource of its own. */
export function callName(
  call: { readonly method: string; readonly path: string; readonly contentType?: string | undefined },
  watch = false,
): CallName {
  const [root, ...parts] = call.path.split('/').filter(part => part !== '');
  const rest = root === 'api' ? parts.slice(1) : root === 'apis' ? parts.slice(2) : undefined;
  if (rest === undefined || rest.length === 0) return { verb: 'get', resource: root ?? '' };
  const scoped = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest;
  const [plural = '', name, subresource] = scoped;
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  if (watch) return { verb: 'watch', resource };
  if (call.method === 'GET') return { verb: name === undefined ? 'list' : 'get', resource };
  if (call.method === 'PATCH') return { verb: call.contentType === APPLY ? 'apply' : 'patch', resource };
  return { verb: WRITES[call.method] ?? call.method.toLowerCase(), resource };
}
