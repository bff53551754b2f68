import { mix } from './mix.ts';

/**
 * Names one request to a provider, in the log, the status and events: the same everywhere, another for each request.
 * Of what is known anyway, so that it needs no chance and tells nothing.
 * @param sentAt ms since 1970. @returns 10 characters, `[0-9a-f]`.
 */
export function attemptId(uid: string, step: string, sentAt: number): string {
  const text = `${uid} ${step} ${sentAt}`;
  const hex = (seed: number): string => mix(text, seed).toString(16).padStart(8, '0');
  return hex(0) + hex(0x9e3779b9).slice(0, 2);
}
