import { createHash } from 'node:crypto';

/**
 * Names one request to a provider, in the log, the status and events: the same everywhere, another for each request.
 * Of what is known anyway, so that it needs no chance and tells nothing.
 * @param sentAt ms since 1970. @returns 10 characters, `[0-9a-f]`.
 */
export function attemptId(uid: string, step: string, sentAt: number): string {
  return createHash('sha256').update(`${uid} ${step} ${sentAt}`).digest('hex').slice(0, 10);
}
