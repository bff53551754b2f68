import { z } from 'zod';
import type { KubeClient, Query } from './client.ts';
import { isGone } from './kube-error.ts';

const PAGE = 500;
/** A page may be large, and the server busy. */
const TIMEOUT_MS = 60_000;
/** Restarts with pages before one without: a list that outlives the server's history would never end otherwise. */
const PAGED_TRIES = 2;

const List = z.object({
  metadata: z.object({ resourceVersion: z.string().min(1), continue: z.string().optional() }),
  items: z
    .array(z.unknown())
    .nullish()
    .transform(items => items ?? []),
});

interface ListCall {
  readonly path: string;
  readonly query: Query;
  readonly accept: string;
  readonly signal: AbortSignal;
  /** The list begins, or begins again: what pages brought before does not count. */
  readonly onStart: () => void;
  readonly onPage: (items: readonly unknown[]) => void;
}

/**
 * The whole of a collection, as of one moment, page by page. No resourceVersion is asked for, so it is not older than the call.
 * @returns the version that all of the items are a snapshot of. @throws KubeError
 */
export async function pagedList(client: Pick<KubeClient, 'request'>, call: ListCall): Promise<string> {
  for (let tries = 1; ; tries++) {
    call.onStart();
    const limit = tries > PAGED_TRIES ? undefined : PAGE;
    try {
      return await pages(client, call, limit);
    } catch (error) {
      // The continue token grew older than the server's history.
      if (limit === undefined || !isGone(error)) throw error;
    }
  }
}

async function pages(
  client: Pick<KubeClient, 'request'>,
  call: ListCall,
  limit: number | undefined,
): Promise<string> {
  let token: string | undefined;
  for (;;) {
    const query = { ...call.query, limit, continue: token };
    const { path, accept, signal } = call;
    const page = await client.request(
      { method: 'GET', path, query, accept, signal, timeoutMs: TIMEOUT_MS },
      List,
    );
    call.onPage(page.items);
    token = page.metadata.continue;
    if (token === undefined || token === '') return page.metadata.resourceVersion;
  }
}
