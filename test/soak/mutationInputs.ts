/** Whole files of every kind that the product reads, and how it reads each. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { readLabelFile } from '../../src/dataset/files/labelFile';
import { MaskLocator } from '../../src/dataset/files/maskLocator';
import { readInstances, saveInstances } from '../../src/dataset/journal/instanceFile';
import { type JournalLine, JournalWriter, journalFolder } from '../../src/dataset/journal/journal';
import { JournalView } from '../../src/dataset/journal/journalView';
import { loadProject, projectFile } from '../../src/dataset/project/project';
import { projectStrategy } from '../../src/dataset/project/setUp';
import { sha256 } from '../../src/disk/hashing';
import { imageFormatOf, whatInstead } from '../../src/formats/imageFormat';
import { looksLikeMask } from '../../src/formats/maskLikeness';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { readManifest } from '../../src/models/manifest';
import type { EngineApi } from '../../src/protocol/engineApi';
import type { Remote } from '../../src/rpc';
import { makeBmp } from '../formats/makeBmp';
import { saveProject } from '../saveProject';

export const repository = path.resolve(import.meta.dirname, '..', '..');
const models = path.join(repository, 'models');
const sample = path.join(models, 'samples', 'nuclei', 'images', 'nuclei_01.png');

/** Where an input is read: `folder` is its own, and empty. */
export interface Place {
  readonly folder: string;
  /** An engine that nothing else asks meanwhile. */
  readonly engine: Remote<EngineApi>;
  /** Starts an engine with the models of a folder, and stops it after `use`. */
  readonly withModels: (modelsDir: string, use: (engine: Remote<EngineApi>) => Promise<unknown>) => Promise<void>;
}

export interface Kind {
  readonly name: string;
  /** How often it is taken, beside the others. */
  readonly weight: number;
  readonly isText: boolean;
  /** How many times the usual limit a file may take: where a process has to start, other work on the machine counts. */
  readonly patience?: number;
  /** Whole files. */
  readonly seeds: readonly Buffer[];
  /** Reads a file as the product does. Whatever is wrong with it is to be a UserError. */
  readonly read: (bytes: Buffer, place: Place) => Promise<void>;
}

const SIZE = { width: 96, height: 64 };

export async function kinds(work: string): Promise<readonly Kind[]> {
  const masks = [await maskSeed(), await greyMask()];
  const image = { weight: 45, isText: false, seeds: await imageSeeds(), read: readImage };
  return [
    { name: 'image', ...image },
    { name: 'mask', weight: 25, isText: false, seeds: masks, read: readMask },
    { name: 'project', weight: 8, isText: true, seeds: [await projectSeed(work)], read: readProject },
    { name: 'journal', weight: 9, isText: true, seeds: [await journalSeed(work)], read: readJournal },
    { name: 'instances', weight: 6, isText: true, seeds: [await instancesSeed(work)], read: readInstancesFile },
    {
      name: 'manifest',
      weight: 6,
      isText: true,
      seeds: [await readFile(path.join(models, 'manifest.json'))],
      read: readModels,
    },
    {
      name: 'model',
      weight: 1,
      isText: false,
      patience: 6,
      seeds: [await readFile(path.join(models, 'embedded-encoder.onnx'))],
      read: readModel,
    },
  ];
}

async function imageSeeds(): Promise<Buffer[]> {
  const colour = () =>
    sharp(sample)
      .resize({ ...SIZE, fit: 'fill' })
      .removeAlpha();
  const grey = await colour().greyscale().raw().toBuffer();
  const deep = Uint16Array.from(grey, (value) => value * 200);
  const sixteen = () => sharp(deep, { raw: { ...SIZE, channels: 1 } }).toColourspace('grey16');
  const float = Float32Array.from(grey, (value) => value / 10 - 3);
  const floating = sharp(float, { raw: { ...SIZE, channels: 1 } }).toColourspace('b-w');
  const pixels = Array.from({ length: 12 * 8 }, (_, i) => (i * 2654435) % 2 ** 24);
  return [
    await colour().png().toBuffer(),
    await colour().png({ palette: true }).toBuffer(),
    await sixteen().png().toBuffer(),
    await colour()
      .jpeg()
      .withExif({ IFD0: { Orientation: '6' } })
      .toBuffer(),
    await colour().jpeg({ progressive: true, quality: 60 }).toBuffer(),
    await colour().toColourspace('cmyk').jpeg().toBuffer(),
    await colour().webp().toBuffer(),
    await colour().webp({ lossless: true }).toBuffer(),
    await colour().tiff({ compression: 'none' }).toBuffer(),
    await colour().tiff({ compression: 'lzw', predictor: 'horizontal' }).toBuffer(),
    await colour().tiff({ compression: 'deflate', tile: true, tileWidth: 32, tileHeight: 32 }).toBuffer(),
    await colour().tiff({ compression: 'jpeg', pyramid: true }).toBuffer(),
    await sixteen().tiff({ compression: 'none' }).toBuffer(),
    await floating.tiff({ compression: 'none' }).toBuffer(),
    await colour().gif().toBuffer(),
    makeBmp({ size: { width: 12, height: 8 }, bits: 24, pixels }),
    makeBmp({
      size: { width: 12, height: 8 },
      bits: 4,
      pixels: pixels.map((p) => p % 16),
      palette: Array(16).fill([9, 99, 199]),
    }),
  ];
}

const disc = (value: number) =>
  Uint8Array.from({ length: SIZE.width * SIZE.height }, (_, i) =>
    Math.hypot((i % SIZE.width) - 40, Math.floor(i / SIZE.width) - 30) < 20 ? value : 0,
  );

const maskSeed = async (): Promise<Buffer> =>
  Buffer.from(await encodeMaskPng({ size: SIZE, data: disc(1) }, [{ id: 1, colour: '#e69f00' }]));

const greyMask = (): Promise<Buffer> =>
  sharp(disc(255), { raw: { ...SIZE, channels: 1 } })
    .png()
    .toBuffer();

async function projectSeed(work: string): Promise<Buffer> {
  const hash = sha256('');
  const reference = { class: 1, image: 'images/a.png', mask: 'masks/a.png', imageHash: hash, maskHash: hash };
  await saveProject(work, {
    version: 1,
    classes: [{ id: 1, name: 'object', colour: '#e69f00' }],
    references: [reference],
    strategy: 'ap-medsam',
    parameters: { minTrust: 0.5, views: 2, ablation: { refine: true } },
    encoder: 'embedded',
    segmenter: 'embedded',
    maskFolder: 'masks',
    window: { low: 10, high: 4000 },
  });
  return readFile(projectFile(work));
}

async function journalSeed(work: string): Promise<Buffer> {
  const line = (n: number): JournalLine => ({
    kind: n % 2 ? 'done' : 'intent',
    image: `images/${n >> 1}.png`,
    class: 1,
    status: n % 3 ? 'auto' : 'edited',
    file: { sha256: sha256(`${n}`), bytes: 10, mtimeMs: 1.5 },
    mask: sha256(`mask ${n >> 1}`),
    place: `${n >> 1}.png`,
    run: 'run',
    trust: 0.8,
    trustParts: { iouPrediction: 0.9 },
    prompts: [{ x: 1.5, y: 2, label: 1, instance: 0 }],
    milliseconds: 12,
    error: null,
    time: '2026-01-01T00:00:00.000Z',
  });
  const writer = await JournalWriter.open(work, 'seed');
  await Promise.all(Array.from({ length: 12 }, (_, n) => writer.append(line(n))));
  await writer.close();
  return readFile(path.join(journalFolder(work), 'seed.jsonl'));
}

async function instancesSeed(work: string): Promise<Buffer> {
  const mask = { size: { width: 4, height: 3 }, runs: Uint32Array.of(2, 3, 7) };
  await saveInstances(work, 'a.png', 1, sha256('mask'), [{ mask, iouPrediction: 0.9, trust: 0.5 }]);
  return readFile(path.join(work, '.apmedsam', 'instances', 'a.png.json'));
}

async function put(file: string, bytes: Buffer): Promise<string> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, bytes);
  return file;
}

async function readImage(bytes: Buffer, { folder, engine }: Place): Promise<void> {
  const image = await put(path.join(folder, 'image.png'), bytes);
  const format = imageFormatOf(bytes);
  if (format === null) whatInstead(bytes);
  await engine.inspectImage({ image });
  await engine.displayOverview({ image });
}

async function readMask(bytes: Buffer, { folder }: Place): Promise<void> {
  looksLikeMask(bytes);
  await readLabelFile({ mask: await put(path.join(folder, 'mask.png'), bytes) });
}

async function readProject(bytes: Buffer, { folder }: Place): Promise<void> {
  await put(projectFile(folder), bytes);
  const project = await loadProject(folder);
  if (project !== null) projectStrategy(folder, project);
}

async function readJournal(bytes: Buffer, { folder }: Place): Promise<void> {
  await put(path.join(journalFolder(folder), 'person-x.jsonl'), bytes);
  await put(path.join(folder, 'images', '1.png'), bytes.subarray(0, 10));
  const view = await JournalView.read(folder);
  for (const { image } of view.all()) view.imagesAt(image);
  await new MaskLocator(folder, path.join(folder, 'masks'), view).locate('images/1.png');
}

async function readInstancesFile(bytes: Buffer, { folder }: Place): Promise<void> {
  await put(path.join(folder, '.apmedsam', 'instances', 'a.png.json'), bytes);
  await readInstances(folder, 'a.png');
}

async function readModels(bytes: Buffer, { folder }: Place): Promise<void> {
  await put(path.join(folder, 'manifest.json'), bytes);
  await readManifest(folder);
}

/** The manifest believes the file: what is wrong with it is for ONNX Runtime to find, in the engine. */
async function readModel(bytes: Buffer, { folder, withModels }: Place): Promise<void> {
  const manifest = JSON.parse(await readFile(path.join(models, 'manifest.json'), 'utf8'));
  manifest.models = manifest.models.filter(({ id }: { id: string }) => id === 'embedded');
  for (const { kind, files } of manifest.models) {
    const [file] = files;
    const content = kind === 'encoder' ? bytes : await readFile(path.join(models, file.file));
    await put(path.join(folder, file.file), content);
    Object.assign(file, { sha256: sha256(content), bytes: content.length });
  }
  await put(path.join(folder, 'manifest.json'), Buffer.from(JSON.stringify(manifest)));
  await withModels(folder, (engine) => engine.info());
  await rm(folder, { recursive: true, force: true });
}
