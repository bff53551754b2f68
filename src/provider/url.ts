import { FillError, type Report } from './problems.ts';
import {
  fill,
  lone,
  type Placeholder,
  parseTemplate,
  placeholders,
  type Scope,
  type Template,
} from './template.ts';
import { hostPart, pathPart, percentEncode, queryPart, type Value } from './values.ts';

/**
 * URLs as templates. Where a value may stand is decided when the definition is accepted: a text with marks in place of the
 * values goes through the URL parser, and what it makes of them is what a filled one must be.
 */

/** `https://$(param.clave).example.com:8443/api`, taken apart. */
export interface BaseUrl {
  readonly scheme: 'https' | 'http';
  readonly host: Template;
  /** `:8443`, or empty. */
  readonly port: string;
  /** Empty, or begins with a slash and ends without one. */
  readonly path: Template;
}

export type Query = readonly (readonly [name: string, value: Template])[];
type Lookup = (name: string) => Value | undefined;

const mark = (index: number): string => `zq${index}placeholder${index}qz`;
const MARK = /zq(\d+)placeholder\1qz/g;

/** The text of a template with a mark for each placeholder, and the way back for any part of it. */
function marked(template: Template): { text: string; unmark: (part: string) => Template } {
  const found: Placeholder[] = [];
  const text = template
    .map(segment => (typeof segment === 'string' ? segment : mark(found.push(segment) - 1)))
    .join('');
  const unmark = (part: string): Template => {
    const segments: (string | Placeholder)[] = [];
    let at = 0;
    for (const hit of part.matchAll(MARK)) {
      const placeholder = found[Number(hit[1])];
      if (placeholder === undefined) continue;
      if (hit.index > at) segments.push(part.slice(at, hit.index));
      segments.push(placeholder);
      at = hit.index + hit[0].length;
    }
    if (at < part.length || segments.length === 0) segments.push(part.slice(at));
    return segments;
  };
  return { text, unmark };
}

/** @param scope holds only what may stand in a base URL: required parameters with a pattern. */
export function compileBaseUrl(
  text: string,
  scope: Scope,
  allowHTTP: boolean,
  field: string,
  report: Report,
): BaseUrl | undefined {
  let failed = false;
  const wrong = (message: string): undefined => {
    failed = true;
    report(field, message);
  };
  const { text: probe, unmark } = marked(parseTemplate(text, scope, wrong));
  if (failed) return undefined;
  const parts = /^(https?):\/\/([^/?#\\]*)(.*)$/is.exec(probe);
  if (parts === null || /[\s\p{Cc}]/u.test(probe))
    return wrong('must be an absolute URL that begins with https://, without spaces');
  const [, scheme = '', authority = '', path = ''] = parts;
  if (authority.includes('@'))
    return wrong('must not hold a user or a password: they belong into the request');
  if (/[?#\\]/.test(path)) return wrong('must not have a query or a fragment');
  if (path.endsWith('/')) return wrong("must not end in a slash: the flows' paths begin with one");
  let url: URL;
  try {
    url = new URL(probe);
  } catch {
    return wrong('is not a URL: values may stand in the host, as whole or part of a label, and in the path');
  }
  if (url.pathname !== (path === '' ? '/' : path)) return wrong(NORMAL_FORM);
  if (url.protocol === 'http:' && !allowHTTP) return wrong('must be https (or set spec.network.allowHTTP)');
  const host = hostOf(authority, url, unmark, wrong);
  if (host === undefined) return undefined;
  return {
    scheme: scheme.toLowerCase() === 'http' ? 'http' : 'https',
    host,
    port: url.port === '' ? '' : `:${url.port}`,
    path: unmark(path),
  };
}

const NORMAL_FORM =
  'has a path that is not in its normal form: no ".", no "..", and anything but plain characters percent-encoded';

function hostOf(
  authority: string,
  url: URL,
  unmark: (part: string) => Template,
  wrong: (message: string) => undefined,
): Template | undefined {
  const host = unmark(url.hostname);
  if (placeholders(host).length === 0) return host;
  if (authority.toLowerCase().replace(/:\d*$/, '') !== url.hostname) {
    return wrong('has a host that is not plain ASCII');
  }
  // else the parameter would choose whose server gets the login
  const literal = host.at(-1);
  if (typeof literal !== 'string' || !/\.[^.]+\.[^.]+$/.test(literal)) {
    return wrong('must end its host in a domain that is written out: a parameter must not choose the host');
  }
  return host;
}

/** @returns scheme, host and port as in `https://acme.example.com`, and with the base path. */
export function fillBaseUrl(base: BaseUrl, lookup: Lookup): { origin: string; baseUrl: string } {
  const take = needed(lookup);
  const host = fill(base.host, name => hostPart(name, take(name)));
  const path = fill(base.path, name => pathPart(name, take(name)));
  const text = `${base.scheme}://${host}${base.port}`;
  const variable = placeholders(base.host).map(({ name }) => name.replace(/^param\./, 'spec.parameters.'));
  if (host.length > 253 || host.split('.').some(label => label.length > 63)) {
    throw new FillError('ParameterInvalid', `${variable.join(', ')}: the host would be too long`);
  }
  const url = parsed(text);
  if (url?.hostname !== host) {
    throw new FillError('ParameterInvalid', `${variable.join(', ')}: the host would not be valid`);
  }
  return { origin: url.origin, baseUrl: url.origin + path };
}

export function compilePath(text: string, scope: Scope, field: string, report: Report): Template {
  let failed = false;
  const wrong = (message: string): void => {
    failed = true;
    report(field, message);
  };
  const template = parseTemplate(text, scope, wrong);
  if (failed) return template;
  const { text: probe } = marked(template);
  if (!probe.startsWith('/')) wrong('must begin with a slash');
  else if (probe.includes('?')) wrong('must not hold a query: use query');
  else if (probe.includes('#')) wrong('must not hold a fragment');
  else if (parsed(`https://host.invalid${probe}`)?.pathname !== probe) wrong(NORMAL_FORM);
  for (const { name } of placeholders(template)) {
    if (scope.names.get(name)?.optional) wrong(`$(${name}) is optional: a path needs a required parameter`);
  }
  return template;
}

export function fillUrl(
  account: { readonly origin: string; readonly baseUrl: string },
  path: Template,
  query: Query,
  lookup: Lookup,
): string {
  const take = needed(lookup);
  const pairs: string[] = [];
  for (const [key, value] of query) {
    const only = lone(value);
    if (only !== undefined && lookup(only.name) === undefined) continue;
    const text = value
      .map(part => (typeof part === 'string' ? percentEncode(part) : queryPart(part.name, take(part.name))))
      .join('');
    pairs.push(`${percentEncode(key)}=${text}`);
  }
  const filledPath = fill(path, name => pathPart(name, take(name)));
  const text = `${account.baseUrl}${filledPath}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`;
  const url = parsed(text);
  const segments = (part: string): number => part.split('/').length;
  const compiled =
    segments(fill(path, () => 'x')) + segments(account.baseUrl.slice(account.origin.length)) - 1;
  // what encoding should have made impossible: the login would go elsewhere
  if (url?.href !== text || url.origin !== account.origin || segments(url.pathname) !== compiled) {
    throw new FillError('RequestInvalid', 'the filled URL is another than the definition describes');
  }
  return text;
}

function needed(lookup: Lookup): (name: string) => Value {
  return name => {
    const value = lookup(name);
    if (value === undefined) throw new Error(`a required value is absent: ${name}`);
    return value;
  };
}

function parsed(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
