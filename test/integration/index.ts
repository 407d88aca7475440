/** Entry of the suite that runs inside VS Code's extension host: VS Code calls `run` and ends with its outcome. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import Mocha from 'mocha';
import { say } from './say';
import { extension } from './workspace';

/**
 * Resolves when every spec beside this file has passed; only tests whose title matches `AP_MEDSAM_TEST_GREP`, where
 * set.
 */
export async function run(): Promise<void> {
  process.setSourceMapsEnabled(true);
  Mocha.reporters.Base.consoleLog = say;
  const grep = process.env.AP_MEDSAM_TEST_GREP;
  say(`testing ${extension().extensionPath}`);
  const mocha = new Mocha({
    ui: 'bdd',
    color: false,
    reporter: 'spec',
    timeout: 60_000,
    slow: 2_000,
    forbidOnly: process.env.CI !== undefined,
    ...(grep ? { grep } : {}),
  });
  for (const name of readdirSync(__dirname).sort()) {
    if (name.endsWith('.spec.js')) mocha.addFile(path.join(__dirname, name));
  }
  const { tests, failures } = await new Promise<{ tests: number; failures: number }>((resolve) => {
    const runner = mocha.run((failed) => resolve({ tests: runner.stats?.tests ?? 0, failures: failed }));
  });
  const complaint =
    failures > 0
      ? `${failures} of ${tests} tests failed`
      : tests === 0
        ? `no test is called '${grep ?? ''}'`
        : undefined;
  if (complaint === undefined) return;
  say(complaint);
  throw new Error(complaint);
}
