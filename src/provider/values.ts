import { FillError } from './problems.ts';
import type { Inputs, Problem } from './types.ts';

/** What may stand where. A message names the input or the parameter, never its value. */

/** What fills a placeholder. */
export type Value = string | number | boolean;

/** Characters. Longer than any password, key or token; a value beyond it is a file put there by mistake. */
export const MAX_VALUE_LENGTH = 65_536;

/** C0, DEL and C1. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

export function hasControl(text: string): boolean {
  return CONTROL.test(text);
}

/** Everything but RFC 3986's unreserved characters. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The inputs that a flow needs, each there and fit to be sent at all. */
export function checkInputs(names: readonly string[], inputs: Inputs): Problem | undefined {
  for (const name of names) {
    const value = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    if (value === undefined) {
      return {
        reason: 'SourceKeyMissing',
        message: `the input ${name} is missing: add its key to the source Secret, or name another in spec.source.keys`,
      };
    }
    const wrong = inputFault(value);
    if (wrong !== undefined) {
      return {
        reason: 'SourceValueInvalid',
        message: `the source Secret's value for the input ${name} ${wrong}`,
      };
    }
  }
  return undefined;
}

function inputFault(value: string): string | undefined {
  if (value === '') return 'is empty: fill it in';
  if (value.length > MAX_VALUE_LENGTH) return `is longer than ${MAX_VALUE_LENGTH} characters`;
  if (!value.isWellFormed()) return 'is not valid Unicode text';
  // most often made by `echo` or an editor; it would be sent as part of the password
  if (/\n$/.test(value) && !hasControl(value.replace(/\r?\n$/, ''))) {
    return 'ends in a newline: create the Secret with printf or --from-literal';
  }
  if (hasControl(value)) return 'has a newline or another control character: remove it';
  return undefined;
}

/** @param name with its scope, as in `input.username`. */
function refuse(name: string, wrong: string): never {
  const dot = name.indexOf('.');
  const scope = name.slice(0, dot);
  const rest = name.slice(dot + 1);
  if (scope === 'input') {
    throw new FillError('SourceValueInvalid', `the source Secret's value for the input ${rest} ${wrong}`);
  }
  if (scope === 'param') throw new FillError('ParameterInvalid', `spec.parameters.${rest} ${wrong}`);
  throw new FillError('RefreshTokenRejected', `the held refresh token ${wrong}`);
}

/** Percent-encoded, so that a value stays the part of the URL that it was put into. */
export function queryPart(name: string, value: Value): string {
  const text = String(value);
  if (hasControl(text) || !text.isWellFormed()) refuse(name, 'has a character that a URL cannot carry');
  return percentEncode(text);
}

/** As {@link queryPart}; in a path a value must not change the segments either. */
export function pathPart(name: string, value: Value): string {
  const text = String(value);
  if (text === '') refuse(name, 'is empty, which a path cannot carry');
  // some servers take an encoded slash for a slash
  if (text.split(/[/\\]/).some(part => part === '.' || part === '..')) {
    refuse(name, 'would change the path of the URL: "." and ".." cannot be parts of it');
  }
  return queryPart(name, value);
}

/** Latin-1 without controls: what a header can carry unchanged. */
export function headerPart(name: string, value: Value): string {
  const text = String(value);
  if (hasControl(text)) refuse(name, 'has a control character, which a header cannot carry');
  if (!/^[\u0020-\u00ff]*$/.test(text)) refuse(name, 'has a character that a header cannot carry');
  return text;
}

/** RFC 7617: the first colon ends the user name. */
export function basicUserPart(name: string, value: Value): string {
  const text = String(value);
  if (text.includes(':')) refuse(name, 'has a colon, which a basic user name cannot carry');
  return text;
}

/** One DNS label, lower case: a value can't add a label, a port or a user to the host. */
export function hostPart(name: string, value: Value): string {
  const text = String(value).toLowerCase();
  if (text.length > 63 || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text)) {
    refuse(name, 'must be one DNS label: at most 63 letters, digits and inner dashes');
  }
  return text;
}
