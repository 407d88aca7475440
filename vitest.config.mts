import os from 'node:os';
import { defineConfig } from 'vitest/config';

/** By itself vitest leaves a core to others: of two cores it would use one, though many tests wait for processes. */
const WORKERS = Math.max(2, os.availableParallelism() - 1);

export default defineConfig({
  test: {
    maxWorkers: WORKERS,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/vscode/**'],
          globalSetup: 'test/globalSetup.mjs',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Tests of processes that are killed, stopped or waited for have limits of time, which a machine that does
          // other things may miss; what is wrong fails twice. Locally each counts.
          retry: process.env.CI ? 1 : 0,
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
