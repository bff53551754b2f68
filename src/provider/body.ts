import { member, type Report } from './problems.ts';
import { fill, lone, parseTemplate, placeholders, type Scope, type Template } from './template.ts';
import type { Value } from './values.ts';

/** Request bodies. JSON is a tree that is walked: a value is never spliced into text that is parsed afterwards. */

export type JsonBody =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'template'; readonly template: Template }
  | { readonly kind: 'list'; readonly items: readonly JsonBody[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, JsonBody])[] };

type Lookup = (name: string) => Value | undefined;

const MAX_DEPTH = 32;

/** A template whose absence, when it is one optional placeholder, leaves out what it stands in. */
export function compileText(text: string, scope: Scope, field: string, report: Report): Template {
  const template = parseTemplate(text, scope, message => report(field, message));
  if (lone(template) !== undefined) return template;
  for (const { name } of placeholders(template)) {
    if (scope.names.get(name)?.optional) {
      report(field, `$(${name}) is optional, so it may only stand alone: then the whole is left out`);
    }
  }
  return template;
}

/** @returns undefined when the template is a lone placeholder whose value is absent. */
export function fillText(template: Template, lookup: Lookup): string | undefined {
  const only = lone(template);
  if (only !== undefined && lookup(only.name) === undefined) return undefined;
  return fill(template, name => lookup(name) ?? '');
}

export function compileJson(value: unknown, scope: Scope, field: string, report: Report): JsonBody {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    report(field, 'must be an object');
  }
  return compileNode(value, scope, field, report, 0);
}

function compileNode(value: unknown, scope: Scope, field: string, report: Report, depth: number): JsonBody {
  if (depth > MAX_DEPTH) {
    report(field, `is nested more than ${MAX_DEPTH} deep`);
    return { kind: 'literal', text: 'null' };
  }
  if (typeof value === 'string') {
    return { kind: 'template', template: compileText(value, scope, field, report) };
  }
  if (Array.isArray(value)) {
    const items = value.map((item, index) =>
      compileNode(item, scope, `${field}[${index}]`, report, depth + 1),
    );
    return { kind: 'list', items };
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => [key, compileNode(item, scope, member(field, key), report, depth + 1)] as const,
    );
    return { kind: 'object', members };
  }
  return { kind: 'literal', text: JSON.stringify(value) ?? 'null' };
}

/** @returns JSON text, or undefined for what is left out. */
export function fillJson(node: JsonBody, lookup: Lookup): string | undefined {
  switch (node.kind) {
    case 'literal':
      return node.text;
    case 'template': {
      const only = lone(node.template);
      // alone, a value keeps its type: an integer is a JSON number
      const value = only === undefined ? fillText(node.template, lookup) : lookup(only.name);
      return value === undefined ? undefined : JSON.stringify(value);
    }
    case 'list': {
      const items = node.items.map(item => fillJson(item, lookup)).filter(item => item !== undefined);
      return `[${items.join(',')}]`;
    }
    case 'object': {
      const members: string[] = [];
      for (const [key, item] of node.members) {
        const text = fillJson(item, lookup);
        if (text !== undefined) members.push(`${JSON.stringify(key)}:${text}`);
      }
      return `{${members.join(',')}}`;
    }
  }
}

export type FormBody = readonly (readonly [name: string, value: Template])[];

export function fillForm(form: FormBody, lookup: Lookup): string {
  const pairs: [string, string][] = [];
  for (const [key, template] of form) {
    const text = fillText(template, lookup);
    if (text !== undefined) pairs.push([key, text]);
  }
  return new URLSearchParams(pairs).toString();
}
