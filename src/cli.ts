/** The command line: parse, construct, run, exit code. */
import './cli/interrupt';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { inspect } from 'node:util';
import { version } from '../package.json';
import { CACHE_BYTES, cacheClear, cacheInfo } from './cli/cacheCommands';
import {
  type Command,
  type CommandContext,
  commandHelp,
  type EngineSettings,
  EXIT,
  overview,
  parseArguments,
  UsageError,
} from './cli/command';
import { devices, devicesInstall, devicesRemove } from './cli/deviceCommands';
import { evaluate } from './cli/evaluateCommand';
import { exportLabels } from './cli/exportCommand';
import { Cancelled, interrupted, Unread } from './cli/interrupt';
import { modelsDownload, modelsImport, modelsList, modelsRemove, modelsVerify } from './cli/modelCommands';
import { err, out, outText, watchOutput } from './cli/output';
import { printable } from './cli/printable';
import { segment } from './cli/segmentCommand';
import { suggest } from './cli/suggestCommand';
import { UserError } from './core/userError';
import { deviceTitles } from './devices/devices';
import { homeDir } from './disk/home';
import { PIXEL_LIMIT } from './engineClient/defaults';
import type { EnginePool } from './engineClient/pool';
import { startPool } from './engineClient/poolStart';
import { ModelStore } from './models/modelStore';

const commands: readonly Command[] = [
  segment,
  suggest,
  evaluate,
  exportLabels,
  modelsList,
  modelsDownload,
  modelsRemove,
  modelsVerify,
  modelsImport,
  devices,
  devicesInstall,
  devicesRemove,
  cacheInfo,
  cacheClear,
];

const packageDir = path.resolve(__dirname, '..');
const modelsDir = path.join(packageDir, 'models');
const engineEntry = path.join(__dirname, 'engine.js');

async function main(argv: readonly string[]): Promise<number> {
  const [first, second] = argv;
  if (first === '--version') {
    out(`ap-medsam ${version}`);
    return EXIT.done;
  }
  if (first === 'help' && second !== undefined) return main([...argv.slice(1), '--help']);
  if (first === undefined || isHelp(first) || first === 'help') {
    outText(overview(commands));
    return first === undefined ? EXIT.usage : EXIT.done;
  }
  const named = (words: string) => commands.find(({ name }) => name === words);
  const command = named(`${first} ${second}`) ?? named(first);
  if (command === undefined) {
    const family = commands.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
    if (family.length > 0 && argv.slice(1).every(isHelp)) {
      outText(overview(commands.filter(({ name }) => name.startsWith(`${first} `))));
      return second === undefined ? EXIT.usage : EXIT.done;
    }
    const known = family.length > 0 ? family : commands.map(({ name }) => name);
    throw new UsageError(
      `there is no command "${argv.slice(0, family.length > 0 ? 2 : 1).join(' ')}"; known: ${known.join(', ')}`,
    );
  }
  const rest = argv.slice(command.name.split(' ').length);
  if (rest.some(isHelp)) {
    outText(commandHelp(command));
    return EXIT.done;
  }
  try {
    return await runCommand(command, rest);
  } catch (error) {
    if (error instanceof UsageError) {
      throw new UsageError(`${error.message}. See "ap-medsam ${command.name} --help".`, { cause: error });
    }
    throw error;
  }
}

const isHelp = (argument: string): boolean => argument === '--help' || argument === '-h';

async function runCommand(command: Command, argv: readonly string[]): Promise<number> {
  const home = homeDir();
  const pools: EnginePool[] = [];
  const context: CommandContext = {
    out,
    outText,
    err,
    columns: process.stderr.isTTY ? process.stderr.columns : undefined,
    ask: process.stdin.isTTY && process.stderr.isTTY ? (question) => ask(question, interrupted) : undefined,
    signal: interrupted,
    store: new ModelStore(modelsDir, home),
    home,
    probe: { entry: engineEntry, modelsDir },
    startEngines: async (settings: EngineSettings) => {
      const { engines, threads, verbose, ...models } = settings;
      interrupted.throwIfAborted();
      const log = (line: string) => err(`engine: ${line}`);
      const pool = await startPool({
        entry: engineEntry,
        config: { modelsDir, homeDir: home, cacheBytes: CACHE_BYTES, pixelLimit: PIXEL_LIMIT, verbose, ...models },
        ...{ engines, threads },
        trying: {
          signal: interrupted,
          onDevice: (device) => err(`Trying the device ${deviceTitles[device]} (once; what is found is remembered)...`),
          ...(verbose && { log: err }),
        },
        log,
        // Drivers and native libraries say a lot that concerns nobody; their last words are told where an engine ends.
        onOutput: verbose ? log : undefined,
      });
      pools.push(pool);
      return pool;
    },
  };
  try {
    return await command.run(parseArguments(command, argv), context);
  } finally {
    await Promise.all(pools.map((pool) => pool.dispose()));
  }
}

/** Anything but "y" is no. */
async function ask(question: string, signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${printable(question)} [y/N] `, { signal })).trim());
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}

/** A run that was interrupted ends as what interrupted it says, whatever else came of that. */
function interruptedCode(): number {
  if (interrupted.reason instanceof Cancelled) return EXIT.cancelled;
  return interrupted.reason instanceof Unread ? EXIT.unread : EXIT.usage;
}

watchOutput();
// The last lines may find nobody to read them when all is done.
process.once('exit', () => {
  if (interrupted.aborted && !(interrupted.reason instanceof Cancelled)) process.exitCode = interruptedCode();
});
main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.exitCode = interrupted.aborted ? interruptedCode() : EXIT.usage;
    if (interrupted.aborted) return;
    if (error instanceof UserError) err(`ap-medsam: ${error.message}`);
    else for (const line of inspect(error).split('\n')) err(line);
  },
);
