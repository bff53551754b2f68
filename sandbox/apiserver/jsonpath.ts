import { isObject, type Json } from './json.ts';

type Step = (value: Json) => Json[];

/** The part of kubectl's JSONPath that printer columns use: `.a.b`, `['a.b']`, `[0]`, `[*]`, `[?(@.type=="Ready")]`. */
export function compilePath(path: string): (root: Json) => Json | undefined {
  const steps: Step[] = [];
  const token =
    /\.((?:\\.|[^.[\\])+)|\[\?\(@\.([\w.]+)\s*==\s*(?:"([^"]*)"|'([^']*)')\)\]|\['([^']*)'\]|\[(\d+|\*)\]/gy;
  while (token.lastIndex < path.length) {
    const match = token.exec(path);
    if (match === null) return () => undefined;
    const [, key, filterKey, double, single, quoted, index] = match;
    const member = key?.replaceAll('\\', '') ?? quoted;
    if (member !== undefined) steps.push(value => (isObject(value) ? present(value[member]) : []));
    else if (filterKey !== undefined) {
      const wanted = double ?? single;
      const read = compilePath(`.${filterKey}`);
      steps.push(value => (Array.isArray(value) ? value.filter(item => read(item) === wanted) : []));
    } else if (index === '*') steps.push(value => (Array.isArray(value) ? value : []));
    else steps.push(value => (Array.isArray(value) ? present(value[Number(index)]) : []));
  }
  return root => steps.reduce<Json[]>((values, step) => values.flatMap(value => step(value)), [root])[0];
}

const present = (value: Json | undefined): Json[] => (value === undefined ? [] : [value]);
