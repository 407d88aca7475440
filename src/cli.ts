/** The command line: parse, construct, run, exit code. */
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
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
import { modelsDownload, modelsImport, modelsList, modelsRemove, modelsVerify } from './cli/modelCommands';
import { segment } from './cli/segmentCommand';
import { suggest } from './cli/suggestCommand';
import { UserError } from './core/userError';
import { type ProbeTarget, settleDevice } from './devices/deviceProber';
import { deviceTitles } from './devices/devices';
import { homeDir } from './disk/home';
import { PIXEL_LIMIT } from './engine/defaults';
import { createPool, type EnginePool, parallelismOn } from './engine/pool';
import { ModelStore } from './models/modelStore';
import type { DeviceName } from './protocol/deviceApi';

const commands: readonly Command[] = [
  segment,
  suggest,
  evaluate,
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
    console.log(`ap-medsam ${version}`);
    return EXIT.done;
  }
  if (first === 'help' && second !== undefined) return main([...argv.slice(1), '--help']);
  if (first === undefined || isHelp(first) || first === 'help') {
    console.log(overview(commands));
    return first === undefined ? EXIT.usage : EXIT.done;
  }
  const named = (words: string) => commands.find(({ name }) => name === words);
  const command = named(`${first} ${second}`) ?? named(first);
  if (command === undefined) {
    const family = commands.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
    if (family.length > 0 && argv.slice(1).every(isHelp)) {
      console.log(overview(commands.filter(({ name }) => name.startsWith(`${first} `))));
      return second === undefined ? EXIT.usage : EXIT.done;
    }
    const known = family.length > 0 ? family : commands.map(({ name }) => name);
    throw new UsageError(
      `there is no command "${argv.slice(0, family.length > 0 ? 2 : 1).join(' ')}"; known: ${known.join(', ')}`,
    );
  }
  const rest = argv.slice(command.name.split(' ').length);
  if (rest.some(isHelp)) {
    console.log(commandHelp(command));
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
  const cancelled = new AbortController();
  // Every call under way listens; Node would take that many for a leak.
  setMaxListeners(0, cancelled.signal);
  // The first Ctrl+C ends the work cleanly, the second one ends the process.
  process.once('SIGINT', () => cancelled.abort(new Cancelled()));
  process.once('SIGTERM', () => cancelled.abort(new Cancelled()));
  const pools: EnginePool[] = [];
  const context: CommandContext = {
    out: (line) => console.log(line),
    err: (line) => console.error(line),
    columns: process.stderr.isTTY ? process.stderr.columns : undefined,
    ask: process.stdin.isTTY && process.stderr.isTTY ? (question) => ask(question, cancelled.signal) : undefined,
    signal: cancelled.signal,
    store: new ModelStore(modelsDir, home),
    home,
    probe: { entry: engineEntry, modelsDir },
    startEngines: async ({ engines, threads, device, verbose, encoder, segmenter }: EngineSettings) => {
      const target = { modelsDir, homeDir: home, encoder, segmenter };
      const { signal } = cancelled;
      const usable = device === 'auto' ? await settledDevice(target, verbose, signal) : device;
      const parallel = parallelismOn(usable, availableParallelism(), { engines, threads });
      const config = { ...target, threads: parallel.threads, device, verbose };
      const pool = createPool(
        parallel.engines,
        {
          entry: engineEntry,
          config: { ...config, cacheBytes: CACHE_BYTES, pixelLimit: PIXEL_LIMIT },
          log: (line) => console.error(`engine: ${line}`),
        },
        usable,
      );
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

/**
 * A batch may wait for its device: trying the devices once takes seconds where there are any, and decides about the speed of
 * all that follows.
 */
async function settledDevice(target: ProbeTarget, verbose: boolean, signal: AbortSignal): Promise<DeviceName> {
  const { best } = await settleDevice({
    entry: engineEntry,
    target,
    signal,
    onDevice: (device) =>
      console.error(`Trying the device ${deviceTitles[device]} (once; what is found is remembered)...`),
    ...(verbose && { log: (line: string) => console.error(line) }),
  });
  return best;
}

/** Anything but "y" is no. */
async function ask(question: string, signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `, { signal })).trim());
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}

class Cancelled extends Error {}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof Cancelled) {
      process.exitCode = EXIT.cancelled;
      return;
    }
    const user = error instanceof UserError;
    console.error(user ? `ap-medsam: ${error.message}` : error);
    process.exitCode = EXIT.usage;
  },
);
