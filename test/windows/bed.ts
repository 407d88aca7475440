/**
 * What the cases are made of: folders with images, the command line on both systems, and what a run left on the disk.
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import type { JournalLine } from '../../src/dataset/journal/journal';
import { decodeMaskPng } from '../../src/formats/maskPng';
import { repository } from '../vscode/install';
import { type Ended, type RunOptions, type Started, type Wine, windowsPath } from './wine';

export const samples = path.join(repository, 'models', 'samples');

const nuclei = (kind: 'images' | 'masks', n: number): string =>
  path.join(samples, 'nuclei', kind, `nuclei_${String(n).padStart(2, '0')}.png`);

/** Short side of copies, as quick to label as can be. */
const SMALL = 160;

/** Without what takes seconds and is not the point here. */
const QUICK = ['--engines', '1', '--device', 'cpu', '--without', 'prior', '--json'];

/** The tail of `segment`'s rows. */
export interface Row {
  readonly image: string;
  readonly mask: string | null;
  readonly outcome: string;
  readonly message?: string;
}

export interface Labelled extends Ended {
  readonly rows: ReadonlyMap<string, Row>;
  /** Outcome -> how many rows have it. */
  readonly outcomes: Readonly<Record<string, number>>;
}

export class Bed {
  private folders = 0;

  constructor(
    readonly wine: Wine,
    /** An empty folder on Linux. */
    private readonly work: string,
  ) {}

  /** A new empty folder. */
  newFolder(): Promise<string> {
    return mkdtemp(path.join(this.work, `case-${++this.folders}-`));
  }

  /** A new folder with small copies of samples under these names (posix paths). */
  async folderOf(names: readonly string[], root?: string): Promise<string> {
    const folder = root ?? (await this.newFolder());
    for (const [i, name] of names.entries()) {
      const file = path.join(folder, name);
      await mkdir(path.dirname(file), { recursive: true });
      await sharp(nuclei('images', 1 + (i % 10)))
        .resize(SMALL)
        .png({ compressionLevel: 1 })
        .toFile(file);
    }
    return folder;
  }

  /** Copies a sample and its known mask beside the images of a root, and gives them as arguments of Linux. */
  async referenceIn(root: string): Promise<string[]> {
    const [image, mask] = ['image', 'mask'].map((name) => path.join(root, 'reference', `${name}.png`));
    await cp(nuclei('images', 1), image);
    await cp(nuclei('masks', 1), mask);
    return ['--reference', image, '--mask', mask];
  }

  startOnWindows(args: readonly string[], options?: RunOptions): Started {
    return this.wine.startCommand(['segment', ...args, ...QUICK], options);
  }

  /** `segment` of Windows paths, from a reference among the samples or, for null, the one that the project has. */
  async onWindows(
    target: string,
    args: readonly string[] = [],
    sample: number | null = 1,
    options?: RunOptions,
  ): Promise<Labelled> {
    const reference = sample === null ? [] : referenceArgs(sample, windowsPath);
    const run = () => this.startOnWindows([target, ...reference, ...args], options).ended;
    const ended = await run();
    if (ended.code === 0 || ended.stdout !== '' || ended.stderr !== '') return labelled(ended);
    // Whatever ends our program, it says so: not a word means that Wine did not get as far as starting it.
    console.log('Wine ended without a word: started again');
    return labelled(await run());
  }

  /** The same of Linux paths on Linux. */
  async onLinux(target: string, args: readonly string[] = [], sample: number | null = 1): Promise<Labelled> {
    const reference = sample === null ? [] : referenceArgs(sample, (file) => file);
    return labelled(await this.linuxCommand(['segment', target, ...reference, ...args, ...QUICK]));
  }

  linuxCommand(args: readonly string[]): Promise<Ended> {
    const env = { ...process.env, AP_MEDSAM_HOME: path.join(this.work, 'linux-home') };
    const child = spawn(process.execPath, [path.join(repository, 'dist', 'cli.js'), ...args], {
      cwd: this.work,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { stdout: '', stderr: '' };
    for (const kind of ['stdout', 'stderr'] as const) {
      child[kind].setEncoding('utf8').on('data', (text: string) => {
        said[kind] += text;
      });
    }
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, ...said }));
    });
  }
}

const referenceArgs = (n: number, named: (file: string) => string): string[] => [
  ...['--reference', named(nuclei('images', n))],
  ...['--mask', named(nuclei('masks', n))],
];

function labelled(ended: Ended): Labelled {
  const lines = ended.stdout.split('\n').filter((line) => line !== '');
  const rows = new Map(lines.map((line) => JSON.parse(line) as Row).map((row) => [row.image, row]));
  const outcomes: Record<string, number> = {};
  for (const { outcome } of rows.values()) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return { ...ended, rows, outcomes };
}

/** Posix paths of the files below a folder -> their bytes, for those that a run writes: masks and the project. */
export async function written(root: string): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const folder of ['masks', '.apmedsam']) {
    const entries = await readdir(path.join(root, folder), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const file = path.join(entry.parentPath, entry.name);
      files.set(path.relative(root, file), await readFile(file));
    }
  }
  return files;
}

/** Without temporary files, which a run that was killed leaves for an hour. */
export const masksOf = (files: ReadonlyMap<string, Buffer>): readonly string[] =>
  [...files.keys()].filter((name) => name.startsWith('masks/') && !path.basename(name).startsWith('.')).sort();

/** Every journal line of a project; throws where one is none. */
export function journalOf(files: ReadonlyMap<string, Buffer>): JournalLine[] {
  const journals = [...files].filter(([name]) => name.startsWith('.apmedsam/journal/'));
  return journals.flatMap(([, bytes]) =>
    bytes
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as JournalLine),
  );
}

/** Throws unless each mask of a folder can be read. */
export function requireMasks(files: ReadonlyMap<string, Buffer>, count: number): void {
  const masks = masksOf(files);
  equal(masks.length, count, 'masks');
  for (const name of masks) decodeMaskPng(files.get(name)!, name);
}

/** Copies the images and their known masks of a sample set. */
export async function copyOf(set: string, root: string): Promise<string> {
  const folder = path.join(root, set);
  await cp(path.join(samples, set, 'images'), path.join(folder, 'images'), { recursive: true });
  return folder;
}

/** Throws unless two values are the same as JSON. */
export function equal(found: unknown, expected: unknown, what: string): void {
  const [one, other] = [found, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: expected ${other}, found ${one}`);
}

/** Throws unless a run ended as it should; what it said is told. */
export function requireOutcomes(run: Labelled, outcomes: Readonly<Record<string, number>>, code = 0): void {
  const tail = run.stderr.trim().split('\n').slice(-4).join(' | ');
  const sorted = (counts: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
  equal({ code: run.code, ...sorted(run.outcomes) }, { code, ...sorted(outcomes) }, tail);
  if (/^\s+at |node:internal/m.test(run.stderr)) throw new Error(`a stack trace: ${tail}`);
}
