/** The built command line as a user meets it: processes, temporary folders with samples, and what a run left on disk. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { afterAll, beforeAll, expect } from 'vitest';
import type { LabelMap } from '../../src/core/labelMap';
import type { JournalLine } from '../../src/dataset/journal';
import { decodeMaskPng } from '../../src/formats/maskPng';
import { readHeader } from '../../src/formats/pngChunks';

export const repository = path.resolve(import.meta.dirname, '..', '..');
export const models = path.join(repository, 'models');
const samples = path.join(models, 'samples', 'nuclei');

const sampleName = (n: number): string => `nuclei_${String(n).padStart(2, '0')}.png`;

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

/** A line of `segment --json`. */
export interface ImageRow {
  readonly image: string;
  readonly mask: string | null;
  readonly outcome: 'done' | 'skipped' | 'kept' | 'absent' | 'failed';
  readonly message?: string;
  readonly iouPrediction?: number;
  readonly trust?: number | null;
  readonly trustParts?: Readonly<Record<string, number | null>> | null;
  readonly notes?: readonly string[];
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

  /** As a terminal's Ctrl+C does: to the run and to its engines. Needs a group of its own. */
  killGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal);
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

/** A home of its own and working folders for the tests of one file, removed when they are over. */
export class Workshop {
  home = '';
  private folder = '';
  private folders = 0;

  constructor() {
    beforeAll(async () => {
      this.folder = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-cli-'));
      this.home = path.join(this.folder, 'home');
    });
    afterAll(() => rm(this.folder, { recursive: true, force: true, maxRetries: 5 }));
  }

  /** A new empty folder. */
  async newFolder(): Promise<string> {
    const folder = path.join(this.folder, `work-${++this.folders}`);
    await mkdir(folder);
    return folder;
  }

  /** A new folder with `images/` holding these samples under their own names. */
  async sampleFolder(numbers: readonly number[]): Promise<string> {
    const root = await this.newFolder();
    await mkdir(path.join(root, 'images'));
    for (const n of numbers) await cp(sampleImage(n), path.join(root, 'images', sampleName(n)));
    return root;
  }

  /**
   * A new folder with `images/` holding `count` small copies of samples in subfolders, as quick to label as can be.
   * Their names, as the journal has them, in code-unit order.
   */
  async crowd(count: number): Promise<{ readonly root: string; readonly images: readonly string[] }> {
    const root = await this.newFolder();
    const copies = Array.from({ length: count }, (_, i) => ({
      name: `images/plate-${i % 5}/well-${String(i).padStart(2, '0')}.png`,
      sample: 1 + (i % 10),
    }));
    for (let plate = 0; plate < 5; plate++)
      await mkdir(path.join(root, 'images', `plate-${plate}`), { recursive: true });
    for (const { name, sample } of copies) {
      await sharp(sampleImage(sample)).resize(CROWD_SIDE).png({ compressionLevel: 1 }).toFile(path.join(root, name));
    }
    return { root, images: copies.map(({ name }) => name).sort() };
  }

  start(args: readonly string[], options: RunOptions = {}): Running {
    const { cwd = this.folder, home = this.home, group = false, before = [], stdout = 'pipe' } = options;
    const [program, ...rest] = [...before, process.execPath, path.join(repository, 'dist', 'cli.js'), ...args];
    const env = { ...process.env, AP_MEDSAM_HOME: home };
    return new Running(spawn(program, rest, { cwd, env, detached: group, stdio: ['ignore', stdout, 'pipe'] }));
  }

  /** Runs to the end. No run ever shows a stack trace. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const ended = await this.start(args, options).ended;
    expect(ended.stderr).not.toMatch(/^\s+at |node:internal/m);
    return ended;
  }

  /** `segment --json` with one engine, to the end; rows by image. */
  async label(args: readonly string[], options: RunOptions = {}) {
    const ended = await this.run(['segment', ...args, ...ONE_ENGINE, '--json'], options);
    return { ...ended, rows: rowsOf(ended) };
  }
}

/** The rows of `segment --json`, by image name. Fails on a line of stdout that is no JSON object. */
export function rowsOf({ stdout }: Ended): ReadonlyMap<string, ImageRow> {
  const rows = jsonLines(stdout) as ImageRow[];
  return new Map(rows.map((row) => [row.image, row]));
}

export function jsonLines(stdout: string): unknown[] {
  if (stdout === '') return [];
  expect(stdout.endsWith('\n')).toBe(true);
  const values = stdout
    .slice(0, -1)
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  for (const value of values) expect(value).toBeTypeOf('object');
  return values;
}

/** Outcome -> how many rows have it. */
export function outcomes(rows: ReadonlyMap<string, ImageRow>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of rows.values()) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

/** The message of a run that could not start: all of stderr but notes on the reference, and nothing on stdout. */
export function complaint({ code, stdout, stderr }: Ended): string {
  expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
  const said = stderr.replace(/^Note: .*\n/gm, '');
  expect(said).toMatch(/^ap-medsam: [^\n]+\n$/);
  return said.slice('ap-medsam: '.length, -1);
}

/** Messages of the images that failed, by image; each also stands on stderr. */
export function failures(ended: Ended): ReadonlyMap<string, string> {
  const failed = [...rowsOf(ended).values()].filter(({ outcome }) => outcome === 'failed');
  for (const { message } of failed) expect(ended.stderr).toContain(`Failed: ${message}\n`);
  return new Map(failed.map(({ image, message }) => [image, message!]));
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

/** Content and time of change of all files below a folder, to tell whether any was touched. */
export async function fingerprint(folder: string): Promise<Record<string, string>> {
  const prints: Record<string, string> = {};
  for (const name of await filesIn(folder)) {
    const file = path.join(folder, name);
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    prints[name] = `${digest} ${(await stat(file)).mtimeMs}`;
  }
  return prints;
}

/** A mask that the program wrote: an 8-bit palette PNG. */
export async function readLabels(file: string): Promise<LabelMap> {
  const bytes = await readFile(file);
  expect(readHeader(bytes), file).toMatchObject({ depth: 8, colourType: 3 });
  return decodeMaskPng(bytes, file);
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
