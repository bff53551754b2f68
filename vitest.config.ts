import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/leaks.ts'],
    testTimeout: 20_000,
    pool: 'threads',
    // No test patches a module or a global, so files can share workers: it halves the time.
    isolate: false,
  },
});
