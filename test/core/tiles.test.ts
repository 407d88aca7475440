/** Tiles: what is stitched from parts is what the whole would have been, and where the parts differ no seam shows. */
import { describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { foregroundComponents } from '../../src/core/pixels/components';
import { type FloatMap, thresholdToMask } from '../../src/core/pixels/raster';
import type { DecodedMask, PromptSet } from '../../src/core/prompting/segmenter';
import {
  LogitBlender,
  planTiles,
  type Tile,
  type TilePlan,
  TokenStitcher,
  tiledPromptable,
  tileFrame,
  tilesOf,
} from '../../src/core/prompting/tiles';
import type { PatchTokens } from '../../src/core/tokens/patchGrid';
import { discs, everyCapability } from '../fakes';
import { seededRandom } from '../seeded';

const random = seededRandom(31);

const square = (tiles: number) => ({ columns: tiles, rows: tiles });

/** Samples a function of the whole image (in patches of the whole grid) at the centres of a map over some of them. */
function sampled(size: Size, of: Size, from: Tile, value: (x: number, y: number) => number): FloatMap {
  const data = Float32Array.from({ length: area(size) }, (_, at) => {
    const x = ((at % size.width) + 0.5) * (of.width / size.width);
    const y = (Math.floor(at / size.width) + 0.5) * (of.height / size.height);
    return value(from.column + x, from.row + y);
  });
  return { size, data };
}

const whole = { column: 0, row: 0 };

/** Discs in a periodic pattern that no tile's step divides: logits from 6 inside to -6 outside. */
const texture = (x: number, y: number): number => {
  const period = 5.3;
  const dx = (x % period) - period / 2;
  const dy = (y % period) - period / 2;
  return 6 * Math.tanh(2 * (1.7 - Math.hypot(dx, dy)));
};

function blended(plan: TilePlan, size: Size, value: (x: number, y: number, tile: Tile) => number): FloatMap {
  const blender = new LogitBlender(plan);
  for (const tile of plan.tiles) {
    blender.add(
      tile,
      sampled(size, plan.tileGrid, tile, (x, y) => value(x, y, tile)),
    );
  }
  return blender.finish();
}

const largestDifference = (a: FloatMap, b: FloatMap): number => {
  expect(a.size).toEqual(b.size);
  return a.data.reduce((most, value, at) => Math.max(most, Math.abs(value - b.data[at])), 0);
};

describe('planTiles', () => {
  it('covers the whole grid with tiles that overlap by a quarter', () => {
    expect(planTiles({ columns: 3, rows: 1 }, { width: 8, height: 8 })).toMatchObject({
      grid: { width: 20, height: 8 },
      tiles: [whole, { column: 6, row: 0 }, { column: 12, row: 0 }],
    });
    const plan = planTiles(square(3), { width: 48, height: 16 });
    expect(plan.grid).toEqual({ width: 120, height: 40 });
    expect(plan.tiles).toHaveLength(9);
    expect(plan.tiles[0]).toEqual(whole);
    expect(plan.tiles[5]).toEqual({ column: 72, row: 12 });
    expect(plan.tiles[8]).toEqual({ column: 72, row: 24 });
    expect(planTiles(square(1), { width: 5, height: 7 })).toMatchObject({
      grid: { width: 5, height: 7 },
      tiles: [whole],
    });
    expect(() => planTiles(square(0), { width: 5, height: 7 })).toThrow(
      'expected a whole number of tiles along each side, got 0 x 0',
    );
  });
});

describe('tilesOf', () => {
  it('is one for an ordinary picture', () => {
    for (const size of [
      { width: 640, height: 480 },
      { width: 1080, height: 1920 },
      { width: 7, height: 7 },
    ]) {
      expect(tilesOf(size)).toEqual(square(1));
    }
  });

  it('follows the long side of a long one with tiles that are nearly square', () => {
    expect(tilesOf({ width: 2048, height: 256 })).toEqual({ columns: 10, rows: 1 });
    expect(tilesOf({ width: 256, height: 2048 })).toEqual({ columns: 1, rows: 10 });
    for (let width = 201; width < 3000; width += 7) {
      const size = { width, height: 100 };
      const plan = planTiles(tilesOf(size), { width: 36, height: 36 });
      const frame = tileFrame(plan, size);
      expect(plan.rows).toBe(1);
      expect(Math.max(frame.width / frame.height, frame.height / frame.width)).toBeLessThan(1.5);
    }
    // No tiles of a few pixels, whatever the shape.
    expect(tilesOf({ width: 1000, height: 1 }).columns).toBeLessThan(50);
  });
});

describe('tokens', () => {
  const tokensOf = (grid: Size, dim: number, value: (patch: number, k: number) => number, normalised: boolean) => {
    const data = new Float32Array(area(grid) * dim);
    for (let patch = 0; patch < area(grid); patch++) {
      const token = Array.from({ length: dim }, (_, k) => value(patch, k));
      const length = normalised ? Math.hypot(...token) : 1;
      data.set(
        token.map((one) => one / length),
        patch * dim,
      );
    }
    return { grid, dim, data, normalised };
  };

  const part = ({ grid, dim, data, normalised }: PatchTokens, { tileGrid }: TilePlan, tile: Tile): PatchTokens => {
    const values = new Float32Array(area(tileGrid) * dim);
    for (let y = 0; y < tileGrid.height; y++) {
      const from = ((tile.row + y) * grid.width + tile.column) * dim;
      values.set(data.subarray(from, from + tileGrid.width * dim), y * tileGrid.width * dim);
    }
    return { grid: tileGrid, dim, data: values, normalised };
  };

  it.each([true, false])('of tiles that agree are those of the whole, unit tokens: %s', (normalised) => {
    for (const [count, tileGrid] of [
      [1, { width: 3, height: 4 }],
      [2, { width: 8, height: 8 }],
      [3, { width: 7, height: 10 }],
    ] as const) {
      const plan = planTiles(square(count), tileGrid);
      const tokens = tokensOf(plan.grid, 3, () => random() - 0.5, normalised);
      const stitcher = new TokenStitcher(plan);
      for (const tile of plan.tiles) stitcher.add(tile, part(tokens, plan, tile));
      const stitched = stitcher.finish();
      expect({ ...stitched, data: 0 }).toEqual({ ...tokens, data: 0 });
      const differences = stitched.data.map((value, at) => Math.abs(value - tokens.data[at]));
      expect(Math.max(...differences)).toBeLessThan(1e-6);
    }
  });

  it('of tiles that differ stay of unit length, and those of another grid are refused', () => {
    const plan = planTiles(square(2), { width: 8, height: 8 });
    const stitcher = new TokenStitcher(plan);
    for (const tile of plan.tiles)
      stitcher.add(
        tile,
        tokensOf(plan.tileGrid, 3, () => random() - 0.2, true),
      );
    const { data } = stitcher.finish();
    for (let at = 0; at < data.length; at += 3) expect(Math.hypot(...data.subarray(at, at + 3))).toBeCloseTo(1, 5);
    const other = tokensOf({ width: 8, height: 7 }, 3, () => 1, true);
    expect(() => stitcher.add(plan.tiles[0], other)).toThrow('expected a tile of 8 x 8 patches, got 8 x 7');
    expect(() => new TokenStitcher(plan).finish()).toThrow(RangeError);
  });
});

describe('logits', () => {
  it('of tiles that agree are those of the whole, exactly where steps are whole', () => {
    for (const count of [1, 2, 3, 5]) {
      const plan = planTiles(square(count), { width: 16, height: 8 });
      const map = blended(plan, { width: 64, height: 32 }, texture);
      const direct = sampled({ width: plan.grid.width * 4, height: plan.grid.height * 4 }, plan.grid, whole, texture);
      expect(largestDifference(map, direct)).toBeLessThan(1e-5);
    }
  });

  it('and nearly so where they are not: 37 patches of 256 values, as of an encoder of 518 px', () => {
    const plan = planTiles(square(2), { width: 37, height: 37 });
    const map = blended(plan, { width: 256, height: 256 }, texture);
    const direct = sampled(map.size, plan.grid, whole, texture);
    // Logits rise by 12 from one side of an outline to the other; bilinear sampling rounds them off a little.
    expect(largestDifference(map, direct)).toBeLessThan(0.6);
    const masks = [map, direct].map((one) => thresholdToMask(one, one.size, 0).data);
    const differing = masks[0].filter((value, at) => value !== masks[1][at]).length;
    expect(differing / map.data.length).toBeLessThan(0.01);
  });

  it('show no seam where tiles differ: no step is larger there than the blending makes it', () => {
    const plan = planTiles(square(3), { width: 16, height: 16 });
    const scale = 4;
    // Each tile answers off by its own amount, up to one logit.
    const offsets = new Map(plan.tiles.map((tile) => [tile, 2 * random() - 1]));
    const map = blended(plan, { width: 64, height: 64 }, (x, y, tile) => texture(x, y) + offsets.get(tile)!);
    const direct = sampled(map.size, plan.grid, whole, texture);
    const error = map.data.map((value, at) => value - direct.data[at]);
    const { width } = map.size;
    const overlap = 4 * scale;
    let steepest = 0;
    for (let at = 0; at < error.length; at++) {
      if (at % width > 0) steepest = Math.max(steepest, Math.abs(error[at] - error[at - 1]));
      if (at >= width) steepest = Math.max(steepest, Math.abs(error[at] - error[at - width]));
    }
    // The slope of a raised cosine over the overlap, for tiles that differ by as much as they may.
    expect(steepest).toBeLessThan((2 * Math.PI) / 2 / overlap + 1e-3);
    expect(largestDifference(map, direct)).toBeLessThanOrEqual(1);
    // Elsewhere the texture itself is much steeper.
    let own = 0;
    for (let at = 1; at < direct.data.length; at++) {
      if (at % width > 0) own = Math.max(own, Math.abs(direct.data[at] - direct.data[at - 1]));
    }
    expect(steepest).toBeLessThan(own / 5);
  });
});

describe('tiledPromptable', () => {
  const size = { width: 280, height: 140 };
  const plan = planTiles(square(2), { width: 16, height: 16 });
  const frame = tileFrame(plan, size);
  const origin = ({ column, row }: Tile) => ({ x: (column * frame.width) / 16, y: (row * frame.height) / 16 });

  /** Asks tiles that answer with a disc of 30 px around each positive point, and tell what they were asked. */
  async function ask(prompts: readonly PromptSet[]) {
    const asked = new Map<number, readonly PromptSet[]>();
    const image = tiledPromptable(plan, size, everyCapability, async (index) => ({
      capabilities: everyCapability,
      decode: async (questions) => {
        asked.set(index, questions);
        return questions.map(({ points }): DecodedMask => {
          const tile = { column: 0, row: 0 };
          const near = (x: number, y: number) =>
            points.some(({ point, label }) => {
              const dx = (x * frame.width) / 16 - point.x;
              const dy = (y * frame.height) / 16 - point.y;
              return label === 1 && Math.hypot(dx, dy) < 30;
            });
          const logits = sampled({ width: 64, height: 64 }, plan.tileGrid, tile, (x, y) => (near(x, y) ? 5 : -5));
          return { logits, iouPrediction: 0.1 * (index + 1) };
        });
      },
    }));
    return { answers: await image.decode(prompts), asked };
  }

  it('asks each tile about the points in it, in its own frame, and no tile without a positive one', async () => {
    const points = [
      { point: { x: 20, y: 20 }, label: 1 as const },
      { point: { x: 140, y: 70 }, label: 1 as const },
      { point: { x: 270, y: 10 }, label: 0 as const },
    ];
    const { asked } = await ask([{ points }]);
    expect([...asked.keys()]).toEqual([0, 1, 2, 3]);
    for (const [index, [question]] of asked) {
      const { x, y } = origin(plan.tiles[index]);
      const back = question.points.map(({ point, label }) => ({ point: { x: point.x + x, y: point.y + y }, label }));
      const inside = points.filter(
        ({ point }) => point.x >= x && point.y >= y && point.x < x + frame.width && point.y < y + frame.height,
      );
      expect(back).toEqual(inside);
    }
    const corner = await ask([{ points: points.slice(0, 1) }, { points: points.slice(2) }]);
    expect([...corner.asked.keys()]).toEqual([0]);
    const [drawn, nothing] = corner.answers;
    expect(drawn.iouPrediction).toBeCloseTo(0.1, 6);
    expect(drawn.logits.size).toEqual({ width: 112, height: 112 });
    // What was not asked is background for sure.
    expect(drawn.logits.data.at(-1)).toBe(-8);
    expect(nothing.logits.data.every((value) => Math.abs(value + 8) < 1e-5)).toBe(true);
    expect(nothing.iouPrediction).toBe(0);
  });

  it('joins an object that lies in four tiles to one', async () => {
    const { answers } = await ask([{ points: [{ point: { x: 140, y: 70 }, label: 1 }] }]);
    const mask = thresholdToMask(answers[0].logits, size, 0);
    expect(foregroundComponents(mask).list).toHaveLength(1);
    const disc = discs(size, { x: 140, y: 70, radius: 30 });
    const differing = mask.data.filter((value, at) => value !== disc.data[at]).length;
    expect(differing).toBeLessThan(120);
  });

  it('weighs IoU predictions by what each tile has drawn', async () => {
    const both = [
      { point: { x: 20, y: 20 }, label: 1 as const },
      { point: { x: 260, y: 120 }, label: 1 as const },
    ];
    const { answers } = await ask([{ points: both }]);
    expect(answers[0].iouPrediction).toBeCloseTo((0.1 + 0.4) / 2, 1);
  });

  it('cuts boxes and mask prompts to the tile', async () => {
    const value = (x: number, y: number) => x - 2 * y;
    const maskPrompt = sampled(plan.grid, plan.grid, whole, value);
    const box = { left: 100, top: 10, right: 200, bottom: 90 };
    const { asked } = await ask([{ points: [], maskPrompt }]);
    for (const [index, [question]] of asked) {
      const tile = plan.tiles[index];
      expect(question.maskPrompt).toEqual(sampled(plan.tileGrid, plan.tileGrid, tile, value));
    }
    const boxed = await ask([{ points: [], box }]);
    expect([...boxed.asked.keys()]).toEqual([0, 1, 2, 3]);
    const [first] = boxed.asked.get(0)!;
    expect(first.box).toEqual({ left: 100, top: 10, right: frame.width, bottom: 80 });
    const [last] = boxed.asked.get(3)!;
    const { x, y } = origin(plan.tiles[3]);
    expect(last.box).toEqual({ left: 0, top: 0, right: 200 - x, bottom: 90 - y });
    const away = await ask([{ points: [], box: { left: 0, top: 0, right: 50, bottom: 20 } }]);
    expect([...away.asked.keys()]).toEqual([0]);
  });
});
