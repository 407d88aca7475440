import { build, context } from 'esbuild';

const production = process.argv.includes('--production');

/** Native or host-provided packages stay outside the bundles; everything else is inlined. */
export const external = ['vscode', 'onnxruntime-node', 'sharp'];

const node = { platform: 'node', target: 'node20', format: 'cjs', external };
const browser = { platform: 'browser', target: 'es2022', format: 'esm' };

/**
 * Two entries of VS Code, the command line, the engine process that both start, the editor's batch and model processes.
 */
export const bundles = [
  { entryPoints: ['src/extension.ts'], outfile: 'dist/extension.js', ...node },
  { entryPoints: ['src/engine/main.ts'], outfile: 'dist/engine.js', ...node },
  { entryPoints: ['src/runner/main.ts'], outfile: 'dist/runner.js', ...node },
  { entryPoints: ['src/downloads/main.ts'], outfile: 'dist/models.js', ...node },
  { entryPoints: ['src/cli.ts'], outfile: 'dist/cli.js', ...node, banner: { js: '#!/usr/bin/env node' } },
  { entryPoints: ['webview/main.ts'], outfile: 'dist/webview.js', ...browser },
];

export function options(bundle, release = production) {
  return {
    bundle: true,
    minify: release,
    sourcemap: release ? false : 'linked',
    legalComments: 'none',
    logLevel: 'warning',
    absWorkingDir: import.meta.dirname,
    ...bundle,
  };
}

export const buildAll = () => Promise.all(bundles.map((bundle) => build(options(bundle))));

if (process.argv[1] === import.meta.filename) {
  if (process.argv.includes('--watch')) {
    for (const bundle of bundles) await (await context(options(bundle))).watch();
  } else {
    await buildAll();
  }
}
