/** One VS Code server with settings, extensions and files of its own, gone without a trace afterwards. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { VsCodeHost } from './install';

export interface ServerOptions {
  /** User settings over the quiet ones below. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Workspace trust on and not asked for: every folder opens in restricted mode. */
  readonly restricted?: boolean;
  /** Over this process's own environment, for the server and the extensions in it. */
  readonly env?: Readonly<Record<string, string>>;
  /** .vsix files to install before it starts. */
  readonly extensions?: readonly string[];
}

/** Nothing that asks, moves, or looks at a network; where a browser's defaults differ from a desktop's, a desktop's. */
const QUIET = {
  'files.autoSave': 'off',
  'security.workspace.trust.enabled': false,
  'workbench.startupEditor': 'none',
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'workbench.reduceMotion': 'on',
  'workbench.tree.renderIndentGuides': 'none',
  'workbench.tree.enableStickyScroll': false,
  'explorer.compactFolders': false,
  'git.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'update.showReleaseNotes': false,
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'chat.commandCenter.enabled': false,
  'window.menuBarVisibility': 'compact',
};

const RESTRICTED = { 'security.workspace.trust.enabled': true, 'security.workspace.trust.startupPrompt': 'never' };

/**
 * Starts the server. As soon as the pipe to it breaks, however that comes, its folder goes and its whole group ends,
 * extensions' processes included.
 */
const GUARD = `
const { spawn } = require('node:child_process');
const { rmSync } = require('node:fs');
const [folder, ...args] = process.argv.slice(1);
const server = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
server.on('exit', (code) => process.exit(code ?? 1));
process.stdin.resume().on('close', () => {
  try {
    rmSync(folder, { recursive: true, force: true });
  } finally {
    process.kill(-process.pid, 'SIGKILL');
  }
});
`;

/** Of the program that runs the tests; they would change how the server or an extension behaves. */
const FOREIGN = /^(NODE_|npm_|VITEST|VSCODE_|ELECTRON_|TEST$|DEV$|PROD$|MODE$|BASE_URL$|SSR$)/;

const run = promisify(execFile);

export class CodeServer {
  private output = '';
  private readonly listeners: ((text: string) => void)[] = [];
  private settings: Record<string, unknown>;

  private constructor(
    /** Holds all that is below. */
    readonly folder: string,
    options: ServerOptions,
  ) {
    this.settings = { ...QUIET, ...(options.restricted ? RESTRICTED : {}), ...options.settings };
  }

  port = 0;
  private child: ChildProcess | undefined;

  /** Home of the extension's models and cache (`AP_MEDSAM_HOME`), empty at first. */
  get home(): string {
    return path.join(this.folder, 'home');
  }

  /** A folder for the files that a test works on. Its name is what the window shows. */
  get workspace(): string {
    return path.join(this.folder, 'workspace');
  }

  private get userData(): string {
    return path.join(this.folder, 'user');
  }

  /** Installed extensions, each in a folder of its own. */
  get extensions(): string {
    return path.join(this.folder, 'extensions');
  }

  /** Server, user and extension folders for the command line of the server. */
  private get places(): string[] {
    return [
      ...['--server-data-dir', path.join(this.folder, 'server')],
      ...['--user-data-dir', this.userData],
      ...['--extensions-dir', this.extensions],
    ];
  }

  /** What the server and the windows on it have printed. */
  get log(): string {
    return this.output;
  }

  /** Calls with all it prints from now on. */
  onLog(listener: (text: string) => void): void {
    this.listeners.push(listener);
  }

  /** Ready when this resolves. */
  static async start(host: VsCodeHost, options: ServerOptions = {}): Promise<CodeServer> {
    const server = new CodeServer(await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-code-')), options);
    try {
      await mkdir(server.home);
      await mkdir(server.workspace);
      await server.writeSettings();
      const env = server.environment(options.env ?? {});
      for (const file of options.extensions ?? []) {
        await run(process.execPath, [host.server, ...server.places, '--install-extension', file], { env });
      }
      await server.launch(host, env);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  private environment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
    const own = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
    return { ...Object.fromEntries(own), AP_MEDSAM_HOME: this.home, EXTENSIONS_GALLERY: '{}', ...extra };
  }

  private launch(host: VsCodeHost, env: NodeJS.ProcessEnv): Promise<void> {
    const child = spawn(
      process.execPath,
      [
        ...[
          '-e',
          GUARD,
          '--',
          this.folder,
          host.server,
          '--host',
          '127.0.0.1',
          '--port',
          '0',
          '--without-connection-token',
        ],
        ...['--accept-server-license-terms', '--telemetry-level', 'off', '--disable-update-check', ...this.places],
      ],
      { detached: true, stdio: ['pipe', 'pipe', 'pipe'], env },
    );
    this.child = child;
    return new Promise((resolve, reject) => {
      const collect = (text: string) => {
        this.output += text;
        for (const listener of this.listeners) listener(text);
        const port = /Extension host agent listening on (\d+)/.exec(this.output)?.[1];
        if (port === undefined) return;
        this.port = Number(port);
        resolve();
      };
      child.stdout!.setEncoding('utf8').on('data', collect);
      child.stderr!.setEncoding('utf8').on('data', collect);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`VS Code's server ended with ${code}:\n${this.output}`)));
    });
  }

  /** Changes user settings while it runs; a window takes them up when it is opened or reloaded. */
  async set(settings: Readonly<Record<string, unknown>>): Promise<void> {
    this.settings = { ...this.settings, ...settings };
    await this.writeSettings();
  }

  private async writeSettings(): Promise<void> {
    const folder = path.join(this.userData, 'User');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'settings.json'), JSON.stringify(this.settings, null, 2));
  }

  /** Text of every log file whose path has this in it, such as `AP-MedSAM` for the extension's output channel. */
  async logFiles(part: string): Promise<string> {
    const root = path.join(this.userData, 'logs');
    const names = await readdir(root, { recursive: true }).catch((): string[] => []);
    const files = names.filter((name) => name.endsWith('.log') && name.includes(part)).sort();
    return (await Promise.all(files.map((name) => readFile(path.join(root, name), 'utf8')))).join('');
  }

  /** Kills the extension hosts of its windows, as a crash of each would. */
  async killExtensionHosts(): Promise<void> {
    const { stdout } = await run('ps', ['-A', '-o', 'pid=,pgid=,args=']);
    for (const line of stdout.split('\n')) {
      const [pid, group] = line.trim().split(/\s+/).map(Number);
      if (group === this.child?.pid && line.includes('--type=extensionHost')) process.kill(pid, 'SIGKILL');
    }
  }

  /** Ids of the installed extensions, such as `publisher.name@1.2.3`. */
  async installed(host: VsCodeHost): Promise<string[]> {
    const args = [host.server, ...this.places, '--list-extensions', '--show-versions'];
    const { stdout } = await run(process.execPath, args, { env: this.environment({}) });
    return stdout.split('\n').filter((line) => /^[\w-]+\.[\w-]+@/.test(line));
  }

  /** Ends the server with all it started and removes its files. */
  async stop(): Promise<void> {
    const { child } = this;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin!.end();
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
