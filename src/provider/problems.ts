import type { Reason } from '../api/reasons.ts';
import type { Problem, Result } from './types.ts';

/** How mistakes are told while a definition is compiled (all of them), and while a request is filled (the first). */

/** @param field path from the object's root, as in `spec.flows[jwt].login.request.path`. */
export type Report = (field: string, message: string) => void;

/** `base.key`, or `base[key]` where a dot would mislead. */
export function member(base: string, key: string): string {
  return /^[A-Za-z_][A-Za-z0-9_-]*$/.test(key) ? `${base}.${key}` : `${base}[${key}]`;
}

/** A mistake in what fills a template, carried through the code that fills. */
export class FillError extends Error {
  readonly problem: Problem;
  constructor(reason: Reason, message: string) {
    super(reason);
    this.problem = { reason, message };
  }
}

/** Turns a {@link FillError} into a result; anything else is a bug and goes on. */
export function filling<T>(fill: () => T): Result<T> {
  try {
    return { ok: true, value: fill() };
  } catch (error) {
    if (error instanceof FillError) return { ok: false, problem: error.problem };
    throw error;
  }
}
