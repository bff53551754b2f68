import type { LogFields } from './api/log.ts';
import { KubeError } from './kube/kube-error.ts';

/** What may be logged of whatever was thrown. */
export function told(error: unknown): LogFields {
  if (error instanceof KubeError) return error.logged;
  // A defect of ours: its name and place, never its message, which may quote a value.
  if (!(error instanceof Error)) return { reason: 'Unknown' };
  return { reason: error.name, at: error.stack?.split('\n').slice(1, 4).join(' ').trim() };
}

/** How long the API server asked to be left alone, ms. */
export function retryAfterOf(error: unknown): number {
  return error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
}
