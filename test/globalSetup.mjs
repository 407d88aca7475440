/** Builds the bundles once per run: process tests start dist/engine.js and dist/cli.js as a user would. */
import { buildAll } from '../esbuild.mjs';

export async function setup() {
  await buildAll();
}
