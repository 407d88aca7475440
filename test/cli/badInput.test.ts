/**
 * Bad input gets one clear sentence that names the file and what was expected, and the rest of the folder its masks.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, cp, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { assemblePng } from '../../src/formats/pngChunks';
import { makeBmp } from '../formats/makeBmp';
import {
  complaint,
  type Ended,
  failures,
  filesIn,
  fingerprint,
  handPainted,
  models,
  outcomes,
  QUICK,
  readLabels,
  referenceArgs,
  rowsOf,
  SAMPLE_SIDE,
  sampleImage,
  sampleMask,
  Workshop,
} from './runCli';

const workshop = new Workshop();

const SIZE = { width: SAMPLE_SIDE, height: SAMPLE_SIDE };

/** A grey PNG of one value per pixel. */
const greyPng = (values: (index: number) => number, { width, height } = SIZE): Uint8Array =>
  encode({ width, height, data: Uint8Array.from({ length: width * height }, (_, i) => values(i)), channels: 1 });

/** Run-length encoded, as hardly any program writes it. */
const compressedBmp = (): Buffer =>
  makeBmp({ size: { width: 2, height: 1 }, bits: 8, pixels: [0, 1], palette: [[9, 9, 9]], compression: 1 });

const sampleJpeg = () => sharp(sampleImage(4)).jpeg().toBuffer();

describe('images that are none', () => {
  /** What the file holds, and what follows its path in the message. */
  const CASES: Readonly<Record<string, readonly [content: () => Uint8Array | Promise<Uint8Array>, message: string]>> = {
    'truncated.png': [
      async () => (await readFile(sampleImage(2))).subarray(0, 9000),
      ' is damaged or cut short: it begins as PNG but its pixels cannot be decoded.',
    ],
    'truncated.jpg': [
      async () => (await sampleJpeg()).subarray(0, 1500),
      ' is cut short: about the last 69 % of the image are missing; expected at least half of it.',
    ],
    'header.png': [
      async () => (await readFile(sampleImage(2))).subarray(0, 40),
      ' is damaged or cut short: it begins as PNG but its pixels cannot be decoded.',
    ],
    'empty.png': [() => Buffer.alloc(0), ' is empty (0 bytes); expected PNG, JPEG, TIFF, WebP or BMP.'],
    'text.png': [
      () => Buffer.from('This is no picture.\n'),
      ' is not an image; expected PNG, JPEG, TIFF, WebP or BMP.',
    ],
    'moving.gif': [() => Buffer.from('GIF89a'), ': GIF is not supported yet, convert it to PNG.'],
    'photo.bmp': [compressedBmp, ' is a compressed BMP, which is not read: expected an uncompressed one, or a PNG.'],
    'huge.png': [
      () =>
        assemblePng({ size: { width: 30_000, height: 20_000 }, depth: 8, colourType: 0, interlaced: false }, [
          { type: 'IDAT', data: Buffer.alloc(10) },
        ]),
      ' is 30000 x 20000 = 600,000,000 pixels; the limit is 500,000,000 pixels.',
    ],
  };
  let root: string;
  let run: Ended;

  beforeAll(async () => {
    root = await workshop.sampleFolder([2, 3]);
    for (const [name, [content]] of Object.entries(CASES)) {
      await writeFile(path.join(root, 'images', name), await content());
    }
    await symlink('/nowhere/at/all.png', path.join(root, 'images', 'link.png'));
    run = await workshop.label(['images', ...referenceArgs(1)], { cwd: root });
  });

  it.each(Object.entries(CASES))('%s', (name, [, message]) => {
    expect(failures(run).get(`images/${name}`)).toBe(`${path.join(root, 'images', name)}${message}`);
  });

  it('a link that leads nowhere', () => {
    expect(failures(run).get('images/link.png')).toBe(
      `${path.join(root, 'images', 'link.png')} cannot be read (ENOENT).`,
    );
  });

  it('do not keep the others from their masks, and give exit code 1', async () => {
    const bad = Object.keys(CASES).length + 1;
    expect(run.code).toBe(1);
    expect(outcomes(rowsOf(run))).toEqual({ done: 2, failed: bad });
    expect(
      [...rowsOf(run).values()].filter(({ outcome }) => outcome === 'failed').every(({ mask }) => mask === null),
    ).toBe(true);
    expect(run.stderr).toMatch(new RegExp(`^2 labelled, ${bad} failed of ${bad + 2} images in \\d+ s\\.$`, 'm'));
    expect(await filesIn(path.join(root, 'masks'))).toEqual(['nuclei_02.png', 'nuclei_03.png']);
  });

  it('are tried again, and labelled once they are repaired', async () => {
    for (const name of [...Object.keys(CASES), 'link.png']) await rm(path.join(root, 'images', name));
    await cp(sampleImage(5), path.join(root, 'images', 'truncated.png'));
    const again = await workshop.label(['images'], { cwd: root });
    expect(again.code).toBe(0);
    expect(outcomes(again.rows)).toEqual({ skipped: 2, done: 1 });
  });
});

describe('a reference', () => {
  const REFERENCE = 'reference.png';
  const MASK = 'reference-mask.png';

  /** One image to label, and these files beside `images`. */
  async function folderWith(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
    const root = await workshop.sampleFolder([2]);
    for (const [name, content] of Object.entries(files)) await writeFile(path.join(root, name), content);
    return root;
  }

  const good = () => readFile(sampleImage(1));
  const CASES: readonly (readonly [
    what: string,
    files: () => Promise<Readonly<Record<string, Uint8Array>>>,
    message: (image: string, mask: string) => string,
  ])[] = [
    [
      'that does not exist',
      async () => ({ [MASK]: handPainted() }),
      (image) => `The reference image ${image} does not exist.`,
    ],
    [
      'without its mask',
      async () => ({ [REFERENCE]: await good() }),
      (_, mask) => `The reference mask ${mask} does not exist.`,
    ],
    [
      'with an empty mask',
      async () => ({ [REFERENCE]: await good(), [MASK]: greyPng(() => 0) }),
      (_, mask) => `The reference mask ${mask} is empty: mark the object in it.`,
    ],
    [
      'with a mask that covers everything',
      async () => ({ [REFERENCE]: await good(), [MASK]: greyPng(() => 255) }),
      (_, mask) => `The reference mask ${mask} covers the whole image: leave the background unmarked.`,
    ],
    [
      'with a mask of unknown classes',
      async () => ({ [REFERENCE]: await good(), [MASK]: greyPng((i) => [0, 3, 7][i % 3]) }),
      (_, mask) => `${mask} holds the values 3, 7, which may be classes or objects of one class: say which`,
    ],
    [
      'with a mask in many colours',
      async () => ({
        [REFERENCE]: await good(),
        [MASK]: await sharp({
          create: { ...SIZE, channels: 3, background: '#f80', noise: { type: 'gaussian', mean: 99, sigma: 40 } },
        })
          .png()
          .toBuffer(),
      }),
      (_, mask) => `${mask} holds several colours, `,
    ],
    [
      'with a photo for a mask',
      async () => ({ [REFERENCE]: await good(), [MASK]: await sampleJpeg() }),
      (_, mask) => `${mask} holds `,
    ],
    [
      'with a damaged mask',
      async () => ({ [REFERENCE]: await good(), [MASK]: (await readFile(sampleMask(1))).subarray(0, 500) }),
      (_, mask) => `${mask} is damaged: expected a whole PNG, but reading it failed (`,
    ],
    [
      'with a mask of another size',
      async () => ({ [REFERENCE]: await good(), [MASK]: handPainted(0, 100) }),
      (image, mask) => `The mask ${mask} is 100 x 100 but its image ${image} is 360 x 360.`,
    ],
    [
      'that is damaged',
      async () => ({ [REFERENCE]: (await good()).subarray(0, 9000), [MASK]: handPainted() }),
      (image) => `${image} is damaged or cut short: it begins as PNG but its pixels cannot be decoded.`,
    ],
    [
      'that is no image',
      async () => ({ [REFERENCE]: Buffer.from('hello'), [MASK]: handPainted() }),
      (image) => `${image} is not an image; expected `,
    ],
    [
      'that is a compressed BMP',
      async () => ({ [REFERENCE]: compressedBmp(), [MASK]: handPainted() }),
      (image) => `${image} is a compressed BMP, which is not read: expected `,
    ],
  ];

  it.concurrent.each(CASES)('%s', async (_, files, message) => {
    const root = await folderWith(await files());
    const before = await fingerprint(root);
    const args = ['segment', 'images', '--reference', REFERENCE, '--mask', MASK, ...QUICK, '--json'];
    const said = complaint(await workshop.run(args, { cwd: root }));
    const start = message(path.join(root, REFERENCE), path.join(root, MASK));
    if (start.endsWith('.')) expect(said).toBe(start);
    else expect(said.startsWith(start), said).toBe(true);
    expect(await fingerprint(root)).toMatchObject(before);
  });

  it('or a model that is refused leaves no project behind, and does not spoil one that works', async () => {
    const root = await folderWith({ [REFERENCE]: await good(), [MASK]: greyPng(() => 0), small: handPainted(0, 100) });
    const refused = async (message: string, ...args: string[]) =>
      expect(complaint(await workshop.run(['segment', 'images', ...QUICK, ...args], { cwd: root }))).toContain(message);
    const allRefused = async () => {
      await refused('is empty', '--reference', REFERENCE, '--mask', MASK);
      await refused('is 100 x 100 but its image', '--reference', REFERENCE, '--mask', 'small');
      await refused('no encoder called "vit"', ...referenceArgs(1), '--encoder', 'vit', '--class', 'new');
    };
    await allRefused();
    await refused(`${root} has no reference yet: give one with --reference (and --mask).`);
    expect(await filesIn(path.join(root, '.apmedsam'))).toEqual([]);

    expect((await workshop.label(['images', ...referenceArgs(1)], { cwd: root })).code).toBe(0);
    const before = await fingerprint(root);
    await allRefused();
    expect(await fingerprint(root)).toEqual(before);
    expect(outcomes((await workshop.label(['images'], { cwd: root })).rows)).toEqual({ skipped: 1 });
  });

  it('that was changed or deleted since it was stored', async () => {
    const root = await folderWith({ [REFERENCE]: await good(), [MASK]: await readFile(sampleMask(1)) });
    const [image, mask] = [REFERENCE, MASK].map((name) => path.join(root, name));
    const first = await workshop.label(['images', '--reference', REFERENCE, '--mask', MASK], { cwd: root });
    expect(first.code, first.stderr).toBe(0);
    const before = await fingerprint(path.join(root, 'masks'));
    const refusal = async () => complaint(await workshop.run(['segment', 'images', ...QUICK], { cwd: root }));

    await writeFile(mask, handPainted());
    expect(await refusal()).toBe(`The reference mask ${mask} has changed since the reference was set: set it again.`);
    await rm(mask);
    expect(await refusal()).toBe(`The reference mask ${mask} does not exist.`);
    await appendFile(image, 'x');
    expect(await refusal()).toBe(`The reference image ${image} has changed since the reference was set: set it again.`);
    await rm(image);
    expect(await refusal()).toBe(`The reference image ${image} does not exist.`);
    expect(await fingerprint(path.join(root, 'masks'))).toEqual(before);
  });
});

describe('masks of images', () => {
  it('of another size than their image are not touched where they hold other classes', async () => {
    const root = await workshop.sampleFolder([2, 3]);
    // Class 2 was labelled in a picture that has since been replaced by a smaller one.
    await workshop.label(['images', ...referenceArgs(1), '--class', 'nucleus'], { cwd: root });
    const mask = path.join(root, 'masks', 'nuclei_02.png');
    const data = new Uint8Array(SAMPLE_SIDE * SAMPLE_SIDE).fill(1, 0, 500).fill(2, 500, 900);
    const bytes = await encodeMaskPng({ size: SIZE, data }, []);
    await writeFile(mask, bytes);
    await tellJournal(root, 'images/nuclei_02.png', bytes);
    await sharp(sampleImage(2))
      .resize(200)
      .toFile(path.join(root, 'images', 'nuclei_02.png'));

    const run = await workshop.label(['images'], { cwd: root });
    expect(run.code).toBe(1);
    expect([...failures(run)]).toEqual([
      ['images/nuclei_02.png', `${mask} is 360 x 360 but its image is 200 x 200, and it holds other classes.`],
    ]);
    expect(await readFile(mask)).toEqual(Buffer.from(bytes));
    expect(run.rows.get('images/nuclei_03.png')?.outcome).toBe('skipped');
  });

  it('of one class only are made anew when their image was replaced by one of another size', async () => {
    const root = await workshop.sampleFolder([2]);
    await workshop.label(['images', ...referenceArgs(1)], { cwd: root });
    await sharp(sampleImage(2))
      .resize(200)
      .toFile(path.join(root, 'images', 'nuclei_02.png'));
    const run = await workshop.label(['images'], { cwd: root });
    expect(outcomes(run.rows)).toEqual({ done: 1 });
    expect((await readLabels(path.join(root, 'masks', 'nuclei_02.png'))).size).toEqual({ width: 200, height: 200 });
  });

  it("that are damaged are somebody else's: kept, and named in every run", async () => {
    const root = await workshop.sampleFolder([2, 3]);
    const mask = path.join(root, 'masks', 'nuclei_02.png');
    await mkdir(path.dirname(mask));
    await writeFile(mask, 'half a PNG');
    const sentence = `${mask} is not an image; expected a mask as PNG, TIFF, JPEG, WebP, BMP or NPY.`;
    for (const second of ['done', 'skipped']) {
      const run = await workshop.label(['images', ...referenceArgs(1)], { cwd: root });
      expect(run.code).toBe(1);
      expect([...failures(run)]).toEqual([['images/nuclei_02.png', sentence]]);
      expect(outcomes(run.rows)).toEqual({ failed: 1, [second]: 1 });
      expect(await readFile(mask, 'utf8')).toBe('half a PNG');
    }
  });

  it('of evaluate: one of another size, one without the class, one damaged; the others count', async () => {
    const data = await workshop.sampleFolder([1, 2, 3, 4, 5]);
    const mask = (n: number) => path.join(data, 'masks', `nuclei_0${n}.png`);
    await mkdir(path.join(data, 'masks'));
    for (const n of [1, 2]) await cp(sampleMask(n), mask(n));
    await writeFile(mask(3), handPainted(0, 100));
    await writeFile(
      mask(4),
      greyPng((i) => [0, 3, 7][i % 3]),
    );
    await writeFile(mask(5), (await readFile(sampleMask(5))).subarray(0, 500));
    const args = ['evaluate', '--data', data, '--reference', 'nuclei_01.png', ...QUICK];
    const { code, stdout, stderr } = await workshop.run(args);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^\| images\/nuclei_01\.png \| +1 \| +0\.[6-9]\d\d \|/m);
    const said = stderr.trimEnd().split('\n').sort();
    expect(said).toEqual([
      expect.stringContaining(`Failed: ${mask(4)} holds the values 3, 7, which may be classes or objects`),
      expect.stringMatching(
        /^Failed: \S+nuclei_05\.png is damaged: expected a whole PNG, but reading it failed \(.*\)\.$/,
      ),
      `Failed: The mask ${mask(3)} is 100 x 100 but its image ${path.join(data, 'images', 'nuclei_03.png')} is 360 x 360.`,
    ]);
  });
});

/** As if a run had written this mask, with other classes in it. */
async function tellJournal(root: string, image: string, mask: Uint8Array): Promise<void> {
  const journal = path.join(root, '.apmedsam', 'journal', 'batch-1-of-1.jsonl');
  const lines = (await readFile(journal, 'utf8')).trimEnd().split('\n');
  const done = JSON.parse(lines.find((line) => line.includes(image) && line.includes('"kind":"done"'))!);
  const line = { ...done, class: 2, mask: createHash('sha256').update(mask).digest('hex') };
  await appendFile(journal, `${JSON.stringify(line)}\n`);
}

describe('folders and projects', () => {
  const start = (root: string, target = 'images', home?: string) =>
    workshop.run(['segment', target, ...referenceArgs(1), ...QUICK], { cwd: root, ...(home && { home }) });

  it.concurrent('without images', async () => {
    const root = await workshop.newFolder();
    await writeFile(path.join(root, 'notes.txt'), 'nothing here');
    expect(complaint(await start(root, '.'))).toBe(`${root} holds no images: expected PNG, JPEG, TIFF, WebP or BMP.`);
  });

  it.concurrent('that do not exist', async () => {
    const root = await workshop.newFolder();
    expect(complaint(await start(root, 'image'))).toBe(`${path.join(root, 'image')} does not exist or cannot be read.`);
    expect(await filesIn(root)).toEqual([]);
  });

  it.concurrent('of two projects at once', async () => {
    const [one, other] = [await workshop.sampleFolder([2]), await workshop.sampleFolder([3])];
    const images = path.join(other, 'images');
    const args = ['segment', path.join(one, 'images'), images, ...referenceArgs(1), ...QUICK];
    expect(complaint(await workshop.run(args))).toBe(
      `${images} is not in ${one}: choose folders and images of one project at a time.`,
    );
  });

  it.concurrent.each([
    ['no JSON', '{"version": 1,', / is not valid JSON \(.*\); repair or remove it\.$/],
    ['of a later version', '{"version": 2}', / is not a valid project at "version": expected version 1, .*\.$/],
    ['without its classes', '{"version": 1}', / is not a valid project at "classes": .*\.$/],
    ['empty', '', / is not valid JSON \(.*\); repair or remove it\.$/],
  ])('whose project.json is %s: it is left as it is', async (_, content, message) => {
    const root = await workshop.sampleFolder([2]);
    const file = path.join(root, '.apmedsam', 'project.json');
    await mkdir(path.dirname(file));
    await writeFile(file, content);
    const said = complaint(await start(root));
    expect(said.startsWith(file)).toBe(true);
    expect(said).toMatch(message);
    expect(await readFile(file, 'utf8')).toBe(content);
  });

  it.concurrent('where a file stands in the place of the masks or of the project', async () => {
    const root = await workshop.sampleFolder([2]);
    const masks = path.join(root, 'masks');
    await writeFile(masks, '');
    expect(complaint(await start(root))).toBe(`Cannot write ${masks}: a file stands where a folder should be.`);
    await rm(masks);
    await rm(path.join(root, '.apmedsam'), { recursive: true });
    await writeFile(path.join(root, '.apmedsam'), '');
    expect(complaint(await start(root))).toBe(
      `Cannot write ${path.join(root, '.apmedsam')}: a file stands where a folder should be.`,
    );
  });

  it.concurrent('where masks would lie among the images', async () => {
    const root = await workshop.sampleFolder([2]);
    const args = ['segment', 'images', ...referenceArgs(1), '--out', 'images'];
    expect(complaint(await workshop.run(args, { cwd: root }))).toBe(
      `The mask folder ${path.join(root, 'images')} would mix masks with images: choose a folder of its own.`,
    );
  });

  it.concurrent('without a cache that can be written: slower, not worse', async () => {
    const root = await workshop.sampleFolder([2]);
    const home = path.join(root, 'home');
    await mkdir(home);
    await writeFile(path.join(home, 'cache'), 'a file');
    expect(await start(root, 'images', home)).toMatchObject({ code: 0, stderr: expect.not.stringContaining('cache') });
    await rm(path.join(root, 'masks'), { recursive: true });
    // Not even a home: a file stands there.
    const file = path.join(root, 'homeless');
    await writeFile(file, '');
    expect(await start(root, 'images', file)).toMatchObject({ code: 0 });
  });
});

/** Mounting needs Linux and a permission that not every container gives. */
const canMount = ((): boolean => {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('test/cli: full and read-only disks are NOT tested here: "unshare -rm mount" is not permitted');
    return false;
  }
})();

describe.skipIf(!canMount)('disks', () => {
  /** Labels with `folder` (relative to the root, in a world of its own) mounted by `mount`, where `$1` is its path. */
  async function labelOn(root: string, folder: string, mount: string): Promise<Ended> {
    await mkdir(path.join(root, folder), { recursive: true });
    const script = `${mount} && shift && exec "$@"`;
    const before = ['unshare', '-rm', 'sh', '-c', script, 'sh', path.join(root, folder)];
    return workshop.run(['segment', 'images', ...referenceArgs(1), ...QUICK, '--json'], { cwd: root, before });
  }
  const full = 'mount -t tmpfs -o size=8k none "$1"';
  const readOnly = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"';

  it('full: what is done stays, the run says so, and goes on where there is room', async () => {
    const root = await workshop.sampleFolder([2, 3, 4, 5]);
    const onMasks = await labelOn(root, 'masks', full);
    expect(onMasks.code).toBe(2);
    expect(onMasks.stderr).toMatch(
      new RegExp(`^ap-medsam: The disk is full: cannot write ${root}/masks/nuclei_0\\d\\.png\\.$`, 'm'),
    );
    expect([...rowsOf(onMasks).values()].every(({ outcome }) => outcome === 'done')).toBe(true);
    const onJournal = await labelOn(root, '.apmedsam/journal', full);
    expect(onJournal.code).toBe(2);
    expect(onJournal.stderr).toMatch(
      new RegExp(`^ap-medsam: The disk is full: cannot write ${root}/\\.apmedsam/journal/\\S+\\.$`, 'm'),
    );

    const again = await workshop.label(['images'], { cwd: root });
    expect(again.code, again.stderr).toBe(0);
    expect(await filesIn(path.join(root, 'masks'))).toEqual([2, 3, 4, 5].map((n) => `nuclei_0${n}.png`));
    for (const n of [2, 3, 4, 5]) await readLabels(path.join(root, 'masks', `nuclei_0${n}.png`));
  });

  it('read-only: for the masks, and for the project', async () => {
    const root = await workshop.sampleFolder([2, 3]);
    const onProject = await labelOn(root, '.apmedsam', readOnly);
    expect(complaint(onProject)).toBe(`The disk is read-only: cannot write ${root}/.apmedsam/project.json.`);
    const onMasks = await labelOn(root, 'masks', readOnly);
    expect(complaint(onMasks)).toMatch(
      new RegExp(`^The disk is read-only: cannot write ${root}/masks/nuclei_0\\d\\.png\\.$`),
    );
    expect(await filesIn(path.join(root, 'masks'))).toEqual([]);
  });
});

describe('models', () => {
  let home: string;
  let root: string;
  const imported = () => path.join(home, 'models', 'encoder-mine', 'mine.onnx');
  const use = (...args: string[]) =>
    workshop.run(['segment', 'images', ...referenceArgs(1), ...QUICK, '--json', ...args], { cwd: root, home });
  const add = async (graph: string, kind: 'encoder' | 'segmenter', id: string) => {
    const args = ['models', 'import', graph, '--id', id, '--kind', kind, '--family', 'embedded'];
    expect((await workshop.run(args, { home })).code).toBe(0);
  };

  beforeAll(async () => {
    root = await workshop.sampleFolder([2]);
    home = path.join(await workshop.newFolder(), 'home');
    await cp(path.join(models, 'embedded-encoder.onnx'), path.join(root, 'mine.onnx'));
    await writeFile(path.join(root, 'noise.onnx'), Buffer.from('\x08 starts like a model'));
    await add(path.join(root, 'mine.onnx'), 'encoder', 'mine');
    await add(path.join(root, 'noise.onnx'), 'encoder', 'noise');
    await add(path.join(models, 'embedded-decoder.onnx'), 'encoder', 'decoder');
    await add(path.join(models, 'embedded-encoder.onnx'), 'segmenter', 'encoder');
  });

  it('that are unknown', async () => {
    expect(complaint(await use('--encoder', 'vit'))).toMatch(
      /^There is no encoder called "vit"; known: mine, noise, decoder, embedded, dinov2-small.*\.$/,
    );
    expect(complaint(await use('--segmenter', 'sam'))).toMatch(
      /^There is no segmenter called "sam"; known: encoder, embedded, .*\.$/,
    );
  });

  it('that are not downloaded', async () => {
    expect(complaint(await use('--encoder', 'dinov2-small'))).toBe(
      'The encoder "dinov2-small" is not downloaded yet (88.5 MB, Apache-2.0): run "ap-medsam models download dinov2-small", or choose "AP-MedSAM: Download Model..." in VS Code.',
    );
  });

  it('whose inputs and outputs are others', async () => {
    expect(complaint(await use('--encoder', 'decoder'))).toMatch(
      /^Encoder "decoder": its inputs and outputs are not what .*: unknown inputs .* output patch_tokens .* is missing; /,
    );
    expect(complaint(await use('--segmenter', 'encoder'))).toMatch(
      /inputs and outputs are not what this model family needs: .*output masks .* is missing; .*the model's outputs are /,
    );
    expect(complaint(await use('--encoder', 'noise'))).toMatch(
      /noise.*: not a model that ONNX Runtime \S+ can load\.$/,
    );
  });

  it('whose file is altered, truncated or missing', async () => {
    const bytes = await readFile(imported());
    bytes[bytes.length - 1] ^= 1;
    await writeFile(imported(), bytes);
    expect(complaint(await use('--encoder', 'mine'))).toMatch(
      new RegExp(
        `^The model file ${imported()} has the wrong content: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}\\.$`,
      ),
    );
    await truncate(imported(), 1000);
    expect(complaint(await use('--encoder', 'mine'))).toBe(
      `The model file ${imported()} is truncated: expected 2138533 bytes, found 1000.`,
    );
    await rm(imported());
    expect(complaint(await use('--encoder', 'mine'))).toBe(`The model file ${imported()} is missing.`);
  });

  it('that cannot be imported', async () => {
    const args = ['--id', 'other', '--kind', 'encoder', '--family', 'embedded'];
    const attempt = async (file: string) =>
      complaint(await workshop.run(['models', 'import', file, ...args], { cwd: root, home }));
    expect(await attempt('images/nuclei_02.png')).toBe(`${root}/images/nuclei_02.png is not an ONNX model.`);
    expect(await attempt('nowhere.onnx')).toBe(`The model file ${root}/nowhere.onnx does not exist.`);
  });

  it('of a broken list', async () => {
    const list = path.join(home, 'models', 'manifest.json');
    await writeFile(list, '{');
    expect(complaint(await use())).toBe(`The list of models ${list} is not valid: it is not JSON.`);
  });
});
