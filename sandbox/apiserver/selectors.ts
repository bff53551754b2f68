import { badRequest } from './errors.ts';
import { isObject, type Json, type KubeObject, textOr } from './json.ts';
import type { Kind } from './kind.ts';
import type { Shards } from './shards.ts';

/** `labelSelector` and `fieldSelector`. */
export type Matcher = (object: KubeObject) => boolean;

const everything: Matcher = () => true;

/** @param shards besides, what `shardSelector` asks for. */
export function compileSelectors(kind: Kind, params: URLSearchParams, shards?: Shards): Matcher {
  const labels = labelMatcher(params.get('labelSelector') ?? '');
  const fields = fieldMatcher(kind, params.get('fieldSelector') ?? '');
  const all = [labels, fields, shards?.matches ?? everything].filter(matches => matches !== everything);
  return object => all.every(matches => matches(object));
}

function labelMatcher(selector: string): Matcher {
  if (selector.trim() === '') return everything;
  const requirements = selector.split(/,(?![^(]*\))/).map(labelRequirement);
  return object => requirements.every(holds => holds(object.metadata.labels ?? {}));
}

function labelRequirement(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  const set = /^\s*([^\s!=,()]+)\s+(in|notin)\s+\(([^)]*)\)\s*$/.exec(text);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set(list.split(',').map(value => value.trim()));
    return labels => {
      const value = labels[key];
      return operator === 'in'
        ? value !== undefined && values.has(value)
        : value === undefined || !values.has(value);
    };
  }
  const pair = /^\s*([^\s!=,()]+)\s*(==|=|!=)\s*([^\s!=,()]*)\s*$/.exec(text);
  if (pair !== null) {
    const [, key = '', operator, value] = pair;
    return operator === '!=' ? labels => labels[key] !== value : labels => labels[key] === value;
  }
  const presence = /^\s*(!?)\s*([^\s!=,()]+)\s*$/.exec(text);
  if (presence === null) throw badRequest(`unable to parse requirement: ${JSON.stringify(text)}`);
  const [, absent, key = ''] = presence;
  return labels => (labels[key] === undefined) === (absent === '!');
}

function fieldMatcher(kind: Kind, selector: string): Matcher {
  if (selector.trim() === '') return everything;
  const requirements = selector.split(',').map(text => {
    const pair = /^([^=!]+)(==|=|!=)(.*)$/.exec(text.trim());
    if (pair === null)
      throw badRequest(`invalid selector: ${JSON.stringify(text)}; can't understand ${JSON.stringify(text)}`);
    const [, path = '', operator, value] = pair;
    if (!['metadata.name', 'metadata.namespace', ...kind.selectable].includes(path)) {
      throw badRequest(`field label not supported: ${path}`);
    }
    const steps = path.split('.');
    return (object: KubeObject): boolean => (valueAt(object, steps) === value) === (operator !== '!=');
  });
  return object => requirements.every(holds => holds(object));
}

function valueAt(object: KubeObject, steps: readonly string[]): string {
  const value = steps.reduce<Json | undefined>((at, step) => (isObject(at) ? at[step] : undefined), object);
  return textOr(value);
}
