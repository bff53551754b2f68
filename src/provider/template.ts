import { percentEncode, type Value } from './values.ts';

/**
 * `$(name)`: the one template form. `$$(` is a literal `$(`; elsewhere a `$` is itself.
 * Before a parenthesis each pair of `$` is one literal `$`, so that `$$$(x)` is a `$` and the value.
 */

export const FILTERS = ['base64', 'json', 'urlencode'] as const;
export type Filter = (typeof FILTERS)[number];

export interface Placeholder {
  /** With its scope: `input.username`, `token`. */
  readonly name: string;
  readonly filters: readonly Filter[];
}
export type Template = readonly (string | Placeholder)[];

/** What a template may name, and whether it may be absent when the template is filled. */
export interface Scope {
  readonly names: ReadonlyMap<string, { readonly optional: boolean }>;
  readonly filters: boolean;
  /** Known elsewhere, with what to say about it here. */
  readonly elsewhere?: (name: string) => string | undefined;
}

/** @param report is told each mistake; with one, the template is not to be used. */
export function parseTemplate(text: string, scope: Scope, report: (message: string) => void): Template {
  const segments: (string | Placeholder)[] = [];
  let literal = '';
  let at = 0;
  for (const opening of text.matchAll(/(\$+)\(/g)) {
    if (opening.index < at) continue;
    const dollars = opening[1]?.length ?? 0;
    literal += text.slice(at, opening.index) + '$'.repeat(Math.floor(dollars / 2));
    at = opening.index + opening[0].length;
    if (dollars % 2 === 0) {
      literal += '(';
      continue;
    }
    const close = text.indexOf(')', at);
    if (close < 0) {
      report('a $( is not closed: write $(name), or $$( for a literal $(');
      return [];
    }
    const placeholder = parsePlaceholder(text.slice(at, close), scope, report);
    at = close + 1;
    if (placeholder === undefined) continue;
    if (literal !== '') segments.push(literal);
    literal = '';
    segments.push(placeholder);
  }
  literal += text.slice(at);
  if (literal !== '' || segments.length === 0) segments.push(literal);
  return segments;
}

function parsePlaceholder(
  inside: string,
  scope: Scope,
  report: (message: string) => void,
): Placeholder | undefined {
  const [name = '', ...filters] = inside.split('|').map(part => part.trim());
  if (!scope.names.has(name)) {
    const known = [...scope.names.keys()].map(each => `$(${each})`).join(', ');
    report(
      scope.elsewhere?.(name) ?? `$(${name}) is unknown here: ${known === '' ? 'nothing is known' : known}`,
    );
    return undefined;
  }
  if (filters.length > 0 && !scope.filters) {
    report(`$(${name} | …): filters are for a credential's target.data alone; values are encoded as needed`);
    return undefined;
  }
  const known: Filter[] = [];
  for (const filter of filters) {
    const found = FILTERS.find(each => each === filter);
    if (found === undefined) report(`the filter "${filter}" of $(${name}) is unknown: ${FILTERS.join(', ')}`);
    else known.push(found);
  }
  return { name, filters: known };
}

/** The placeholder of a template that is nothing else. */
export function lone(template: Template): Placeholder | undefined {
  const [only, ...rest] = template;
  return rest.length === 0 && typeof only === 'object' ? only : undefined;
}

export function placeholders(template: Template): Placeholder[] {
  return template.filter(segment => typeof segment === 'object');
}

/** @param value gives each placeholder's text, filters not yet applied. */
export function fill(template: Template, value: (name: string) => Value): string {
  return template
    .map(segment => (typeof segment === 'string' ? segment : filtered(value(segment.name), segment.filters)))
    .join('');
}

function filtered(value: Value, filters: readonly Filter[]): string {
  let current: Value = value;
  for (const filter of filters) {
    switch (filter) {
      case 'base64':
        current = Buffer.from(String(current), 'utf8').toString('base64');
        break;
      case 'json':
        current = JSON.stringify(current);
        break;
      case 'urlencode':
        current = percentEncode(String(current));
        break;
    }
  }
  return String(current);
}
