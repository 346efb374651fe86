import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/build.ts'],
    pool: 'forks',
    // Tests drive real processes, ptys and shared memory on machines of any speed.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
