/**
 * Who may act on an object. One Lease decides it for all of them; with shards, each a Lease and a range of the UIDs' hash,
 * it differs from object to object.
 */
export interface Ownership {
  /** Whether this replica may act on the object with that UID for the next `ms`, and nobody else will. */
  owns(uid: string, ms: number): boolean;
  /** Aborts when the object is no longer ours: what is under way for it must end. */
  fence(uid: string): AbortSignal;
}

const NEVER = new AbortController().signal;

/** Without leader election: everything is ours. */
export const SOLE_OWNER: Ownership = { owns: () => true, fence: () => NEVER };
