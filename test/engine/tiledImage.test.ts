/** The embedded models on tiles, beside the same models on the whole image at the same scale. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { foregroundComponents } from '../../src/core/pixels/components';
import { dice } from '../../src/core/pixels/maskMetrics';
import { type FloatMap, thresholdToMask } from '../../src/core/pixels/raster';
import { withoutSpecks } from '../../src/core/pixels/specks';
import type { PromptSet } from '../../src/core/prompting/segmenter';
import { planTiles } from '../../src/core/prompting/tiles';
import { EmbeddedEncoder, type ImageEncoder } from '../../src/engine/encoders';
import { TiledImage, type TileSource } from '../../src/engine/images/tiledImage';
import { tiledModelSize } from '../../src/engine/images/tiling';
import { EmbeddedSegmenter } from '../../src/engine/segmenters';
import { ModelStore } from '../../src/models/modelStore';

const models = path.resolve(import.meta.dirname, '..', '..', 'models');
const TILE: Size = { width: 384, height: 384 };
const plan = planTiles({ columns: 2, rows: 2 }, { width: 48, height: 48 });
const WHOLE = tiledModelSize({ plan, tileSize: TILE });

let encoder: EmbeddedEncoder;
let segmenter: EmbeddedSegmenter;

beforeAll(async () => {
  const store = new ModelStore(models, path.join(models, 'none'));
  encoder = await EmbeddedEncoder.open(await store.resolve('encoder', 'embedded'), 1);
  segmenter = await EmbeddedSegmenter.open(await store.resolve('segmenter', 'embedded'), 1);
});

afterAll(async () => {
  await encoder.dispose();
  await segmenter.dispose();
});

interface Disc {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

/** The foreground prior of someone who knows the discs, on the patches of all tiles. */
function priorOf(centres: readonly Disc[]): FloatMap {
  const data = Float32Array.from({ length: area(plan.grid) }, (_, at) => {
    const x = ((at % plan.grid.width) + 0.5) * 8;
    const y = (Math.floor(at / plan.grid.width) + 0.5) * 8;
    return centres.some((disc) => Math.hypot(disc.x - x, disc.y - y) < disc.radius) ? 4 : -4;
  });
  return { size: plan.grid, data };
}

/** Bright discs on a dark, slightly grained ground, at the tiles' scale; some lie on the tiles' borders. */
function picture(centres: readonly Disc[]): Uint8Array {
  const pixels = new Uint8Array(area(WHOLE) * 3);
  for (let at = 0; at < area(WHOLE); at++) {
    const x = (at % WHOLE.width) + 0.5;
    const y = Math.floor(at / WHOLE.width) + 0.5;
    const inside = centres.some((disc) => Math.hypot(disc.x - x, disc.y - y) < disc.radius);
    const grain = (at * 7919) % 13;
    pixels.fill((inside ? 200 : 40) + grain, at * 3, at * 3 + 3);
  }
  return pixels;
}

const noPause = async () => undefined;

/** What reading a picture of such pixels would give. */
function sourceOf(pixels: Uint8Array, tiles = plan): TileSource {
  const size = tiledModelSize({ plan: tiles, tileSize: TILE });
  return { size, plan: tiles, tileSize: TILE, pixels: { size, data: pixels } };
}

/** Logits of the same question, from tiles and from the whole image in one piece. */
async function both(pixels: Uint8Array, question: PromptSet): Promise<{ tiled: FloatMap; direct: FloatMap }> {
  const image = (await TiledImage.encode(sourceOf(pixels), { encoder, segmenter }, noPause)).image;
  const [tiled] = await (await image.promptable()).decode([question]);
  const encoding = await encoder.encode(pixels, WHOLE);
  const [direct] = await segmenter.decode(await segmenter.embed(encoding), WHOLE, [question]);
  return { tiled: tiled!.logits, direct: direct!.logits };
}

/** Mean step between neighbours along rows, in the columns for which `where` is true. */
function steps({ size, data }: FloatMap, where: (column: number) => boolean) {
  let sum = 0;
  let count = 0;
  for (let y = 0; y < size.height; y++) {
    for (let x = 1; x < size.width; x++) {
      if (!where(x)) continue;
      sum += Math.abs(data[y * size.width + x]! - data[y * size.width + x - 1]!);
      count++;
    }
  }
  return sum / count;
}

describe('TiledImage', () => {
  const period = 56;
  const grid = Array.from({ length: 144 }, (_, i) => ({
    x: (i % 12) * period + 28,
    y: Math.floor(i / 12) * period + 28,
    radius: 16,
  }));

  it('draws a periodic texture as the whole image would be drawn, without seams', { timeout: 60_000 }, async () => {
    expect(WHOLE).toEqual({ width: 672, height: 672 });
    const { tiled, direct } = await both(picture(grid), { points: [], maskPrompt: priorOf(grid) });
    expect(tiled.size).toEqual(direct.size);
    const differences = tiled.data.map((value, at) => Math.abs(value - direct.data[at]!));
    const spread = Math.max(...direct.data) - Math.min(...direct.data);
    const meanDifference = differences.reduce((sum, value) => sum + value, 0) / differences.length;
    expect(meanDifference).toBeLessThan(0.03 * spread);
    const masks = [tiled, direct].map((map) => thresholdToMask(map, map.size, 0));
    expect(dice(masks[0]!, masks[1]!)).toBeGreaterThan(0.97);
    // Tiles begin and end at columns 144 and 192 of 336. The texture repeats every 28: compare like with like.
    const atSeams = (column: number) => [144, 192].includes(column);
    const likeSeams = (column: number) =>
      !atSeams(column) && column > 28 && column < 308 && [4, 24].includes(column % 28);
    expect([144 % 28, 192 % 28]).toEqual([4, 24]);
    expect(steps(tiled, atSeams)).toBeLessThan(1.15 * steps(tiled, likeSeams));
  });

  it('draws an object that lies in all four tiles as one', { timeout: 60_000 }, async () => {
    const disc = { x: 336, y: 336, radius: 120 };
    const question: PromptSet = { points: [{ point: { x: 336, y: 336 }, label: 1 }], maskPrompt: priorOf([disc]) };
    const { tiled } = await both(picture([disc]), question);
    // As ap-medsam draws it.
    const mask = thresholdToMask(withoutSpecks(tiled), WHOLE, 0);
    expect(foregroundComponents(mask).list).toHaveLength(1);
    const truth = {
      size: WHOLE,
      data: Uint8Array.from({ length: area(WHOLE) }, (_, at) =>
        Math.hypot((at % WHOLE.width) + 0.5 - disc.x, Math.floor(at / WHOLE.width) + 0.5 - disc.y) < disc.radius
          ? 1
          : 0,
      ),
    };
    expect(dice(mask, truth)).toBeGreaterThan(0.9);
  });

  it('stops between tiles, while they are encoded and while they are decoded', async () => {
    const stop = new Error('cancelled');
    let calls = 0;
    const until = (limit: number) => async () => {
      if (++calls > limit) throw stop;
    };
    const pixels = picture([]);
    await expect(TiledImage.encode(sourceOf(pixels), { encoder, segmenter }, until(2))).rejects.toBe(stop);
    expect(calls).toBe(3);
    calls = 0;
    const image = (await TiledImage.encode(sourceOf(pixels), { encoder, segmenter }, until(6))).image;
    const maskPrompt = { size: { width: 2, height: 2 }, data: new Float32Array(4) };
    await expect((await image.promptable()).decode([{ points: [], maskPrompt }])).rejects.toBe(stop);
    expect(calls).toBe(7);
  });

  it('encodes again what is not kept, with the same answer', { timeout: 60_000 }, async () => {
    const large = planTiles({ columns: 4, rows: 4 }, { width: 48, height: 48 });
    const size = tiledModelSize({ plan: large, tileSize: TILE });
    const pixels = new Uint8Array(area(size) * 3);
    for (let at = 0; at < pixels.length; at++) pixels[at] = (at * 31 + (at >> 7)) % 251;
    let encoded = 0;
    const counting: ImageEncoder = {
      features: encoder.features,
      inputSize: () => encoder.inputSize(),
      encode: (...args: Parameters<EmbeddedEncoder['encode']>) => {
        encoded++;
        return encoder.encode(...args);
      },
      dispose: async () => undefined,
    };
    const image = (await TiledImage.encode(sourceOf(pixels, large), { encoder: counting, segmenter }, noPause)).image;
    expect(encoded).toBe(16);
    const corner = { point: { x: size.width - 20, y: size.height - 20 }, label: 1 as const };
    const promptable = await image.promptable();
    const [first] = await promptable.decode([{ points: [corner] }]);
    const [again] = await promptable.decode([{ points: [corner] }]);
    expect(encoded).toBe(18);
    expect(again!.logits).toEqual(first!.logits);
  });
});
