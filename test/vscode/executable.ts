/**
 * Stands in for VS Code's executable: takes its `--extensionDevelopmentPath`, `--extensionTestsPath` and folder, runs
 * the suite in the test host, and ends with its exit code. Give it to @vscode/test-electron as `vscodeExecutablePath`.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { prepareHost } from './install';
import { runSuite } from './suite';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      extensionDevelopmentPath: { type: 'string' },
      extensionTestsPath: { type: 'string' },
      'folder-uri': { type: 'string' },
    },
    // VS Code has many more, none of which matters here.
    strict: false,
    allowPositionals: true,
  });
  const { extensionDevelopmentPath: development, extensionTestsPath: tests, 'folder-uri': folderUri } = values;
  if (typeof development !== 'string' || typeof tests !== 'string') {
    throw new Error('needs --extensionDevelopmentPath=... and --extensionTestsPath=...');
  }
  const host = await prepareHost((step) => console.error(step));
  if ('reason' in host) throw new Error(host.reason);
  const base = pathToFileURL(`${process.cwd()}/`);
  const folder = typeof folderUri === 'string' ? new URL(folderUri, base).pathname : positionals[0];
  return runSuite(host, {
    development: path.resolve(development),
    tests: path.resolve(tests),
    ...(folder === undefined ? {} : { folder: path.resolve(folder) }),
    env: process.env.AP_MEDSAM_HOME === undefined ? {} : { AP_MEDSAM_HOME: process.env.AP_MEDSAM_HOME },
    onLine: (line) => console.log(line),
  });
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    console.error(`code: ${error.message}`);
    process.exitCode = 1;
  },
);
