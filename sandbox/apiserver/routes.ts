import { remembering } from '../remember.ts';
import type { WireRequest } from '../wire.ts';
import type { Call } from './faults.ts';

/** What a request asks for, read from its method and path. */

const VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

export function readCall({ method, url }: WireRequest): Call {
  return callOf(`${method} ${url.href}`);
}

/** The same is asked of an object again and again. */
const callOf = remembering((asked): Call => {
  const space = asked.indexOf(' ');
  const method = asked.slice(0, space);
  const { pathname, searchParams: params } = new URL(asked.slice(space + 1));
  const dryRun = params.getAll('dryRun').includes('All');
  const [root = '', ...rest] = pathname.split('/').slice(1).map(decode);
  const [group, version = '', ...path] = root === 'api' ? ['', ...rest] : rest;
  const call = {
    group: '',
    version: '',
    resource: '',
    subresource: '',
    name: '',
    path: pathname,
    params,
    dryRun,
  };
  if ((root !== 'api' && root !== 'apis') || path.length === 0 || path[0] === '') {
    return {
      ...call,
      verb: method === 'GET' || method === 'HEAD' ? 'read' : method.toLowerCase(),
      namespace: undefined,
    };
  }
  // `namespaces/x/secrets/y` is a Secret, `namespaces/x` and `namespaces/x/status` are the Namespace itself.
  const inside =
    path[0] === 'namespaces' && path.length > 2 && !(path.length === 3 && NAMESPACE_PARTS.has(path[2] ?? ''));
  const [resource = '', name = '', subresource = ''] = inside ? path.slice(2) : path;
  return {
    ...call,
    verb: verbOf(method, name, params),
    group: group ?? '',
    version,
    resource,
    subresource,
    namespace: inside ? path[1] : undefined,
    name,
  };
});

const NAMESPACE_PARTS = new Set(['status', 'finalize']);

function verbOf(method: string, name: string, params: URLSearchParams): string {
  const verb = VERBS[method] ?? method.toLowerCase();
  const watch = params.get('watch');
  if (verb === 'get' && (watch === 'true' || watch === '1')) return 'watch';
  if (verb === 'get' && name === '') return 'list';
  if (verb === 'delete' && name === '') return 'deletecollection';
  if (verb === 'create' && name !== '') return 'post';
  return verb;
}

function decode(step: string): string {
  if (!step.includes('%')) return step;
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}
