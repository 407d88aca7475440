/**
 * Whole pipelines of contract models (see contractModels.ts): a reference labels a target of another shape, with every
 * pair of families, every strategy, and what is kept on disk between engines.
 */
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { area, type Point, type Size } from '../../src/core/geometry';
import { fromRuns, type Mask, toRuns } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import type { StrategyId } from '../../src/core/strategies';
import { DEFAULT_PARAMETERS, type StrategyParameters } from '../../src/core/strategies/strategy';
import { Engine } from '../../src/engine/engine';
import type { SegmentRequest } from '../../src/protocol/engineApi';
import { refusal } from '../refusal';
import { CONTRACT_ENCODERS, CONTRACT_SEGMENTERS, writeContractModel } from './contractModels';

const shipped = path.resolve(import.meta.dirname, '..', '..', 'models');
const RADIUS = 38;

interface Scene {
  readonly file: string;
  readonly size: Size;
  readonly mask: Mask;
}

let dir: string;
let home: string;
let reference: Scene;
let wide: Scene;
let tall: Scene;
let pair: Scene;
const never = new AbortController().signal;

/** Discs that look alike, each point of them unlike the others, on a background without red. */
async function draw(name: string, size: Size, centres: readonly Point[]): Promise<Scene> {
  const pixels = new Uint8Array(area(size) * 3);
  const mask = { size, data: new Uint8Array(area(size)) };
  for (let i = 0; i < area(size); i++) {
    const x = (i % size.width) + 0.5;
    const y = Math.floor(i / size.width) + 0.5;
    const centre = centres.find((c) => Math.hypot(x - c.x, y - c.y) < RADIUS);
    const colour = centre
      ? [240, 128 + 2.5 * (x - centre.x), 128 + 2.5 * (y - centre.y)]
      : [10, 60 + (x / size.width) * 40, 180 + (y / size.height) * 40];
    pixels.set(colour.map(Math.round), i * 3);
    mask.data[i] = centre ? 1 : 0;
  }
  const file = path.join(dir, `${name}.png`);
  await sharp(pixels, { raw: { ...size, channels: 3 } })
    .png()
    .toFile(file);
  return { file, size, mask };
}

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-families-'));
  home = path.join(dir, 'home');
  const models = path.join(home, 'models');
  await mkdir(models, { recursive: true });
  const entries = [];
  for (const [id, model] of Object.entries({ ...CONTRACT_ENCODERS, ...CONTRACT_SEGMENTERS })) {
    entries.push(await writeContractModel(models, id, model));
  }
  await writeFile(path.join(models, 'manifest.json'), JSON.stringify({ version: 1, models: entries }));
  reference = await draw('reference', { width: 300, height: 200 }, [{ x: 110, y: 90 }]);
  wide = await draw('wide', { width: 320, height: 180 }, [{ x: 230, y: 110 }]);
  tall = await draw('tall', { width: 170, height: 300 }, [{ x: 70, y: 220 }]);
  pair = await draw('pair', { width: 400, height: 220 }, [
    { x: 80, y: 70 },
    { x: 320, y: 150 },
  ]);
});

afterAll(() => rm(dir, { recursive: true, force: true }));

const start = (encoder: string, segmenter: string, homeDir = home): Engine =>
  new Engine({
    modelsDir: shipped,
    homeDir,
    encoder,
    segmenter,
    threads: 1,
    cacheBytes: 2 ** 30,
    pixelLimit: 10 ** 8,
  });

const requestFor = (
  target: Scene,
  strategy: StrategyId = 'ap-medsam',
  parameters: Partial<StrategyParameters> = {},
): SegmentRequest => ({
  image: target.file,
  reference: { image: reference.file, mask: toRuns(reference.mask) },
  strategy,
  parameters: { ...DEFAULT_PARAMETERS, ...parameters },
  withDetails: true,
});

const NOTES = {
  noNegatives: 'the segmenter takes no negative points: they were left out',
  asBox:
    'the segmenter takes no points: the bounding box of the positive ones stands for them, half a patch wider on each side',
  boxAlone: 'the segmenter takes no points: they were left out, the box stands alone',
  atMostSix: 'the segmenter takes at most 6 points, a box counting as two: those farthest apart were given',
} as const;

/** What the families of the table must say of a question of many points of both signs. */
const degradations: Readonly<Record<string, readonly string[]>> = {
  medsam: [NOTES.noNegatives, NOTES.asBox],
  'medsam-as-sam': [NOTES.noNegatives, NOTES.asBox],
  'efficient-sam': [NOTES.noNegatives, NOTES.atMostSix],
};

describe.each(Object.keys(CONTRACT_SEGMENTERS))('DINOv2 with %s', (segmenter) => {
  it('labels targets of other shapes, and says what could not be asked', async () => {
    const engine = start('dinov2', segmenter);
    for (const target of [wide, tall]) {
      const result = await engine.segment(requestFor(target), never);
      expect(result.outcome).toBe('mask');
      expect(dice(fromRuns(result.mask), target.mask)).toBeGreaterThan(0.8);
      expect(result.size).toEqual(target.size);
      expect(Object.keys(result.times)).toEqual(expect.arrayContaining(['read', 'encode', 'embed', 'decode']));
      const said = result.notes.filter((note) => note.startsWith('the segmenter takes'));
      expect(said).toEqual(expect.arrayContaining([...(degradations[segmenter] ?? [])]));
      if (!degradations[segmenter]) expect(said).toEqual([]);
    }
  });

  it('sees an image in parts', async () => {
    const target = requestFor(pair);
    const parameters = { ...target.parameters, views: 2 };
    const result = await start('dinov2', segmenter).segment({ ...target, parameters }, never);
    expect(result.outcome).toBe('mask');
    expect(dice(fromRuns(result.mask), pair.mask)).toBeGreaterThan(0.75);
  });

  it('finds two objects one by one', async () => {
    const result = await start('dinov2', segmenter).segment(requestFor(pair), never);
    expect(result.instances).toHaveLength(2);
    const halves = result.instances.map((instance) => fromRuns(instance.mask));
    for (const { iouPrediction, trust } of result.instances) {
      expect(Number.isFinite(iouPrediction)).toBe(true);
      // Tokens of no particular length, which trust cannot be told of.
      expect(trust).toBe(result.trust);
    }

    for (const [x, mask] of [
      [80, halves[0]!],
      [320, halves[1]!],
    ] as const) {
      const own = { ...pair.mask, data: pair.mask.data.map((value, i) => (Math.abs((i % 400) - x) < 60 ? value : 0)) };
      expect(dice(mask, own)).toBeGreaterThan(0.75);
    }
    expect(dice(fromRuns(result.mask), pair.mask)).toBeGreaterThan(0.8);
  });

  it('answers a person', async () => {
    const engine = start('dinov2', segmenter);
    const click = { points: [{ point: { x: 230, y: 110 }, label: 1 as const }] };
    const box = { left: 192, top: 72, right: 268, bottom: 148 };
    const { capabilities } = await engine.info();
    const boxed = await engine.decode({ image: wide.file, prompts: { points: [], box } }, never);
    expect(dice(fromRuns(boxed.mask), wide.mask)).toBeGreaterThan(0.8);
    expect(boxed.notes).toEqual(
      capabilities.box ? [] : ['the segmenter takes no box: its centre was given as a point instead'],
    );
    const clicked = await engine.decode({ image: wide.file, prompts: click, withMaskPrompt: true }, never);
    expect(clicked.notes).toEqual(capabilities.points ? [] : [NOTES.asBox]);
    expect(fromRuns(clicked.mask).data[110 * 320 + 230]).toBe(1);
    expect(clicked.maskPrompt !== undefined).toBe(capabilities.maskPrompt);
    const denial = { points: [{ point: { x: 1, y: 1 }, label: 0 as const }] };
    if (!capabilities.negatives) {
      expect(await refusal(engine.decode({ image: wide.file, prompts: denial }, never))).toMatch(
        /^The segmenter ".*" cannot be asked this: mark the object with a (positive point|box)\.$/,
      );
    }
  });
});

describe.each(Object.keys(CONTRACT_ENCODERS))('%s with SAM', (encoder) => {
  it('labels targets of other shapes', async () => {
    const engine = start(encoder, 'sam');
    for (const target of [wide, tall]) {
      const result = await engine.segment(requestFor(target), never);
      expect(dice(fromRuns(result.mask), target.mask)).toBeGreaterThan(0.8);
    }
  });
});

describe.each(['sam', 'medsam', 'efficient-sam'])('strategies with %s', (segmenter) => {
  it.each([
    ['gbmseg', {}],
    ['matcher', { matcher: { preset: 'object', seed: 0 } }],
    ['cluster', { cluster: { preset: 'regions' } }],
    ['cluster', { cluster: { preset: 'prompt' } }],
  ] as const)('%s %o labels the target', async (strategy, parameters) => {
    const result = await start('dinov2-pre-norm', segmenter).segment(requestFor(wide, strategy, parameters), never);
    expect(result.outcome).toBe('mask');
    expect(dice(fromRuns(result.mask), wide.mask)).toBeGreaterThan(0.7);
  });
});

describe('tokens before the last norm', () => {
  const notesOf = async (encoder: string) =>
    (await start(encoder, 'sam').prepareReference(requestFor(wide, 'matcher'), never)).notes.join();

  it('are what matcher matches where an encoder gives them, and it says so where not', async () => {
    expect(await notesOf('dinov2')).toContain('tokens are those after the last norm');
    expect(await notesOf('dinov2-pre-norm')).not.toContain('last norm');
  });
});

describe('image embeddings', () => {
  const freshHome = async () => {
    const fresh = await mkdtemp(path.join(dir, 'home-'));
    await cp(path.join(home, 'models'), path.join(fresh, 'models'), { recursive: true });
    return fresh;
  };
  const entries = async (of: string) => (await readdir(path.join(of, 'cache')).catch(() => [])).length;
  const prompts = { points: [{ point: { x: 230, y: 110 }, label: 1 as const }] };

  it('of what a person looks at are kept on disk, and found by another engine', async () => {
    const own = await freshHome();
    const first = await start('dinov2', 'sam', own).decode({ image: wide.file, prompts }, never);
    expect(await entries(own)).toBe(1);
    const engine = start('dinov2', 'sam', own);
    const again = await engine.decode({ image: wide.file, prompts }, never);
    expect(again.mask).toEqual(first.mask);
    expect(again.iouPrediction).toBe(first.iouPrediction);
    await engine.prefetch({ image: wide.file }, never);
    expect(await entries(own)).toBe(1);
    await engine.prefetch({ image: tall.file }, never);
    expect(await entries(own)).toBe(2);
  });

  it("are no other segmenter's and no other window's", async () => {
    const own = await freshHome();
    const sam = await start('dinov2', 'sam', own).decode({ image: wide.file, prompts }, never);
    const other = await start('dinov2', 'medsam-points', own).decode({ image: wide.file, prompts }, never);
    expect(await entries(own)).toBe(2);
    expect(other.iouPrediction).toBe(sam.iouPrediction);
    // One that shares the embedding's size, but not its content.
    await start('dinov2', 'efficient-sam', own).decode({ image: wide.file, prompts }, never);
    expect(await entries(own)).toBe(3);
    const deep = path.join(dir, 'deep.png');
    const grey = Uint16Array.from({ length: 200 * 100 }, (_, i) => (i % 200) * 300);
    await sharp(grey, { raw: { width: 200, height: 100, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toFile(deep);
    const asked = { image: deep, prompts: { points: [{ point: { x: 150, y: 50 }, label: 1 as const }] } };
    const engine = start('dinov2', 'sam', own);
    await engine.decode({ ...asked, window: { low: 0, high: 60_000 } }, never);
    await engine.decode({ ...asked, window: { low: 0, high: 30_000 } }, never);
    expect(await entries(own)).toBe(5);
  });

  it("are kept with a batch's encodings of images that a person will look at", async () => {
    const own = await freshHome();
    const engine = start('dinov2', 'sam', own);
    await engine.segment(requestFor(wide), never);
    const before = await entries(own);
    await engine.segment({ ...requestFor(tall), cacheBelow: Number.POSITIVE_INFINITY }, never);
    expect(await entries(own)).toBe(before + 2);
    const again = await start('dinov2', 'sam', own).segment(requestFor(tall), never);
    expect(again.times.encode).toBeUndefined();
    expect(dice(fromRuns(again.mask), tall.mask)).toBeGreaterThan(0.8);
  });

  it('are made when they are needed of an image that was looked at without the segmenter', async () => {
    const engine = start('dinov2', 'sam', await freshHome());
    const copy = path.join(dir, 'copy.png');
    await sharp(wide.file).png().toFile(copy);
    await engine.describeImage({ image: copy }, never);
    const { mask } = await engine.decode({ image: copy, prompts }, never);
    expect(fromRuns(mask).data[110 * 320 + 230]).toBe(1);
  });
});

describe('a pair that does not fit', () => {
  it('is refused before anything is read', async () => {
    expect(await refusal(start('dinov2', 'embedded').info())).toBe(
      'The segmenter "embedded" reads features of an encoder of its own family, which the encoder "dinov2" does not give: choose another encoder, or a segmenter that reads images.',
    );
  });

  it('is none of the embedded encoder and a segmenter that reads images', async () => {
    const result = await start('embedded', 'sam').segment(requestFor(wide), never);
    expect(result.size).toEqual(wide.size);
    expect(result.times.embed === undefined).toBe(result.outcome === 'absent');
  });
});
