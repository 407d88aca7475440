// Runs a TypeScript program of this repository: node scripts/run.mjs scripts/demo.ts [arguments]
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { setup } from './setup.mjs';

const [entry, ...args] = process.argv.slice(2);
const root = path.resolve(import.meta.dirname, '..');
// Whoever asks how to use a program waits for nothing that it would need.
if (!args.includes('--help')) await setup();
const { build } = await import('esbuild');
const { options } = await import('../esbuild.mjs');
const outfile = path.join(root, 'dist', 'test', `${path.basename(entry, '.ts')}.cjs`);
await build(
  options({
    entryPoints: [entry],
    outfile,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    define: { 'import.meta.dirname': '__dirname' },
    external: ['onnxruntime-node', 'sharp', 'esbuild', 'playwright-core', 'vite'],
  }),
);
const { status } = spawnSync(process.execPath, ['--enable-source-maps', outfile, ...args], { stdio: 'inherit' });
process.exit(status ?? 1);
