import type { WireResponse } from '../wire.ts';
import type { ApiError } from './errors.ts';
import type { JsonObject } from './json.ts';

export const JSON_TYPE = { 'content-type': 'application/json' };

export const text = (status: number, body: string): WireResponse => ({ status, headers: JSON_TYPE, body });
export const json = (status: number, body: JsonObject): WireResponse => text(status, JSON.stringify(body));
export const refusal = (error: ApiError): WireResponse => json(error.code, error.toStatus());
export const NOWHERE: WireResponse = {
  status: 404,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: '404 page not found\n',
};
