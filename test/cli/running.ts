/**
 * The built command line as a user meets it: processes, the samples that they are given, and what they leave behind.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encode } from 'fast-png';
import sharp from 'sharp';
import type { JournalLine } from '../../src/dataset/journal/journal';

export const repository = path.resolve(import.meta.dirname, '..', '..');
export const models = path.join(repository, 'models');
const samples = path.join(models, 'samples', 'nuclei');

export const sampleName = (n: number): string => `nuclei_${String(n).padStart(2, '0')}.png`;

/** Image and known mask of the n-th sample, n from 1 to 10. */
export const sampleImage = (n: number): string => path.join(samples, 'images', sampleName(n));
export const sampleMask = (n: number): string => path.join(samples, 'masks', sampleName(n));

/** Samples are square. */
export const SAMPLE_SIDE = 360;

/** Side of the copies in a crowd. */
export const CROWD_SIDE = 160;

/** One engine of one thread: the quickest way through a few images, and fair to tests that run beside. */
export const ONE_ENGINE = ['--engines', '1', '--threads', '1'] as const;

/** Without what takes seconds for each new reference; for tests that do not care which masks come out. */
export const QUICK = [...ONE_ENGINE, '--without', 'prior'] as const;

/** `--reference` and `--mask` of a sample. */
export const referenceArgs = (n: number): string[] => ['--reference', sampleImage(n), '--mask', sampleMask(n)];

/** How a run ended and what it printed. */
export interface Ended {
  /** Exit code, null where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly home?: string;
  /** In a process group of its own, as a shell starts programs. */
  readonly group?: boolean;
  /** File descriptor that takes the results instead. */
  readonly stdout?: number;
  /** Program and arguments that run the command line, such as one that changes what it sees of the disk. */
  readonly before?: readonly string[];
}

/** A run under way. */
export class Running {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  private stdout = '';
  private stderr = '';
  private readonly listeners = new Set<() => void>();

  constructor(private readonly child: ChildProcess) {
    this.pid = child.pid!;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      for (const listener of this.listeners) listener();
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        const finish = () => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
        // Engines that outlive a killed run hold its pipes; what the run itself wrote is in them already.
        child.once('close', finish);
        if (signal !== null) setTimeout(finish, 50);
      });
    });
  }

  /** What it has written to stdout so far. */
  get output(): string {
    return this.stdout;
  }

  get isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** As `head` does when it has its lines: whoever writes on is told. */
  stopReading(): void {
    this.child.stdout!.destroy();
  }

  /**
   * As a terminal's Ctrl+C does: to the run and to its engines. Needs a group of its own. Says whether any was left.
   */
  killGroup(signal: NodeJS.Signals): boolean {
    try {
      return process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      return false;
    }
  }

  /** Resolves when a run with `--json` has labelled `count` images itself, or is over. */
  async labelled(count: number): Promise<void> {
    let look = () => {};
    const seen = new Promise<void>((resolve) => {
      look = () => {
        if (this.stdout.split('"outcome":"done"').length > count) resolve();
      };
      look();
      this.listeners.add(look);
    });
    await Promise.race([seen, this.ended]);
    this.listeners.delete(look);
  }

  /** Resolves when `condition` holds, or the run is over. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!this.isOver && !(await condition())) await sleep(1);
  }
}

/** Starts the command line; its home is the usual one where none is given. */
export function startCli(args: readonly string[], options: RunOptions = {}): Running {
  const { cwd, home, group = false, before = [], stdout = 'pipe' } = options;
  const [program, ...rest] = [...before, process.execPath, path.join(repository, 'dist', 'cli.js'), ...args];
  const env = { ...process.env, ...(home !== undefined && { AP_MEDSAM_HOME: home }) };
  return new Running(spawn(program, rest, { cwd, env, detached: group, stdio: ['ignore', stdout, 'pipe'] }));
}

/**
 * Puts `count` small copies of samples into subfolders of `images/` of a folder, as quick to label as can be. Their
 * names, as the journal has them, in code-unit order.
 */
export async function makeCrowd(root: string, count: number): Promise<readonly string[]> {
  const copies = Array.from({ length: count }, (_, i) => ({
    name: `images/plate-${i % 5}/well-${String(i).padStart(2, '0')}.png`,
    sample: 1 + (i % 10),
  }));
  for (let plate = 0; plate < 5; plate++) await mkdir(path.join(root, 'images', `plate-${plate}`), { recursive: true });
  for (const { name, sample } of copies) {
    await sharp(sampleImage(sample)).resize(CROWD_SIDE).png({ compressionLevel: 1 }).toFile(path.join(root, name));
  }
  return copies.map(({ name }) => name).sort();
}

/** Every journal line of a root in order of its file, damaged lines left out. */
export async function journalOf(root: string): Promise<JournalLine[]> {
  const folder = path.join(root, '.apmedsam', 'journal');
  const lines: JournalLine[] = [];
  for (const name of (await readdir(folder).catch(() => [])).filter((file) => file.endsWith('.jsonl'))) {
    for (const text of (await readFile(path.join(folder, name), 'utf8')).split('\n')) {
      try {
        lines.push(JSON.parse(text) as JournalLine);
      } catch {
        // The torn end of a killed run, or the empty line after it.
      }
    }
  }
  return lines;
}

/** For each image and run key, how often a run wrote that its mask is done; images named as in the journal. */
export async function doneCounts(root: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const { kind, status, image, run } of await journalOf(root)) {
    if (kind !== 'done' || status !== 'auto') continue;
    const key = `${image} ${run}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** Posix paths of all files below a folder, sorted. */
export async function filesIn(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
}

/** Processes started by `pid`, by `ps`. */
export const childrenOf = (pid: number): number[] =>
  processes()
    .filter(({ parent }) => parent === pid)
    .map((process) => process.pid);

/** Whether a process runs; one that has ended and waits for its parent to ask does not. */
export const isRunning = (pid: number): boolean =>
  processes().some((process) => process.pid === pid && !process.state.startsWith('Z'));

function processes(): { pid: number; parent: number; state: string }[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, state] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), state };
    });
}

/** A mask as another program would write it: grey, 0 and 255. Two `variant`s differ. */
export function handPainted(variant = 0, side = SAMPLE_SIDE): Buffer {
  const data = new Uint8Array(side * side);
  for (let y = 10 + variant; y < 60; y++) data.fill(255, y * side + 20, y * side + 90);
  return Buffer.from(encode({ width: side, height: side, data, depth: 8, channels: 1 }));
}
