// Builds the suite that runs inside VS Code (dist/test/integration), the program that stands in for VS Code's own
// executable (dist/test/code), and the one that runs the suite in a desktop VS Code (dist/test/desktop.cjs).
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { options } from '../../esbuild.mjs';

const root = path.resolve(import.meta.dirname, '..', '..');
const node = { platform: 'node', target: 'node20', format: 'cjs', define: { 'import.meta.dirname': '__dirname' } };

/** The module that VS Code is given as its tests. */
export const suite = path.join(root, 'dist', 'test', 'integration', 'index.js');

/** Takes VS Code's arguments and runs a suite in the test host. */
export const executable = path.join(root, 'dist', 'test', 'code');

export async function buildSuite() {
  const sources = path.join(root, 'test', 'integration');
  const specs = readdirSync(sources).filter((name) => name.endsWith('.spec.ts'));
  // Specs that are gone would run on.
  rmSync(path.dirname(suite), { recursive: true, force: true });
  await build(
    options({
      entryPoints: ['index.ts', ...specs].map((name) => path.join(sources, name)),
      outdir: path.dirname(suite),
      external: ['vscode', 'mocha', 'onnxruntime-node', 'sharp'],
      ...node,
    }),
  );
  await build(
    options({
      entryPoints: ['test/vscode/executable.ts'],
      outfile: executable,
      banner: { js: '#!/usr/bin/env node' },
      external: ['playwright-core'],
      ...node,
    }),
  );
  chmodSync(executable, 0o755);
  await build(
    options({
      entryPoints: ['test/vscode/desktop.ts'],
      outfile: path.join(root, 'dist', 'test', 'desktop.cjs'),
      external: ['@vscode/test-electron'],
      ...node,
    }),
  );
}

if (process.argv[1] === import.meta.filename) await buildSuite();
