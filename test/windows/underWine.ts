/**
 * npm run test:windows: the package for Windows on the file system of Windows, by Wine, on Linux.
 *
 * `-- --only <case>` (again for others) runs single cases, `-- --list` names them, `-- --help` says more.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { textTable } from '../../src/cli/textTable';
import { Bed } from './bed';
import { cases } from './cases';
import { Wine } from './wine';

const HELP = `npm run test:windows [-- --only <case>]... [-- --list]

Builds the package for Windows, runs its command line under Wine and tries what another file system does to a folder.
Sets up what is missing: wine64 (apt-get, where that needs no question) and Node for Windows (npm) in the cache folder of
the tests (AP_MEDSAM_TEST_CACHE, else ap-medsam-tests in XDG_CACHE_HOME or ~/.cache).

Where Wine cannot be had it says so and succeeds; with AP_MEDSAM_TEST_WINDOWS=require it fails.

--only <case>  only this case; may be given again
--list         the cases
--help         this text`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.list) {
    console.log(
      textTable(
        ['case', 'what holds'],
        cases.map(({ name, title }) => [name, title]),
      ),
    );
    return 0;
  }
  const unknown = values.only?.find((name) => !cases.some((one) => one.name === name));
  if (unknown !== undefined) {
    console.error(`There is no case "${unknown}", only ${cases.map(({ name }) => name).join(', ')}.`);
    return 2;
  }
  const chosen = cases.filter(({ name }) => values.only?.includes(name) ?? true);
  const work = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-windows-'));
  try {
    return await runCases(chosen, work);
  } finally {
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function runCases(chosen: typeof cases, work: string): Promise<number> {
  const steps: string[] = [];
  const wine = await Wine.prepare(work, async (what, does) => {
    const start = performance.now();
    const made = await does();
    steps.push(`${what} ${seconds(start)}`);
    return made;
  });
  if ('reason' in wine) {
    const isRequired = process.env.AP_MEDSAM_TEST_WINDOWS === 'require';
    console.error(`test:windows: WINDOWS IS NOT TESTED here: ${wine.reason}.`);
    return isRequired ? 1 : 0;
  }
  console.log(`Set up (s): ${steps.join(', ')}`);
  const rows: string[][] = [];
  let failed = 0;
  for (const one of chosen) {
    const start = performance.now();
    let outcome = await tryCase(one, new Bed(wine, work));
    if (!outcome.isPassed && process.env.CI) {
      // Wine itself may stumble on a busy machine; what is wrong with the program fails twice.
      console.log(`FAILED ${one.name} (${seconds(start)} s), tried once more: ${outcome.told}`);
      outcome = await tryCase(one, new Bed(wine, work));
    }
    const verdict = outcome.isPassed ? 'passed' : 'FAILED';
    if (!outcome.isPassed) failed++;
    console.log(`${verdict} ${one.name} (${seconds(start)} s): ${outcome.told}`);
    rows.push([one.name, verdict, seconds(start), one.title]);
  }
  console.log(`\n${textTable(['case', 'result', 'seconds', 'what holds'], rows)}\n`);
  console.log(`${chosen.length - failed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

async function tryCase(one: (typeof cases)[number], bed: Bed): Promise<{ isPassed: boolean; told: string }> {
  try {
    return { isPassed: true, told: await one.run(bed) };
  } catch (error) {
    return { isPassed: false, told: error instanceof Error ? error.message : String(error) };
  }
}

const seconds = (start: number): string => ((performance.now() - start) / 1000).toFixed(1);

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
