/**
 * npm run test:desktop: the suite of test/integration in a desktop VS Code that @vscode/test-electron downloads, or in
 * the program named by --executable. `-- --version 1.100.0` picks a version; the newest stable one unless given.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { runTests } from '@vscode/test-electron';
import { cacheFolder, repository } from './install';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { executable: { type: 'string' }, version: { type: 'string' } } });
  const folder = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-desktop-'));
  const [home, workspace] = [path.join(folder, 'home'), path.join(folder, 'workspace')];
  try {
    await mkdir(home);
    await mkdir(workspace);
    await runTests({
      ...(values.executable === undefined ? {} : { vscodeExecutablePath: path.resolve(values.executable) }),
      ...(values.version === undefined ? {} : { version: values.version }),
      cachePath: path.join(cacheFolder(), 'desktop'),
      extensionDevelopmentPath: repository,
      extensionTestsPath: path.join(repository, 'dist', 'test', 'integration', 'index.js'),
      extensionTestsEnv: { AP_MEDSAM_HOME: home },
      launchArgs: [workspace],
    });
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
