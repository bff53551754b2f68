import { inject, test } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Worlds, and the program's clusters, have a real API server: one after another. */
    realWorlds?: boolean;
  }
}

export const onRealServer = inject('realWorlds') === true;

/** A test that cannot be on a real API server. `_why` is for who reads it. */
export const sandboxOnly = (_why: string) => test.skipIf(onRealServer);
