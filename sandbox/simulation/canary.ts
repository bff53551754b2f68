import { isObject, type Json } from '../apiserver/json.ts';
import { OPAQUE_MARK } from '../providers/tokens.ts';

/** Stands in every secret input of a simulation. */
export const SECRET_MARK = 'c4n4ry';
/** With what every JWT of the simulated providers begins. */
const JWT_MARK = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url');

const SECRETS = new RegExp([SECRET_MARK, OPAQUE_MARK, JWT_MARK].flatMap(spellings).join('|'));

/**
 * Whether a text holds a secret input or a token: raw, percent-encoded (marks are letters and digits, which stay),
 * or in base64, wherever the mark falls in its groups of three bytes.
 */
export function holdsSecret(text: string): boolean {
  return SECRETS.test(text);
}

/**
 * The same of all texts of an object, keys included, that did not stand in the one before: that was searched when it came.
 * What did not change is the identical tree in both.
 */
export function bringsSecret(value: Json | undefined, before: Json | undefined): boolean {
  if (value === before) return false;
  if (typeof value === 'string') return holdsSecret(value);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) {
    const items = Array.isArray(before) ? before : [];
    return value.some((item, index) => bringsSecret(item, items[index]));
  }
  const members = isObject(before) ? before : {};
  return Object.keys(value).some(
    key => (!Object.hasOwn(members, key) && holdsSecret(key)) || bringsSecret(value[key], members[key]),
  );
}

function spellings(mark: string): string[] {
  const all = [mark];
  for (const before of [0, 1, 2]) {
    const encoded = Buffer.from(`${'x'.repeat(before)}${mark}xx`).toString('base64');
    // what neighbours share in the first and the last character is left out
    const core = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + mark.length) * 8) / 6));
    all.push(core, core.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return [...new Set(all)].map(text => text.replaceAll(/[+/]/g, '\\$&'));
}
