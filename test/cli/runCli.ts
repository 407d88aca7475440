/** The built command line in tests: temporary folders with samples, and what a run left on disk. */
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import { decodeMaskPng } from '../../src/formats/maskPng';
import { readHeader } from '../../src/formats/pngChunks';
import {
  type Ended,
  filesIn,
  makeCrowd,
  ONE_ENGINE,
  type Running,
  type RunOptions,
  sampleImage,
  sampleName,
  startCli,
} from './running';

export * from './running';

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
    return { root, images: await makeCrowd(root, count) };
  }

  start(args: readonly string[], options: RunOptions = {}): Running {
    return startCli(args, { cwd: this.folder, home: this.home, ...options });
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
