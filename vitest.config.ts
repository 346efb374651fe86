import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      // Unit tests and recordings of real devices: the whole tier ends within a minute.
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/golden/**/*.test.ts'],
          setupFiles: ['test/support/seed.ts'],
        },
      },
      // Real processes, ptys and shared memory. A machine may stand still for longer than any of them waits: a test that
      // fails is run once more, and the end of the run names it.
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          setupFiles: ['test/support/seed.ts'],
          retry: 1,
        },
      },
    ],
    globalSetup: ['test/support/build.ts'],
    reporters: ['default', './test/support/counts.ts'],
    pool: 'forks',
    // Most of a test's time is waiting, for frames and processes; each file has processes and names of its own.
    maxWorkers: 3,
    // Tests drive real processes, ptys and shared memory on machines of any speed.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
  },
});
