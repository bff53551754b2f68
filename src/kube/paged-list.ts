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

export interface Listed {
  readonly items: readonly unknown[];
  /** The version that all of the items are a snapshot of. */
  readonly version: string;
}

interface ListCall {
  readonly path: string;
  readonly query: Query;
  readonly accept: string;
  readonly signal: AbortSignal;
  /** Told of each page, as a sign of life. */
  readonly onPage: () => void;
}

/**
 * The whole of a collection, as of one moment. No resourceVersion is asked for, so it is not older than the call.
 * @throws KubeError
 */
export async function pagedList(client: Pick<KubeClient, 'request'>, call: ListCall): Promise<Listed> {
  for (let tries = 1; ; tries++) {
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
): Promise<Listed> {
  const items: unknown[] = [];
  let token: string | undefined;
  for (;;) {
    const query = { ...call.query, limit, continue: token };
    const { path, accept, signal } = call;
    const page = await client.request(
      { method: 'GET', path, query, accept, signal, timeoutMs: TIMEOUT_MS },
      List,
    );
    call.onPage();
    for (const item of page.items) items.push(item);
    token = page.metadata.continue;
    if (token === undefined || token === '') return { items, version: page.metadata.resourceVersion };
  }
}
