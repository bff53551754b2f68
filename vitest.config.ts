import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest starts first, and runs beside the others: the simulated week, and what mostly waits for seconds to pass. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean =>
      /\/test\/(simulation|e2e|prometheus\/live)\//.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter(file => !isLong(file))];
  }
}

/** Where kube-apiserver, etcd and kubectl are; without it the suite on a real control plane is skipped. */
const real = (process.env.KUBEBUILDER_ASSETS ?? '') !== '';

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // What hangs ends: no measure of what is slow, since machines are shared.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'threads',
    // No more than CPUs: each worker has to make the same code quick again, at some ten seconds of processor time. But what is real waits.
    maxWorkers: Math.max(2, availableParallelism()) + (real ? 2 : 0),
    // No test patches a module or a global, so files can share workers: it halves the time.
    isolate: false,
    globalSetup: real ? [] : ['test/support/skipped.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'sandbox',
          include: ['test/**/*.test.ts'],
          exclude: ['test/real/**', 'test/e2e/**', 'test/project/bundle.test.ts', 'test/prometheus/live/**'],
          setupFiles: ['test/support/leaks.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'program',
          // A real Prometheus takes real minutes.
          include: [
            'test/e2e/**/*.test.ts',
            'test/project/bundle.test.ts',
            ...(real ? ['test/prometheus/live/**/*.test.ts'] : []),
          ],
          globalSetup: ['test/support/bundled.ts'],
          setupFiles: ['test/support/leaks.ts'],
        },
      },
      ...(real
        ? [
            {
              extends: true as const,
              test: {
                name: 'operator-real',
                include: ['test/operator/**/*.test.ts', 'test/e2e/program.test.ts'],
                globalSetup: ['test/real/operator-plane.ts', 'test/support/bundled.ts'],
                setupFiles: ['test/support/leaks.ts', 'test/real/worlds.ts'],
                testTimeout: 120_000,
                hookTimeout: 120_000,
                // Each world has the whole cluster.
                fileParallelism: false,
                // After the others, which share the workers.
                sequence: { groupOrder: 1 },
                provide: { realWorlds: true },
              },
            },
            {
              extends: true as const,
              test: {
                name: 'real',
                include: ['test/real/**/*.test.ts'],
                globalSetup: ['test/real/setup.ts', 'test/support/bundled.ts'],
                setupFiles: ['test/support/leaks.ts'],
                testTimeout: 120_000,
              },
            },
          ]
        : []),
    ],
  },
});
