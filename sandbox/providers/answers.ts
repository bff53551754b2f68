import type { WireRequest, WireResponse } from '../wire.ts';

export function json(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): WireResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

export type Fields = Readonly<Record<string, unknown>>;

/** The body's media type, without parameters. */
export function mediaType(request: WireRequest): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

/** A JSON object sent as such, or undefined. */
export function jsonFields(request: WireRequest): Fields | undefined {
  if (mediaType(request) !== 'application/json') return undefined;
  try {
    const value: unknown = JSON.parse(request.body.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A form sent as such, or undefined. */
export function formFields(request: WireRequest): Fields | undefined {
  if (mediaType(request) !== 'application/x-www-form-urlencoded') return undefined;
  return Object.fromEntries(new URLSearchParams(request.body.toString()));
}

/** A field that is a text with something in it. */
export function textOf(fields: Fields | undefined, name: string): string | undefined {
  const value = fields?.[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
