/** `segment` on small folders: what it writes, what it leaves alone, and what a second run does. */
import { appendFile, cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { dice } from '../../src/core/pixels/maskMetrics';
import { decodeMaskPng } from '../../src/formats/maskPng';
import { binaryMaskOf } from '../masks';
import {
  doneCounts,
  filesIn,
  fingerprint,
  handPainted,
  journalOf,
  jsonLines,
  models,
  ONE_ENGINE,
  outcomes,
  readLabels,
  referenceArgs,
  SAMPLE_SIDE,
  sampleImage,
  sampleMask,
  Workshop,
} from './runCli';

const workshop = new Workshop();

const image = (n: number) => `images/nuclei_0${n}.png`;
const maskOf = (root: string, n: number) => path.join(root, 'masks', `nuclei_0${n}.png`);
const readMask = async (file: string) => binaryMaskOf(decodeMaskPng(await readFile(file), file), 1);

/** Samples 1 to 4, labelled from sample 1 once for all tests; tests that write work on a copy. */
let labelled: string;
let first: Awaited<ReturnType<Workshop['label']>>;
let imagesBefore: Record<string, string>;

beforeAll(async () => {
  labelled = await workshop.sampleFolder([1, 2, 3, 4]);
  imagesBefore = await fingerprint(path.join(labelled, 'images'));
  first = await workshop.label(['images', '--reference', image(1), '--mask', sampleMask(1)], { cwd: labelled });
});

async function copyOfLabelled(): Promise<string> {
  const root = await workshop.newFolder();
  await cp(labelled, root, { recursive: true, preserveTimestamps: true });
  return root;
}

describe('a first run', () => {
  it('writes palette masks of the right size and class, near the truth, and nothing else', async () => {
    expect(first.code, first.stderr).toBe(0);
    expect(outcomes(first.rows)).toEqual({ done: 4 });
    for (const n of [1, 2, 3, 4]) {
      expect(first.rows.get(image(n))?.mask).toBe(maskOf(labelled, n));
      const labels = await readLabels(maskOf(labelled, n));
      expect(labels.size).toEqual({ width: SAMPLE_SIDE, height: SAMPLE_SIDE });
      expect(new Set(labels.data)).toEqual(new Set([0, 1]));
      expect(dice(binaryMaskOf(labels, 1), await readMask(sampleMask(n)))).toBeGreaterThan(0.7);
    }
    expect(await filesIn(labelled)).toEqual([
      '.apmedsam/journal/batch-1-of-1.jsonl',
      '.apmedsam/project.json',
      ...[1, 2, 3, 4].map(image),
      ...[1, 2, 3, 4].map((n) => `masks/nuclei_0${n}.png`),
    ]);
  });

  it('leaves the images byte for byte as they were, and their times', async () => {
    expect(await fingerprint(path.join(labelled, 'images'))).toEqual(imagesBefore);
  });

  it('gives the reference its own mask, without a guess', async () => {
    const { data } = await readLabels(maskOf(labelled, 1));
    expect(Buffer.compare(data, (await readMask(sampleMask(1))).data)).toBe(0);
  });

  it('is told line by line in the journal and in the project', async () => {
    const lines = await journalOf(labelled);
    expect(lines.map(({ kind }) => kind).sort()).toEqual([...Array(4).fill('done'), ...Array(4).fill('intent')]);
    expect(new Set((await doneCounts(labelled)).values())).toEqual(new Set([1]));
    const project = JSON.parse(await readFile(path.join(labelled, '.apmedsam', 'project.json'), 'utf8'));
    expect(project).toMatchObject({
      version: 1,
      classes: [{ id: 1, name: 'object' }],
      references: [{ class: 1, image: image(1), mask: sampleMask(1) }],
      maskFolder: 'masks',
    });
    expect(project.window).toBeUndefined();
  });
});

describe('trust', () => {
  it('stands in the rows and in the journal, with what it is made of, but not for the reference', async () => {
    const lines = (await journalOf(labelled)).filter(({ kind }) => kind === 'done');
    for (const n of [2, 3, 4]) {
      const { trust, trustParts } = first.rows.get(image(n))!;
      expect(trust).toBeGreaterThan(0.5);
      expect(trust).toBeLessThanOrEqual(1);
      const line = lines.find((one) => one.image === image(n))!;
      expect(line).toMatchObject({ trust, trustParts });
      expect(trustParts).toMatchObject({ stability: expect.any(Number), forwardSimilarity: expect.any(Number) });
    }
    expect(first.rows.get(image(1))).toMatchObject({ trust: null, trustParts: null });
    expect(lines.find((one) => one.image === image(1))).toMatchObject({
      trust: null,
      trustParts: { iouPrediction: null },
    });
  });

  it('below --min-trust makes an image absent, is remembered, and can be taken back', async () => {
    const root = await copyOfLabelled();
    const doubting = await workshop.label(['images', '--min-trust', '1'], { cwd: root });
    expect(doubting.code, doubting.stderr).toBe(0);
    expect(outcomes(doubting.rows)).toEqual({ done: 1, absent: 3 });
    expect(doubting.stderr).toMatch(/^1 labelled, 3 without the object of 4 images/m);
    const { mask, trust, notes } = doubting.rows.get(image(2))!;
    expect(mask).toBeNull();
    expect(trust).toBe(first.rows.get(image(2))!.trust);
    expect(notes?.at(-1)).toMatch(/^probably absent: what was found is trusted 0\.\d\d, less than 1\.00$/);
    // The mask of the run before is the program's own, and is emptied.
    expect(new Set((await readLabels(maskOf(root, 2))).data)).toEqual(new Set([0]));
    expect(outcomes((await workshop.label(['images'], { cwd: root })).rows)).toEqual({ skipped: 4 });
    const trusting = await workshop.label(['images', '--min-trust', '0'], { cwd: root });
    expect(outcomes(trusting.rows)).toEqual({ done: 4 });
    expect(await readFile(maskOf(root, 2))).toEqual(await readFile(maskOf(labelled, 2)));
  });
});

describe('a second run', () => {
  it('does nothing, with the stored reference', async () => {
    const before = await fingerprint(labelled);
    const again = await workshop.label(['images'], { cwd: labelled });
    expect(again.code).toBe(0);
    expect(outcomes(again.rows)).toEqual({ skipped: 4 });
    expect(again.stderr).toMatch(/^0 labelled, 4 done before of 4 images in \d+ s\.$/m);
    expect(await fingerprint(labelled)).toEqual(before);
  });

  it('labels only what is new or changed, and what was deleted', async () => {
    const root = await copyOfLabelled();
    await cp(sampleImage(5), path.join(root, image(5)));
    await cp(sampleImage(6), path.join(root, image(2)));
    await rm(maskOf(root, 3));
    const again = await workshop.label(['images'], { cwd: root });
    expect(again.code).toBe(0);
    expect(Object.fromEntries([...again.rows].map(([name, { outcome }]) => [name, outcome]))).toEqual({
      [image(1)]: 'skipped',
      [image(2)]: 'done',
      [image(3)]: 'done',
      [image(4)]: 'skipped',
      [image(5)]: 'done',
    });
    expect(dice(await readMask(maskOf(root, 2)), await readMask(sampleMask(6)))).toBeGreaterThan(0.7);
    expect(await readFile(maskOf(root, 3))).toEqual(await readFile(maskOf(labelled, 3)));
  });

  it('makes automatic masks of another reference anew, but not under --overwrite skip', async () => {
    const root = await copyOfLabelled();
    const before = await fingerprint(path.join(root, 'masks'));
    const skip = await workshop.label(['images', ...referenceArgs(5), '--overwrite', 'skip'], { cwd: root });
    expect(skip.code).toBe(0);
    expect(outcomes(skip.rows)).toEqual({ skipped: 4 });
    expect(await fingerprint(path.join(root, 'masks'))).toEqual(before);

    const replace = await workshop.label(['images'], { cwd: root });
    expect(replace.code).toBe(0);
    expect(outcomes(replace.rows)).toEqual({ done: 4 });
    const after = await fingerprint(path.join(root, 'masks'));
    for (const [name, print] of Object.entries(after)) expect(print).not.toBe(before[name]);
    const counts = await doneCounts(root);
    expect(counts.size).toBe(8);
    expect(new Set(counts.values())).toEqual(new Set([1]));
  });
});

describe('the project', () => {
  it('remembers strategy and parameters, so that the same images are done without naming them again', async () => {
    const root = await workshop.sampleFolder([2]);
    const odd = ['--strategy', 'gbmseg', '--without', 'hard,selfTest'];
    expect(outcomes((await workshop.label(['images', ...referenceArgs(1), ...odd], { cwd: root })).rows)).toEqual({
      done: 1,
    });
    expect(outcomes((await workshop.label(['images'], { cwd: root })).rows)).toEqual({ skipped: 1 });
    expect(outcomes((await workshop.label(['images', '--strategy', 'ap-medsam'], { cwd: root })).rows)).toEqual({
      done: 1,
    });
    const project = JSON.parse(await readFile(path.join(root, '.apmedsam', 'project.json'), 'utf8'));
    expect(project).toMatchObject({ strategy: 'ap-medsam', parameters: { ablation: { hard: false, self: true } } });
  });
});

describe('several classes', () => {
  /** The ground between the nuclei of a sample, as a mask of its own. */
  async function groundMask(root: string): Promise<string> {
    const { size, data } = await readMask(sampleMask(1));
    const file = path.join(root, 'ground.png');
    const ground = data.map((value) => (value === 1 ? 0 : 255));
    await writeFile(file, encode({ ...size, data: ground, channels: 1, depth: 8 }));
    return file;
  }

  interface Row {
    readonly image: string;
    readonly class: string;
    readonly outcome: string;
    readonly trust: number | null;
    readonly instances: readonly unknown[];
  }

  it('are labelled in one pass into one mask, are done then, and can be named', { timeout: 60_000 }, async () => {
    const root = await workshop.sampleFolder([2, 3]);
    const label = async (...args: string[]) => {
      const ended = await workshop.run(['segment', 'images', ...args, ...ONE_ENGINE, '--json'], { cwd: root });
      expect(ended.code, ended.stderr).toBe(0);
      return { ...ended, rows: jsonLines(ended.stdout) as Row[] };
    };
    const told = (rows: readonly Row[]) => rows.map((row) => [row.image, row.class, row.outcome]).sort();
    const nuclei = await label('--reference', sampleImage(1), '--mask', sampleMask(1), '--class', 'nucleus');
    expect(told(nuclei.rows)).toEqual([
      [image(2), 'nucleus', 'done'],
      [image(3), 'nucleus', 'done'],
    ]);
    await label('--reference', sampleImage(1), '--mask', await groundMask(root), '--class', 'ground');

    const both = await label('--save-overlays', 'overlays');
    expect(told(both.rows)).toEqual(
      [2, 3].flatMap((n) => [
        [image(n), 'ground', 'done'],
        [image(n), 'nucleus', 'done'],
      ]),
    );
    for (const row of both.rows) expect(row).toMatchObject({ trust: expect.any(Number), instances: [] });
    expect(both.stderr).toContain('2 labelled of 2 images');
    expect((await filesIn(path.join(root, 'overlays'))).length).toBe(2);
    const labels = await readLabels(maskOf(root, 2));
    expect(new Set(labels.data)).toEqual(new Set([0, 1, 2]));
    expect(dice(binaryMaskOf(labels, 1), await readMask(sampleMask(2)))).toBeGreaterThan(0.7);
    const done = (await journalOf(root)).filter((line) => line.kind === 'done' && line.image === image(2));
    expect(done.slice(-2).map((line) => line.class)).toEqual([1, 2]);
    expect(new Set(done.slice(-2).map((line) => line.mask)).size).toBe(1);

    expect(told((await label()).rows).map(([, , outcome]) => outcome)).toEqual(Array(4).fill('skipped'));
    expect(told((await label('--class', 'ground', '--class', 'nucleus')).rows)).toHaveLength(4);
    expect(told((await label('--class', 'nucleus')).rows)).toHaveLength(2);
    const refused = await workshop.run(['segment', 'images', '--reference', 'a.png', '--class', 'a', '--class', 'b'], {
      cwd: root,
    });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--reference is the example of one class: give --class once');
  });
});

describe('a preset', () => {
  it('chooses the strategy, needs no segmenter where it asks none, and is remembered', async () => {
    const root = await workshop.sampleFolder([2]);
    const first = await workshop.label(['images', ...referenceArgs(1), '--preset', 'regions'], { cwd: root });
    expect(outcomes(first.rows)).toEqual({ done: 1 });
    expect(first.rows.get(image(2))).toMatchObject({ iouPrediction: null });
    expect(outcomes((await workshop.label(['images'], { cwd: root })).rows)).toEqual({ skipped: 1 });
    const again = await workshop.label(['images', '--preset', 'prompt'], { cwd: root });
    expect(outcomes(again.rows)).toEqual({ done: 1 });
    expect(again.rows.get(image(2))).toMatchObject({ iouPrediction: expect.any(Number) });
    const project = JSON.parse(await readFile(path.join(root, '.apmedsam', 'project.json'), 'utf8'));
    expect(project).toMatchObject({ strategy: 'cluster', parameters: { cluster: { preset: 'prompt' } } });
  });
});

describe("a person's work", () => {
  it('painted before a run or over one of its masks stays byte for byte, and is reported', async () => {
    const root = await workshop.sampleFolder([2, 3, 4]);
    await mkdir(path.join(root, 'masks'));
    await writeFile(maskOf(root, 2), handPainted());
    const before = await workshop.label(['images', ...referenceArgs(1)], { cwd: root });
    expect(before.code).toBe(0);
    expect(outcomes(before.rows)).toEqual({ kept: 1, done: 2 });
    expect(before.rows.get(image(2))).toMatchObject({ outcome: 'kept', mask: maskOf(root, 2) });

    await writeFile(maskOf(root, 3), handPainted());
    const prints = await fingerprint(path.join(root, 'masks'));
    const after = await workshop.run(['segment', 'images', ...referenceArgs(5), ...ONE_ENGINE], { cwd: root });
    expect(after.code).toBe(0);
    expect(after.stdout).toMatch(/^1 labelled, 2 kept as a person left them of 3 images in \d+ s\.\n$/);
    expect(await readFile(maskOf(root, 2))).toEqual(handPainted());
    expect(await readFile(maskOf(root, 3))).toEqual(handPainted());
    const now = await fingerprint(path.join(root, 'masks'));
    for (const n of [2, 3]) expect(now[`nuclei_0${n}.png`]).toBe(prints[`nuclei_0${n}.png`]);
  });

  it('that was accepted stays too, though the mask is still the one of the run', async () => {
    const root = await copyOfLabelled();
    const lines = await journalOf(root);
    const done = lines.find(({ kind, image: name }) => kind === 'done' && name === image(2))!;
    const accepted = { ...done, status: 'accepted', run: null, time: new Date().toISOString() };
    await appendFile(path.join(root, '.apmedsam', 'journal', 'user.jsonl'), `${JSON.stringify(accepted)}\n`);
    const before = await readFile(maskOf(root, 2));
    const { rows } = await workshop.label([image(2), image(3), ...referenceArgs(5)], { cwd: root });
    expect([...rows.values()].map(({ outcome }) => outcome).sort()).toEqual(['done', 'kept']);
    expect(rows.get(image(2))?.outcome).toBe('kept');
    expect(await readFile(maskOf(root, 2))).toEqual(before);
  });
});

describe('where things go', () => {
  it('subfolders are kept, and images that share a stem keep their suffix', async () => {
    const root = await workshop.newFolder();
    for (const folder of ['images/a', 'images/b']) await mkdir(path.join(root, folder), { recursive: true });
    await cp(sampleImage(2), path.join(root, 'images/a/x.png'));
    await cp(sampleImage(3), path.join(root, 'images/b/x.png'));
    await sharp(sampleImage(4)).jpeg({ quality: 95 }).toFile(path.join(root, 'images/b/x.jpg'));
    const overlays = path.join(root, 'overlays');
    const run = await workshop.label(['images', ...referenceArgs(1), '--save-overlays', overlays], { cwd: root });
    expect(run.code).toBe(0);
    expect(Object.fromEntries([...run.rows].map(([name, { mask }]) => [name, path.relative(root, mask!)]))).toEqual({
      'images/a/x.png': 'masks/a/x.png',
      'images/b/x.jpg': 'masks/b/x.jpg.png',
      'images/b/x.png': 'masks/b/x.png.png',
    });
    expect(await filesIn(path.join(root, 'masks'))).toEqual(['a/x.png', 'b/x.jpg.png', 'b/x.png.png']);
    expect(dice(await readMask(path.join(root, 'masks/b/x.jpg.png')), await readMask(sampleMask(4)))).toBeGreaterThan(
      0.7,
    );

    expect(await filesIn(overlays)).toEqual([...run.rows.keys()].sort().map((name) => `${name}.overlay.png`));
    for (const name of await filesIn(overlays)) {
      const picture = sharp(path.join(overlays, name));
      const { width, height, format } = await picture.metadata();
      expect({ ratio: width / height, format }).toEqual({ ratio: 1, format: 'png' });
      const { channels } = await picture.stats();
      // The samples are grey; outline and prompts are not.
      expect(channels.map(({ sum }) => sum)[0]).not.toBe(channels.map(({ sum }) => sum)[2]);
    }
  });

  it('--out names another mask folder, --class a second class, which shares the mask file with the first', async () => {
    const root = await workshop.sampleFolder([2]);
    const args = (n: number, name: string) => [image(2), ...referenceArgs(n), '--out', 'labels', '--class', name];
    expect((await workshop.label(args(1, 'nucleus'), { cwd: root })).code).toBe(0);
    const mask = path.join(root, 'labels', 'nuclei_02.png');
    const one = await readLabels(mask);
    // Both classes are nuclei: the second one may only take what the first one left.
    const second = await workshop.label(args(5, 'debris'), { cwd: root });
    expect(outcomes(second.rows)).toEqual({ done: 1 });
    const both = await readLabels(mask);
    expect(Array.from(both.data, (value) => (value === 1 ? 1 : 0))).toEqual(Array.from(one.data));
    expect([...new Set(both.data)].every((value) => value <= 2)).toBe(true);
    expect(await filesIn(root)).not.toContain('masks/nuclei_02.png');

    const chosen = await workshop.label([image(2), '--class', 'debris'], { cwd: root });
    expect(outcomes(chosen.rows)).toEqual({ skipped: 1 });
  });
});

describe('16-bit images', () => {
  it('go through one window of the folder, kept in project.json, and get the masks of their 8-bit originals', async () => {
    const root = await workshop.newFolder();
    await mkdir(path.join(root, 'images'));
    for (const n of [1, 2, 3]) await writeFile(path.join(root, image(n)), await deepened(n));
    const run = await workshop.label(['images', '--reference', image(1), '--mask', sampleMask(1)], { cwd: root });
    expect(run.code, run.stderr).toBe(0);
    expect(outcomes(run.rows)).toEqual({ done: 3 });
    for (const n of [2, 3]) {
      expect(dice(await readMask(maskOf(root, n)), await readMask(maskOf(labelled, n)))).toBeGreaterThan(0.9);
    }
    const projectFile = path.join(root, '.apmedsam', 'project.json');
    const project = await readFile(projectFile, 'utf8');
    const { window } = JSON.parse(project) as { window: { low: number; high: number } };
    expect(window.low).toBeGreaterThanOrEqual(DEEP_OFFSET);
    expect(window.low).toBeLessThan(window.high);
    expect(window.high).toBeLessThanOrEqual(DEEP_OFFSET + 255 * DEEP_SCALE);

    // An image of another range that comes later is seen through the same window.
    await writeFile(path.join(root, image(4)), await deepened(4));
    const again = await workshop.label(['images'], { cwd: root });
    expect(outcomes(again.rows)).toEqual({ skipped: 3, done: 1 });
    expect(await readFile(projectFile, 'utf8')).toBe(project);
    expect((await stat(maskOf(root, 4))).size).toBeGreaterThan(0);
  });
});

const DEEP_OFFSET = 1000;
const DEEP_SCALE = 12;

/** A sample as a 16-bit grey PNG of 12-bit values, as microscopes write them. */
async function deepened(n: number): Promise<Uint8Array> {
  const { data, info } = await sharp(sampleImage(n)).toColourspace('b-w').raw().toBuffer({ resolveWithObject: true });
  const values = Uint16Array.from(data, (value) => DEEP_OFFSET + DEEP_SCALE * value);
  return encode({ width: info.width, height: info.height, data: values, depth: 16, channels: 1 });
}

describe('suggest', () => {
  it('names images that are no references, in words or rows, and writes nothing', async () => {
    const root = await copyOfLabelled();
    const before = await fingerprint(root);
    const words = await workshop.run(['suggest', 'images', '--count', '2', ...ONE_ENGINE], { cwd: root });
    expect(words).toMatchObject({ code: 0, stderr: '' });
    const lines = words.stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    for (const [k, line] of lines.entries()) {
      expect(line).toMatch(
        new RegExp(
          `^${k + 1}\\. images/nuclei_0[234]\\.png: (it stands for itself alone|it teaches \\d of 3 images, nearer to it than to anything labelled); trust is 0\\.\\d\\d there\\.$`,
        ),
      );
    }
    const rows = await workshop.run(['suggest', 'images', '--json', ...ONE_ENGINE], { cwd: root });
    const named = jsonLines(rows.stdout) as { image: string; serves: number; trust: number }[];
    expect(named.slice(0, 2).map(({ image }) => image)).toEqual(lines.map((line) => line.split(/[ :]/)[1]));
    for (const { image, serves, trust } of named) {
      expect(trust).toBe(first.rows.get(image)!.trust);
      expect(serves).toBeGreaterThanOrEqual(1);
    }
    expect(await fingerprint(root)).toEqual(before);
  });

  it('opens the encoder alone', async () => {
    const root = await workshop.sampleFolder([1, 2]);
    const { code, stderr } = await workshop.run(['suggest', 'images', '--verbose', ...ONE_ENGINE], { cwd: root });
    expect(code).toBe(0);
    expect(stderr).toContain('Encoder "embedded": on CPU');
    expect(stderr).not.toContain('Segmenter');
  });

  it('names the most typical image where nothing is labelled yet', async () => {
    const root = await workshop.sampleFolder([1, 2, 3]);
    const { code, stdout } = await workshop.run(['suggest', 'images', '--count', '1', ...ONE_ENGINE], { cwd: root });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^1\. images\/nuclei_0[123]\.png: (it stands for itself alone|it teaches \d of 3 images)\.\n$/,
    );
    expect(await filesIn(root)).toEqual([1, 2, 3].map(image));
  });
});

describe('several references', () => {
  it('vote with --add, are labelled with their own masks, and stay for the next run', async () => {
    const root = await copyOfLabelled();
    const added = ['--reference', image(3), '--mask', sampleMask(3), '--add'];
    const both = await workshop.label(['images', ...added], { cwd: root });
    expect(both.code, both.stderr).toBe(0);
    expect(both.stderr).toContain('Note: "object" has 2 references, of which 2 vote.\n');
    expect(outcomes(both.rows)).toEqual({ done: 4 });
    for (const n of [1, 3]) {
      const { data } = await readMask(maskOf(root, n));
      expect(data).toEqual((await readMask(sampleMask(n))).data);
    }
    const project = JSON.parse(await readFile(path.join(root, '.apmedsam', 'project.json'), 'utf8'));
    expect(project.references.map((one: { image: string }) => one.image)).toEqual([image(3), image(1)]);
    expect(outcomes((await workshop.label(['images'], { cwd: root })).rows)).toEqual({ skipped: 4 });
  });

  it('need a --reference to be added', async () => {
    const { code, stderr } = await workshop.run(['segment', 'images', '--add'], { cwd: labelled });
    expect(code).toBe(2);
    expect(stderr).toContain('--add needs a --reference to add. See "ap-medsam segment --help".');
  });
});

describe('images of another kind', () => {
  it('are hardly trusted: they are named at the end, with a word on the reference, and absent if asked', async () => {
    const root = await workshop.newFolder();
    const vertebrae = path.join(models, 'samples', 'vertebrae', 'images');
    await cp(vertebrae, path.join(root, 'images'), { recursive: true });
    const count = (await filesIn(vertebrae)).length;
    const run = async (...more: string[]) =>
      (await workshop.run(['segment', 'images', ...referenceArgs(1), ...ONE_ENGINE, ...more], { cwd: root })).stdout;
    const named = /^Look first at: (?:images\/\S+ \(trust 0\.[0-4]\d\)(?:, |\.$)){5}/m;
    const words = await run('--min-trust', '0');
    expect(words).toMatch(named);
    expect(words).toMatch(/^The images are hardly like the reference \(mean trust 0\.[0-4]\d\): "ap-medsam suggest"/m);
    const doubting = await run('--min-trust', '0.2');
    const absent = Number(/, (\d+) without the object of/.exec(doubting)?.[1]);
    expect(absent).toBeGreaterThanOrEqual(count / 2);
  });
});
