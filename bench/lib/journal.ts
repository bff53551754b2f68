import { z } from 'zod';

/** What API server and provider wrote down of a fleet. Rows of numbers, since there are hundreds of thousands; times in ms since 1970. */

/** Of the provider: number of the user, number of the origin, when it came, and how long it waited for its answer; -1 for ever. */
export const Asked = z.tuple([z.number(), z.number(), z.number(), z.number()]);
export type Asked = z.infer<typeof Asked>;
export const AskedOf = z.object({
  asked: z.array(Asked),
  /** Most requests at once, by origin. */
  peaks: z.array(z.number()),
});

/** Of the API server: number of the credential, when it was made, and its UID. */
export const Made = z.tuple([z.number(), z.number(), z.string()]);
/** A token in a Secret: number of the credential, when it was written, its issue, its expiry, and how many grants there were. */
export const Written = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()]);
export type Written = z.infer<typeof Written>;
export const Journal = z.object({ made: z.array(Made), written: z.array(Written) });
export type Journal = z.infer<typeof Journal>;

export interface Origin {
  readonly url: string;
}
