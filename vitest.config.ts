import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The engine is a native library: a process a file, so that what it does to one file cannot reach another.
    pool: 'forks',
    // By default one core is left alone.
    maxWorkers: '100%',
    globalSetup: 'test/support/build.ts',
    testTimeout: process.env['PGDAT_SOAK'] === undefined ? 120_000 : 1_200_000,
  },
});
