// Makes a fresh clone ready: installs exactly what the lock file says where that has not happened, then builds the
// bundles.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');

export async function setup() {
  const lock = readFileSync(path.join(root, 'package-lock.json'), 'utf8');
  const stamp = path.join(root, 'node_modules', '.ap-medsam-lock.json');
  if (!isInstalled(stamp, lock)) {
    console.error('Installing packages (npm ci)...');
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      // The CUDA libraries that its install script would download are not needed.
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
      shell: process.platform === 'win32',
    });
    writeFileSync(stamp, lock);
  }
  const { buildAll } = await import('../esbuild.mjs');
  await buildAll();
}

function isInstalled(stamp, lock) {
  try {
    return readFileSync(stamp, 'utf8') === lock;
  } catch {
    return false;
  }
}

if (process.argv[1] === import.meta.filename) await setup();
