/**
 * Who may act on a key. One Lease decides it for all keys today; with shards, each a Lease and a range of the UIDs' hash,
 * it will differ from key to key.
 */
export interface Ownership {
  /** Whether this replica may act on the key for the next `ms`, and nobody else will. */
  owns(key: string, ms: number): boolean;
  /** Aborts when the key is no longer ours: what is under way for it must end. */
  fence(key: string): AbortSignal;
}

const NEVER = new AbortController().signal;

/** Without leader election: everything is ours. */
export const SOLE_OWNER: Ownership = { owns: () => true, fence: () => NEVER };
