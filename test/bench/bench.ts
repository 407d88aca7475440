/** What the benches share: the sets and engines under test, the machine they ran on. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { EvaluationEngine } from '../../src/dataset/evaluate';
import { sha256File } from '../../src/disk/hashing';
import { EngineClient, type EngineClientOptions } from '../../src/engineClient/client';
import { createPool, type EnginePool } from '../../src/engineClient/pool';
import { readManifest, writeManifest } from '../../src/models/manifest';
import type { EngineInfo } from '../../src/protocol/engineApi';

export const repository = path.resolve(__dirname, '..', '..');

/** Which models the engines run: ids of the manifest in a folder. */
export interface BenchModels {
  readonly modelsDir: string;
  readonly encoder: string;
  readonly segmenter: string;
}

const EMBEDDED: BenchModels = {
  modelsDir: path.join(repository, 'models'),
  encoder: 'embedded',
  segmenter: 'embedded',
};

/**
 * The embedded models that the options mean. For a decoder of its own a manifest is written, in a folder of `work`.
 * Throws UserError where the folder's manifest is broken.
 */
export async function chosenModels(
  {
    models = EMBEDDED.modelsDir,
    decoder,
  }: { readonly models?: string | undefined; readonly decoder?: string | undefined },
  work: string,
): Promise<BenchModels> {
  if (decoder === undefined) return { ...EMBEDDED, modelsDir: path.resolve(models) };
  const modelsDir = mkdtempSync(path.join(work, 'models-'));
  const entries = (await readManifest(models)).filter(({ id }) => id === 'embedded');
  for (const entry of entries) {
    for (const file of entry.files) {
      const copy = path.join(modelsDir, file.file);
      mkdirSync(path.dirname(copy), { recursive: true });
      copyFileSync(entry.kind === 'segmenter' ? decoder : path.join(models, file.file), copy);
    }
  }
  const written = entries.map(async (entry) => ({
    ...entry,
    files: await Promise.all(
      entry.files.map(async (file) => {
        const copy = path.join(modelsDir, file.file);
        return { ...file, sha256: await sha256File(copy), bytes: statSync(copy).size };
      }),
    ),
  }));
  await writeManifest(modelsDir, await Promise.all(written));
  return { ...EMBEDDED, modelsDir };
}

function engineOptions(threads: number, homeDir: string, cacheBytes: number, models: BenchModels): EngineClientOptions {
  return {
    entry: path.join(repository, 'dist', 'engine.js'),
    config: {
      ...models,
      homeDir,
      threads,
      cacheBytes,
      pixelLimit: 2 ** 28,
    },
    log: (line) => console.error(line),
  };
}

/** Engines built from this checkout. */
export function startEngines(
  count: number,
  threads: number,
  homeDir: string,
  cacheBytes = 2 ** 31,
  models = EMBEDDED,
): EnginePool {
  return createPool(count, engineOptions(threads, homeDir, cacheBytes, models));
}

/** Engines that keep every image's encoding on disk, for benches that ask about an image more than once. */
export const keepingEncodings = (pool: EnginePool): EvaluationEngine => ({
  lanes: pool.lanes,
  segment: (request, options) => pool.segment({ ...request, cacheBelow: Number.POSITIVE_INFINITY }, options),
  readReference: pool.readReference,
});

/** One engine built from this checkout, which answers clicks too. */
export function startEngine(threads: number, homeDir: string, models = EMBEDDED): EngineClient {
  return new EngineClient(engineOptions(threads, homeDir, 2 ** 31, models));
}

/** Sets that the embedded decoder was trained on (models/README.md): numbers there compare methods, nothing else. */
const SEEN_IN_TRAINING = [
  'dsb_fluo',
  'dsb_histo',
  'spider_vertebra',
  'carotid_lumen',
  'brisc_tumor',
  'fetal_head',
  'drishti_disc',
  'mt_fray',
];

export const isSeen = (set: string): boolean => SEEN_IN_TRAINING.includes(set);

/** Groups of sets over which tables give means, each with a title. */
export const SET_GROUPS: readonly (readonly [title: string, belongs: (set: string) => boolean])[] = [
  ['unseen in training', (set) => !isSeen(set)],
  ['seen in training', isSeen],
  ['all', () => true],
];

/** Names of the sets in a data folder, or of those wanted (`a,b`), unseen ones first. */
export function setsIn(dataDir: string, wanted?: string): string[] {
  const names = wanted?.split(',');
  return readdirSync(dataDir)
    .filter((name) => statSync(path.join(dataDir, name)).isDirectory() && (names?.includes(name) ?? true))
    .sort((a, b) => Number(isSeen(a)) - Number(isSeen(b)) || a.localeCompare(b));
}

/** A set, and the folder that holds its images/ and masks/. */
export interface SetFolder {
  readonly set: string;
  readonly folder: string;
}

/** Where a folder of everything has its data folders. */
const DATA_FOLDERS = ['data', path.join('corpus', 'validate')];

/**
 * Sets of all data folders, and of those below a folder that holds `data` or `corpus/validate`: those wanted (`a,b`),
 * else the usual ones, else all. Throws RangeError where two have one name.
 */
export function setFolders(
  given: readonly string[],
  wanted: string | undefined,
  usual: readonly string[] = [],
): SetFolder[] {
  const folders = given.flatMap((folder) => {
    const below = DATA_FOLDERS.map((name) => path.join(folder, name)).filter(existsSync);
    return below.length > 0 ? below : [folder];
  });
  const all = folders.flatMap((dataDir) =>
    setsIn(dataDir, wanted).map((set): SetFolder => ({ set, folder: path.join(dataDir, set) })),
  );
  const twice = all.find(({ set }, index) => all.findIndex((other) => other.set === set) < index);
  if (twice) throw new RangeError(`two folders hold a set ${twice.set}`);
  const chosen = wanted === undefined ? all.filter(({ set }) => usual.includes(set)) : all;
  return chosen.length > 0 ? chosen : all;
}

/** `count` items in an order that a stream of random numbers gives. */
export function seededPick<T>(items: readonly T[], count: number, random: () => number): T[] {
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ item }) => item);
}

/** Machine and versions, the line under every table. */
export function environment({ node, onnxruntime, sharp, libvips }: EngineInfo): string {
  const cpu = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return (
    `${cpu[0]?.model.trim() ?? 'unknown processor'}, ${cpu.length} cores, ${memory} GiB, ${os.platform()} ${os.arch()}; ` +
    `Node ${node}, onnxruntime-node ${onnxruntime}, sharp ${sharp} (libvips ${libvips})`
  );
}
