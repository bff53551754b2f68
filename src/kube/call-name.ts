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
  const parts = call.path.split('/');
  const root = parts[1] ?? '';
  let at = root === 'api' ? 3 : root === 'apis' ? 4 : parts.length;
  if (at >= parts.length) return { verb: 'get', resource: root };
  if (parts[at] === 'namespaces' && parts.length > at + 2) at += 2;
  const plural = parts[at] ?? '';
  const name = parts[at + 1];
  const subresource = parts[at + 2];
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  if (watch) return { verb: 'watch', resource };
  if (call.method === 'GET') return { verb: name === undefined ? 'list' : 'get', resource };
  if (call.method === 'PATCH') return { verb: call.contentType === APPLY ? 'apply' : 'patch', resource };
  return { verb: WRITES[call.method] ?? call.method.toLowerCase(), resource };
}
