/** Builds what the tests start, and makes a VS Code ready: done once, before any test of this folder. */
import { buildAll } from '../../esbuild.mjs';
import { buildSuite } from './build.mjs';
import { prepareHost } from './install';

export async function setup({ provide }) {
  await buildAll();
  await buildSuite();
  const host = await prepareHost((step) => console.error(step));
  if ('reason' in host) {
    const line = `SKIPPED: every test inside VS Code, because ${host.reason}`;
    // Nobody reads the log of a run that passed.
    if (process.env.CI) throw new Error(line);
    console.error(`\n${'!'.repeat(line.length)}\n${line}\n${'!'.repeat(line.length)}\n`);
  }
  provide('vscodeHost', host);
}
