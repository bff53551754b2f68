import { type CelValue, MAX_MEMBERS, TooLarge, toCel } from './cel-value.ts';
import { MAX_BODY_BYTES } from './failures.ts';
import type { ProviderAnswer } from './types.ts';

/** The bytes of an answer as a value, or why they are none. Nothing of the body gets into what is said. */

export type Content =
  | { readonly ok: true; readonly body: CelValue }
  | { readonly ok: false; readonly why: string };

export type Format = 'json' | 'form' | 'text';

const MAX_PARTS = 10_000;
const [QUOTE, BACKSLASH, BRACE, BRACKET, COMMA] = [0x22, 0x5c, 0x7b, 0x5b, 0x2c];

export function readContent(answer: ProviderAnswer, format: Format): Content {
  const no = (why: string): Content => ({ ok: false, why });
  const { body, headers } = answer;
  const encoding = headerOf(headers, 'content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding !== '' && encoding !== 'identity') return no('is compressed, which was not asked for');
  if (body.byteLength > MAX_BODY_BYTES) return no(`is larger than ${MAX_BODY_BYTES / 1024} KiB`);
  const text = decode(body, headerOf(headers, 'content-type') ?? '');
  if (text === undefined) return no('is not in UTF-8');
  if (format === 'text') {
    const whole = toCel(text);
    if (text === '') return no('is empty');
    return whole instanceof TooLarge ? no(`is ${whole.what}`) : { ok: true, body: whole };
  }
  if (text.trim() === '') return no('is empty');
  return format === 'json' ? readJson(text) : readForm(text);
}

/** Own properties only; names in lower case. */
export function headerOf(headers: ProviderAnswer['headers'], name: string): string | undefined {
  return Object.hasOwn(headers, name) ? headers[name] : undefined;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Uint8Array, contentType: string): string | undefined {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8';
  const isUtf8 = charset === 'utf-8' || charset === 'utf8';
  // what all charsets in use have in common can be read whatever is declared; UTF-16 is full of zeros
  if (!isUtf8 && !bytes.every(byte => byte > 0 && byte < 0x80)) return undefined;
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

function readJson(text: string): Content {
  if (!hasFewParts(text))
    return { ok: false, why: `holds more than ${MAX_PARTS} lists, objects and members` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, why: notJson(text.trim()) };
  }
  const body = toCel(value);
  return body instanceof TooLarge ? { ok: false, why: `is ${body.what}` } : { ok: true, body };
}

/** Many small objects, each of its own shape, and one with many keys are what JSON.parse is slow at; no login's answer has them. */
function hasFewParts(text: string): boolean {
  if (text.length <= MAX_PARTS) return true;
  let count = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) quoted = !quoted;
    else if (quoted) at += code === BACKSLASH ? 1 : 0;
    else if ((code === BRACE || code === BRACKET || code === COMMA) && ++count > MAX_PARTS) return false;
  }
  return true;
}

function notJson(text: string): string {
  if (text.startsWith('<')) return 'is HTML or XML, not JSON';
  const opened = text.startsWith('{') || text.startsWith('[');
  if (opened && !/[}\]]$/.test(text)) return 'is JSON that ends too early';
  return 'is not JSON';
}

function readForm(text: string): Content {
  if (text.trimStart().startsWith('<')) return { ok: false, why: 'is HTML or XML, not a form' };
  // counted before they are parsed: a body of nothing but separators would take URLSearchParams a third of a second
  if (text.split('&', MAX_MEMBERS + 1).length > MAX_MEMBERS)
    return { ok: false, why: `has more than ${MAX_MEMBERS} fields` };
  const pairs = [...new URLSearchParams(text.trim())];
  return { ok: true, body: new Map(pairs.map(([key, value]) => [key, toCel(value)])) };
}
