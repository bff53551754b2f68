import { ApiError, badRequest } from './errors.ts';
import { itemsOf } from './fields.ts';
import { equal, isObject, type Json, type JsonObject } from './json.ts';
import { childSchema, itemKey, type Schema } from './schema.ts';

/** RFC 7386. What the patch does not touch keeps its identity. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result = isObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === undefined) continue;
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** RFC 6902. */
export function jsonPatch(target: Json, operations: Json): Json {
  if (!Array.isArray(operations)) throw badRequest('a JSON patch is a list of operations');
  return operations.reduce<Json>((root, operation) => {
    if (!isObject(operation)) throw badRequest('an operation of a JSON patch is an object');
    return oneOperation(root, operation);
  }, target);
}

const refused = (): ApiError =>
  new ApiError(422, 'Invalid', 'the server rejected our request due to an error in our request', {});

function oneOperation(root: Json, { op, path, from, value = null }: JsonObject): Json {
  const at = steps(path);
  switch (op) {
    case 'add':
      return change(root, at, () => value, true);
    case 'replace':
      read(root, at);
      return change(root, at, () => value, false);
    case 'remove':
      read(root, at);
      return change(root, at, () => undefined, false);
    case 'test':
      if (!equal(read(root, at), value)) throw refused();
      return root;
    case 'copy':
      return change(root, at, () => read(root, steps(from)), true);
    case 'move': {
      const moved = read(root, steps(from));
      return change(
        change(root, steps(from), () => undefined, false),
        at,
        () => moved,
        true,
      );
    }
    default:
      throw badRequest(`unexpected kind of JSON patch operation: ${JSON.stringify(op)}`);
  }
}

function steps(pointer: Json | undefined): string[] {
  if (typeof pointer !== 'string') throw badRequest('an operation of a JSON patch needs a path');
  return pointer
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function read(root: Json, path: readonly string[]): Json {
  let at: Json | undefined = root;
  for (const step of path) {
    at = Array.isArray(at)
      ? at[Number(step)]
      : isObject(at) && Object.hasOwn(at, step)
        ? at[step]
        : undefined;
    if (at === undefined) throw refused();
  }
  return at;
}

function change(
  node: Json,
  [step, ...rest]: readonly string[],
  make: () => Json | undefined,
  insert: boolean,
): Json {
  if (step === undefined) return make() ?? null;
  if (Array.isArray(node)) {
    const index = step === '-' ? node.length : Number(step);
    if (!(index >= 0 && index <= node.length)) throw refused();
    const list = [...node];
    if (rest.length > 0) list[index] = change(list[index] ?? null, rest, make, insert);
    else {
      const value = make();
      list.splice(index, insert ? 0 : 1, ...(value === undefined ? [] : [value]));
    }
    return list;
  }
  if (!isObject(node)) throw refused();
  const result = { ...node };
  if (rest.length > 0) {
    const child = node[step];
    if (child === undefined) throw refused();
    result[step] = change(child, rest, make, insert);
    return result;
  }
  const value = make();
  if (value === undefined) delete result[step];
  else result[step] = value;
  return result;
}

/** Kubernetes' own: lists with a key are merged by it, and `$`-directives delete and replace. */
export function strategicPatch(target: Json | undefined, patch: Json, schema: Schema | undefined): Json {
  if (!isObject(patch)) return mergeList(target, patch, schema);
  if (patch.$patch === 'replace') return withoutDirectives(patch);
  const result = isObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (
      value === undefined ||
      key === '$patch' ||
      key === '$retainKeys' ||
      key.startsWith('$setElementOrder/')
    ) {
      continue;
    }
    if (key.startsWith('$deleteFromPrimitiveList/')) {
      const name = key.slice(key.indexOf('/') + 1);
      const [list, gone] = [result[name], value];
      if (Array.isArray(list) && Array.isArray(gone)) {
        result[name] = list.filter(item => !gone.some(other => equal(item, other)));
      }
    } else if (value === null || (isObject(value) && value.$patch === 'delete')) delete result[key];
    else result[key] = strategicPatch(result[key], value, childSchema(schema, key));
  }
  return result;
}

function mergeList(target: Json | undefined, patch: Json, schema: Schema | undefined): Json {
  const items = itemsOf(target ?? [], schema);
  if (!Array.isArray(patch) || items === undefined) return patch;
  if (patch.some(item => isObject(item) && item.$patch === 'replace')) {
    return patch.filter(item => !(isObject(item) && item.$patch === 'replace'));
  }
  for (const item of patch) {
    const key = itemKey(schema, item) ?? '';
    if (isObject(item) && item.$patch === 'delete') items.delete(key);
    else items.set(key, strategicPatch(items.get(key), item, schema?.items));
  }
  return [...items.values()];
}

const withoutDirectives = (patch: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(patch).filter(([key]) => !key.startsWith('$')));
