/**
 * How the tests run: on the TypeScript sources, with no build in between. What users get (the compiled and packed packages) is
 * tested by the later stages of scripts/test.mjs.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    // Longer names first: the first that fits is taken.
    alias: {
      '@faultline/core/node': source('./packages/core/src/node.ts'),
      '@faultline/core': source('./packages/core/src/index.ts'),
      '@faultline/trace': source('./packages/trace/src/index.ts'),
      '@faultline/report': source('./packages/report/src/index.ts'),
    },
  },
  test: {
    setupFiles: [source('./tests/setup/branch-coverage.ts')],
    include: ['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts', 'examples/**/*.test.ts'],
    // Property tests run long on a busy machine; what hangs shall still end.
    testTimeout: 120_000,
  },
});
