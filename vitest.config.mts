import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/vscode/**'],
          globalSetup: 'test/globalSetup.mjs',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Inside a real VS Code. After the others and one file at a time: each has a server, a browser and engines.
        test: {
          name: 'vscode',
          include: ['test/vscode/**/*.test.ts'],
          globalSetup: 'test/vscode/globalSetup.mjs',
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          // A window on a busy machine may lose a key or a click, as it would for a person, who presses again.
          retry: 1,
          expect: { poll: { timeout: 15_000 } },
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
