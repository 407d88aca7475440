import { describe, expect, it } from 'vitest';
import type { Box, Size } from '../../src/core/geometry';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import { LabelPyramid, rectOf, union } from '../../webview/canvas/labelPyramid';
import type { TileKey } from '../../webview/canvas/tileGrid';
import { seededRandom } from '../seeded';

/** One level of a label map: class and coverage per pixel, row-major. */
interface Level {
  readonly size: Size;
  readonly classes: number[];
  readonly coverage: number[];
}

/** The next level, by the rule in words: the label that covers most, of equals the lowest; coverage rounded up. */
function halve({ size, classes, coverage }: Level): Level {
  const half = { width: Math.ceil(size.width / 2), height: Math.ceil(size.height / 2) };
  const result: Level = { size: half, classes: [], coverage: [] };
  for (let y = 0; y < half.height; y++) {
    for (let x = 0; x < half.width; x++) {
      const shares = new Map<number, number>();
      let total = 0;
      for (const [dx, dy] of [
        [0, 0],
        [1, 0],
        [0, 1],
        [1, 1],
      ]) {
        const at = Math.min(size.height - 1, 2 * y + dy) * size.width + Math.min(size.width - 1, 2 * x + dx);
        shares.set(classes[at], (shares.get(classes[at]) ?? 0) + coverage[at]);
        total += coverage[at];
      }
      shares.delete(0);
      const [label] = [...shares].sort(([a, shareA], [b, shareB]) => shareB - shareA || a - b)[0] ?? [0];
      result.classes.push(label);
      result.coverage.push(Math.ceil(total / 4));
    }
  }
  return result;
}

function levelsOf({ size, data }: LabelMap, count: number): Level[] {
  const classes = Array.from(data);
  const levels: Level[] = [{ size, classes, coverage: classes.map((label) => (label === 0 ? 0 : 255)) }];
  while (levels.length < count) levels.push(halve(levels.at(-1)!));
  return levels;
}

function expectFresh(pyramid: LabelPyramid, labels: LabelMap): void {
  const { grid } = pyramid;
  const levels = levelsOf(labels, grid.levels);
  const all = { left: 0, top: 0, right: labels.size.width, bottom: labels.size.height };
  for (let level = grid.levels - 1; level > 0; level--) {
    for (const key of grid.tilesIn(all, level)) {
      const tile = pyramid.tile(key);
      const { width, height } = grid.tilePixels(key);
      const got: number[] = [];
      const expected: number[] = [];
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const at = y * grid.tileSize + x;
          got.push(tile?.classes[at] ?? 0, tile?.coverage[at] ?? 0);
          const from = (key.row * grid.tileSize + y) * levels[level].size.width + key.column * grid.tileSize + x;
          expected.push(levels[level].classes[from], levels[level].coverage[from]);
        }
      }
      expect(got).toEqual(expected);
    }
  }
}

/** Blocks of a few labels with single pixels strewn in; some rows and tiles stay empty. */
function randomLabels(size: Size, seed: number): LabelMap {
  const random = seededRandom(seed);
  const data = new Uint8Array(size.width * size.height);
  for (let block = 0; block < 6; block++) {
    const label = [1, 2, 3, 254, 255, 0][block];
    const left = Math.floor(random() * size.width);
    const top = Math.floor(random() * size.height);
    const right = Math.min(size.width, left + 1 + Math.floor(random() * 40));
    const bottom = Math.min(size.height, top + 1 + Math.floor(random() * 40));
    for (let y = top; y < bottom; y++) data.fill(label, y * size.width + left, y * size.width + right);
  }
  for (let k = 0; k < 30; k++) data[Math.floor(random() * data.length)] = Math.floor(random() * 4);
  return { size, data };
}

const SIZES: readonly Size[] = [
  { width: 64, height: 64 },
  { width: 100, height: 75 },
  { width: 33, height: 17 },
  { width: 17, height: 131 },
  { width: 97, height: 63 },
  { width: 201, height: 11 },
  { width: 5, height: 30 },
];

describe('LabelPyramid', () => {
  it('pools as the rule says, at any size', () => {
    SIZES.forEach((size, seed) => {
      const labels = randomLabels(size, seed + 1);
      expectFresh(new LabelPyramid(labels, 16), labels);
    });
  });

  it('follows changes inside the boxes it is told, whether or not tiles were made before', () => {
    const random = seededRandom(77);
    for (const size of SIZES) {
      const labels = randomLabels(size, 5);
      const pyramid = new LabelPyramid(labels, 16);
      for (let round = 0; round < 25; round++) {
        const left = Math.floor(random() * size.width);
        const top = Math.floor(random() * size.height);
        const right = Math.min(size.width, left + 1 + Math.floor(random() ** 3 * size.width));
        const bottom = Math.min(size.height, top + 1 + Math.floor(random() ** 3 * size.height));
        const label = [0, 1, 2, 255][Math.floor(random() * 4)];
        for (let y = top; y < bottom; y++) labels.data.fill(label, y * size.width + left, y * size.width + right);
        pyramid.invalidate({ left, top, right, bottom });
        if (round % 3 === 0) expectFresh(pyramid, labels);
      }
      labels.data.fill(0);
      pyramid.invalidate({ left: 0, top: 0, right: size.width, bottom: size.height });
      expectFresh(pyramid, labels);
    }
  });

  it('shows a single pixel at every level, and nothing where there is nothing', () => {
    const size = { width: 1000, height: 700 };
    const labels = { size, data: new Uint8Array(size.width * size.height) };
    labels.data[333 * size.width + 777] = 7;
    const pyramid = new LabelPyramid(labels, 16);
    for (let level = 1; level < pyramid.grid.levels; level++) {
      const [key] = pyramid.grid.tilesIn({ left: 777, top: 333, right: 778, bottom: 334 }, level);
      const { x, y } = rectOf(pyramid.grid, key, { left: 777, top: 333, right: 778, bottom: 334 });
      const tile = pyramid.tile(key);
      expect(tile?.classes[y * 16 + x]).toBe(7);
      expect(tile?.coverage[y * 16 + x]).toBeGreaterThan(0);
      expect(tile?.classes.filter((label) => label !== 0)).toHaveLength(1);
    }
    expect(pyramid.tile({ level: 1, column: 0, row: 0 })).toBeNull();
  });

  it('advances in small pieces that end', () => {
    const labels = randomLabels({ width: 600, height: 600 }, 3);
    const pyramid = new LabelPyramid(labels, 256);
    const top: TileKey = { level: pyramid.grid.levels - 1, column: 0, row: 0 };
    expect(pyramid.isFresh(top)).toBe(false);
    let pieces = 1;
    while (!pyramid.advance(top)) pieces++;
    // Four tiles below and the tile itself, each in at most two bands.
    expect(pieces).toBeGreaterThanOrEqual(5);
    expect(pieces).toBeLessThanOrEqual(2 * 5 + 4);
    expect(pyramid.isFresh(top)).toBe(true);
    expectFresh(pyramid, labels);
  });
});

describe('rectOf', () => {
  it('is the pixels of a tile that a box touches', () => {
    const pyramid = new LabelPyramid(randomLabels({ width: 100, height: 75 }, 1), 16);
    const box: Box = { left: 30, top: 5, right: 71, bottom: 9 };
    for (let level = 0; level < pyramid.grid.levels; level++) {
      for (const key of pyramid.grid.tilesIn(box, level)) {
        const rect = rectOf(pyramid.grid, key, box);
        const { width, height } = pyramid.grid.tilePixels(key);
        const step = 2 ** level;
        const touched: string[] = [];
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            const left = (key.column * 16 + x) * step;
            const top = (key.row * 16 + y) * step;
            const touches = left < box.right && left + step > box.left && top < box.bottom && top + step > box.top;
            const inside = x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height;
            if (touches !== inside) touched.push(`${level}: ${x}, ${y}`);
          }
        }
        expect(touched).toEqual([]);
      }
    }
  });
});

describe('union', () => {
  it('is the smallest rectangle around both', () => {
    expect(union(null, { x: 1, y: 2, width: 3, height: 4 })).toEqual({ x: 1, y: 2, width: 3, height: 4 });
    expect(union({ x: 5, y: 0, width: 1, height: 1 }, { x: 1, y: 2, width: 3, height: 4 })).toEqual({
      x: 1,
      y: 0,
      width: 5,
      height: 6,
    });
  });
});
