import { isGone, KubeError } from './kube-error.ts';

/** What the end of a list or watch means for the next. */
export interface WatchEnd {
  /** The version is of no more use: list again. */
  readonly relist: boolean;
  /** The server does not stream lists: use pages from now on. */
  readonly paged: boolean;
  /** An ordinary end: the first of a row needs no waiting. */
  readonly calm: boolean;
}

/** Our own reason: the initial events did not end, so the server has ignored that they should. */
export const NO_INITIAL_END = 'NoInitialEventsEnd';

/** The server says that parameters are wrong; not that one may not, must wait, or that nothing is there (yet). */
const PARAMETERS_REFUSED = new Set([400, 405, 422]);

/**
 * @param error undefined where the server ended it in good order.
 * @param streamedList whether the initial events of a streamed list were still to come.
 */
export function watchEnd(error: unknown, streamedList: boolean): WatchEnd {
  if (error === undefined) return { relist: false, paged: false, calm: !streamedList };
  if (!(error instanceof KubeError)) return { relist: false, paged: false, calm: false };
  if (isGone(error)) return { relist: true, paged: false, calm: true };
  const refused = PARAMETERS_REFUSED.has(error.code);
  if (streamedList) {
    const paged = refused || error.reason === NO_INITIAL_END;
    return { relist: false, paged, calm: paged };
  }
  // A version later than the server's own: its history was set back.
  const unknown = error.fields.some(cause => cause.reason === 'ResourceVersionTooLarge');
  return { relist: refused || unknown, paged: false, calm: false };
}
