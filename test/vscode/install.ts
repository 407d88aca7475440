/**
 * A real VS Code without a desktop: the compiled server that the npm package code-server carries, and a browser. Both
 * are set up outside the project on first use, so that nothing but a package registry is needed.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/** What the suites need to start; absolute paths. */
export interface VsCodeHost {
  /** Entry of VS Code's server, run with Node. */
  readonly server: string;
  /** Chromium or Chrome. */
  readonly browser: string;
}

/** Why there is none here, as one sentence. */
export interface NoHost {
  readonly reason: string;
}

/** A package of npm's registry at one version. */
export interface PinnedPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

/** Carries VS Code 1.100, the oldest version the extension supports. */
const CODE_SERVER: PinnedPackage = {
  name: 'code-server',
  version: '4.100.3',
  integrity: 'sha512-q/Fh2DOxCRNhC/WiG/6sAhSKnj7ZACTVBaeeZ+rWjol//0FCbl/qg1ln5ecZ99jYcfqMxZZAyWcN+YBIo0DgpA==',
};

/** Built-in extensions that are large, ask for a network or need what a server without a desktop lacks. */
const LEFT_OUT = [
  'git',
  'github',
  'github-authentication',
  'microsoft-authentication',
  'ms-vscode.js-debug',
  'ms-vscode.js-debug-companion',
  'ms-vscode.vscode-js-profile-table',
  'terminal-suggest',
];

/** Where this file is bundled, the bundle lies as deep as the file. */
export const repository = path.resolve(import.meta.dirname, '..', '..');

const run = promisify(execFile);

/** Sets up what is missing, telling of each step that takes a while. */
export async function prepareHost(say: (step: string) => void): Promise<VsCodeHost | NoHost> {
  if (process.platform !== 'linux') {
    return { reason: `the test host runs on Linux only; on ${process.platform} use \`npm run test:desktop\`` };
  }
  try {
    const browser = await prepareBrowser(say);
    return { server: await codeServer(say), browser };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Folder for what is downloaded once and used by every run and every checkout. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.AP_MEDSAM_TEST_CACHE) return path.resolve(env.AP_MEDSAM_TEST_CACHE);
  const base =
    env.XDG_CACHE_HOME && path.isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : path.join(os.homedir(), '.cache');
  return path.join(base, 'ap-medsam-tests');
}

// --- browser, ripgrep, fonts ---

/** Installs what the browser needs and is missing. Path of the browser. */
export async function prepareBrowser(say: (step: string) => void): Promise<string> {
  const missing = missingPackages();
  if (missing.length > 0) await installPackages(missing, say);
  const browser = findBrowser();
  if (browser === undefined || missingPackages().length > 0) {
    throw new Error(`missing here even after apt-get: ${missingPackages().join(', ')}`);
  }
  return browser;
}

/** Installs Debian packages where that needs no question. */
export async function installPackages(missing: readonly string[], say: (step: string) => void): Promise<void> {
  const asRoot = await rootCommand();
  if (asRoot === undefined)
    throw new Error(`missing here: ${missing.join(', ')}; install them with your package manager`);
  say(`Installing ${missing.join(', ')} (apt-get)...`);
  // Another run may hold apt's lock.
  const apt = [...asRoot, 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...missing]]) {
    const [program, ...rest] = [...apt, ...args];
    await run(program, rest, { env, maxBuffer: 64 * 2 ** 20 }).catch((error: { stderr?: string; message: string }) => {
      throw new Error(`apt-get ${args[0]} failed: ${lastLine(error.stderr) ?? error.message}`);
    });
  }
}

/** Names of Debian packages. */
function missingPackages(): string[] {
  const missing: string[] = [];
  if (findBrowser() === undefined) missing.push('chromium');
  // VS Code finds files with it.
  if (onPath('rg') === undefined) missing.push('ripgrep');
  // Without any font the workbench is laid out without text.
  if (!existsSync('/usr/share/fonts') && !existsSync(path.join(os.homedir(), '.fonts')))
    missing.push('fonts-dejavu-core');
  return missing;
}

function findBrowser(): string | undefined {
  const named = process.env.AP_MEDSAM_TEST_BROWSER;
  if (named) return existsSync(named) ? named : undefined;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']) {
    const found = onPath(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function onPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

/**
 * What to put before a command to run it as root without a question; undefined where that is not possible or not
 * wanted.
 */
async function rootCommand(): Promise<string[] | undefined> {
  if (onPath('apt-get') === undefined) return undefined;
  if (process.getuid?.() === 0) return [];
  // On a person's own machine nothing is installed behind their back.
  if (!process.env.CI || onPath('sudo') === undefined) return undefined;
  return run('sudo', ['-n', 'true']).then(
    () => ['sudo', '-n', '--preserve-env=DEBIAN_FRONTEND'],
    () => undefined,
  );
}

// --- code-server ---

/** Entry of the server, downloaded and unpacked on first use. */
async function codeServer(say: (step: string) => void): Promise<string> {
  // The layout below is part of the name, so that a change of it is set up anew.
  const folder = path.join(cacheFolder(), `code-server-${CODE_SERVER.version}-1`);
  const entry = path.join(folder, 'out', 'server-main.js');
  if (existsSync(entry)) return entry;

  say(`Setting up code-server ${CODE_SERVER.version} in ${folder}...`);
  await mkdir(cacheFolder(), { recursive: true });
  // Whoever is first puts a complete folder in place; a run beside it throws its own away.
  const work = await mkdtemp(path.join(cacheFolder(), 'setting-up-'));
  try {
    const unpacked = await unpackServer(work);
    // Two native modules that would need a compiler: without a logger, output channels would stay empty, and the
    // watchdog is missed at every start.
    const packages = path.join(unpacked, 'node_modules');
    await copyFile(
      path.join(repository, 'test', 'vscode', 'spdlog.cjs'),
      path.join(packages, '@vscode', 'spdlog', 'index.js'),
    );
    await writeFile(path.join(packages, 'native-watchdog', 'index.js'), 'exports.start = () => {};\n');
    await symlink('node_modules', path.join(unpacked, 'node_modules.asar'));
    const ripgrep = path.join(packages, '@vscode', 'ripgrep', 'bin');
    await mkdir(ripgrep, { recursive: true });
    await symlink(onPath('rg')!, path.join(ripgrep, 'rg'));
    await rename(unpacked, folder).catch((error: unknown) => {
      if (!existsSync(entry)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return entry;
}

/** Unpacked server with its packages, without what only weighs. */
async function unpackServer(work: string): Promise<string> {
  const archive = await download(work, CODE_SERVER);
  const inside = 'package/lib/vscode';
  const excluded = ['*.map', ...LEFT_OUT.map((name) => `${inside}/extensions/${name}`)];
  const flags = excluded.map((pattern) => `--exclude=${pattern}`);
  await run('tar', ['-xzf', archive, ...flags, inside], { cwd: work });
  const unpacked = path.join(work, inside);
  // Its lock file is a shrinkwrap. No package needs compiling for what is tested.
  await npm(['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], unpacked);
  for (const name of await readdir(path.join(unpacked, 'node_modules'), { recursive: true })) {
    if (name.endsWith('.map')) await rm(path.join(unpacked, 'node_modules', name));
  }
  return unpacked;
}

/** Name of the archive of a package, fetched into `work`. */
export async function download(work: string, { name, version, integrity }: PinnedPackage): Promise<string> {
  const { stdout } = await npm(['pack', `${name}@${version}`, '--json'], work);
  const [packed] = JSON.parse(stdout) as { filename: string; integrity: string }[];
  if (packed.integrity !== integrity) throw new Error(`${name} ${version} is not the one known: ${packed.integrity}`);
  return packed.filename;
}

const npm = (args: readonly string[], cwd: string) =>
  run('npm', args, { cwd, maxBuffer: 64 * 2 ** 20 }).catch((error: { stderr?: string; message: string }) => {
    const lines = (error.stderr ?? '')
      .split('\n')
      .filter((line) => /^npm (error|ERR!) (?!code|errno|syscall|A comp)/.test(line));
    throw new Error(`npm ${args.slice(0, 2).join(' ')} failed: ${lines[0]?.replace(/^npm \S+ /, '') ?? error.message}`);
  });

const lastLine = (text: string | undefined): string | undefined => text?.trim().split('\n').pop() || undefined;
