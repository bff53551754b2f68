/** What an answer must be. A zod schema is one. */
export interface Reader<T> {
  /** Where an answer tells it at once, without being parsed as a whole; undefined: it takes a closer look. */
  ofText?(text: string): T | undefined;
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false;
        readonly error: { readonly issues: readonly { readonly path: readonly PropertyKey[] }[] };
      };
}
