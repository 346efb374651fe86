import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/build.ts'],
    pool: 'forks',
    // Most of a test's time is waiting, for frames and processes; each file has processes and names of its own.
    maxWorkers: 2,
    // Tests drive real processes, ptys and shared memory on machines of any speed.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
