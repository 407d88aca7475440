/** The mocha suite of test/integration, inside a real extension host. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeInVsCode, vscodeHost } from './host';
import { repository } from './install';
import { runSuite } from './suite';

const tests = path.join(repository, 'dist', 'test', 'integration', 'index.js');
const SUITE_MS = 20 * 60_000;

describeInVsCode('the suite in the extension host', () => {
  it(
    'passes',
    async () => {
      const lines: string[] = [];
      const code = await runSuite(vscodeHost(), {
        tests,
        timeoutMs: SUITE_MS,
        onLine: (line) => {
          lines.push(line);
          process.stdout.write(`${line}\n`);
        },
      });
      expect(code, lines.join('\n')).toBe(0);
      expect(lines.join('\n')).toMatch(/^\s*\d+ passing/m);
    },
    SUITE_MS + 60_000,
  );

  it.each([
    ['passes', 'activates', 0, /passing/],
    ['fails', 'no test is called this', 1, /no test/],
  ])('%s through @vscode/test-electron with the executable in place of VS Code', async (_, grep, code, said) => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-executable-'));
    try {
      const run = promisify(execFile)(
        process.execPath,
        [
          path.join(repository, 'dist', 'test', 'desktop.cjs'),
          '--executable',
          path.join(repository, 'dist', 'test', 'code'),
        ],
        { env: { ...process.env, AP_MEDSAM_TEST_GREP: grep }, cwd: folder },
      ).then(
        ({ stdout }) => ({ code: 0, output: stdout }),
        (error: { code: number; stdout: string; stderr: string }) => ({
          code: error.code,
          output: error.stdout + error.stderr,
        }),
      );
      const ended = await run;
      expect(ended.output).toMatch(said);
      expect(ended.code).toBe(code);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('runs every spec there is', () => {
    // A spec that is not bundled would never fail.
    expect(readFileSync(tests, 'utf8')).toContain('spec.js');
  });
});
