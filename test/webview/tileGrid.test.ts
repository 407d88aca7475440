import { describe, expect, it } from 'vitest';
import type { Box } from '../../src/core/geometry';
import { deviceRect, nearestFirst, standInsFor, TileGrid, type TileKey, tileName } from '../../webview/canvas/tileGrid';
import { Viewport } from '../../webview/canvas/viewport';
import { seededRandom } from '../seeded';

const SIZES = [
  { width: 1, height: 1 },
  { width: 512, height: 512 },
  { width: 513, height: 100 },
  { width: 1531, height: 1103 },
  { width: 8000, height: 6001 },
];

const whole = ({ size }: TileGrid): Box => ({ left: 0, top: 0, right: size.width, bottom: size.height });

describe('TileGrid', () => {
  it('halves until one tile holds the picture', () => {
    const grid = TileGrid.down({ width: 8000, height: 6001 }, 512);
    expect(Array.from({ length: grid.levels }, (_, level) => grid.levelSize(level))).toEqual([
      { width: 8000, height: 6001 },
      { width: 4000, height: 3001 },
      { width: 2000, height: 1501 },
      { width: 1000, height: 751 },
      { width: 500, height: 376 },
    ]);
    for (const size of SIZES) {
      for (const tileSize of [64, 256, 512]) {
        const { levels, ...rest } = TileGrid.down(size, tileSize);
        const sides = Array.from({ length: levels }, (_, level) =>
          Math.ceil(Math.max(size.width, size.height) / 2 ** level),
        );
        expect(rest.tileSize).toBe(tileSize);
        expect(sides.at(-1)).toBeLessThanOrEqual(tileSize);
        if (levels > 1) expect(sides.at(-2)).toBeGreaterThan(tileSize);
      }
    }
  });

  it('covers a picture with tiles on every level, without gaps or overlaps', () => {
    for (const size of SIZES) {
      const grid = TileGrid.down(size, 256);
      for (let level = 0; level < grid.levels; level++) {
        const keys = grid.tilesIn(whole(grid), level);
        expect(keys).toHaveLength(grid.columns(level) * grid.rows(level));
        const pixels = keys.map((key) => grid.tilePixels(key));
        const { width, height } = grid.levelSize(level);
        expect(pixels.reduce((sum, tile) => sum + tile.width * tile.height, 0)).toBe(width * height);
        let covered = 0;
        for (const key of keys) {
          const box = grid.tileBox(key);
          covered += (box.right - box.left) * (box.bottom - box.top);
          if (key.column > 0) expect(grid.tileBox({ ...key, column: key.column - 1 }).right).toBeCloseTo(box.left, 6);
          if (key.row > 0) expect(grid.tileBox({ ...key, row: key.row - 1 }).bottom).toBeCloseTo(box.top, 6);
        }
        expect(covered / (size.width * size.height)).toBeCloseTo(1, 9);
      }
    }
  });

  it('finds the tiles that have pixels in a box, as trying all does', () => {
    const random = seededRandom(4);
    const grid = TileGrid.down({ width: 1531, height: 1103 }, 128);
    for (let round = 0; round < 200; round++) {
      const left = Math.floor(random() * 1600) - 40;
      const top = Math.floor(random() * 1200) - 40;
      const box = {
        left,
        top,
        right: left + 1 + Math.floor(random() * 700),
        bottom: top + 1 + Math.floor(random() * 500),
      };
      const level = Math.floor(random() * grid.levels);
      const touches = (key: TileKey): boolean => {
        const tile = grid.tileBox(key);
        return tile.left < box.right && tile.right > box.left && tile.top < box.bottom && tile.bottom > box.top;
      };
      expect(grid.tilesIn(box, level)).toEqual(grid.tilesIn(whole(grid), level).filter(touches));
    }
  });

  it('takes the level with at least one pixel per device pixel, and less than two', () => {
    const grid = TileGrid.down({ width: 8000, height: 8000 }, 512);
    expect([8, 1, 0.99, 0.51, 0.5, 0.26, 0.25, 0.1, 0.01].map((scale) => grid.levelFor(scale))).toEqual([
      0, 0, 0, 0, 1, 1, 2, 3, 4,
    ]);
  });

  it('has children whose ancestors are their parents', () => {
    const grid = TileGrid.down({ width: 1531, height: 1103 }, 128);
    for (let level = 1; level < grid.levels; level++) {
      const children = grid.tilesIn(whole(grid), level).flatMap((key) => {
        for (const child of grid.children(key)) expect(grid.ancestor(child, level)).toEqual(key);
        return grid.children(key);
      });
      const names = children.map(tileName);
      expect(new Set(names).size).toBe(names.length);
      expect(names.sort()).toEqual(
        grid
          .tilesIn(whole(grid), level - 1)
          .map(tileName)
          .sort(),
      );
    }
    expect(grid.ancestor({ level: 0, column: 11, row: 8 }, 3)).toEqual({ level: 3, column: 1, row: 1 });
  });

  it('orders tiles from a point outwards', () => {
    const grid = TileGrid.down({ width: 1000, height: 1000 }, 100);
    const ordered = nearestFirst(grid, grid.tilesIn(whole(grid), 0), { x: 250, y: 450 });
    expect(ordered[0]).toEqual({ level: 0, column: 2, row: 4 });
    expect(ordered.at(-1)).toEqual({ level: 0, column: 9, row: 9 });
    expect(ordered).toHaveLength(100);
  });
});

describe('standInsFor', () => {
  const grid = TileGrid.down({ width: 1024, height: 1024 }, 128);

  it('takes the nearest coarser tile once, coarsest first, and finer ones', () => {
    const there = new Set(['2/0_0', '3/0_0', '0/2_2', '0/3_3', '0/7_7']);
    const missing = [
      { level: 1, column: 0, row: 0 },
      { level: 1, column: 1, row: 1 },
      { level: 1, column: 3, row: 3 },
    ];
    expect(standInsFor(grid, missing, (key) => there.has(tileName(key)))).toEqual({
      coarser: [
        { level: 3, column: 0, row: 0 },
        { level: 2, column: 0, row: 0 },
      ],
      finer: [
        { level: 0, column: 2, row: 2 },
        { level: 0, column: 3, row: 3 },
        { level: 0, column: 7, row: 7 },
      ],
    });
  });

  it('has none where nothing is there', () => {
    expect(standInsFor(grid, [{ level: 0, column: 0, row: 0 }], () => false)).toEqual({ coarser: [], finer: [] });
  });
});

describe('deviceRect', () => {
  it('makes neighbours meet on whole device pixels at any zoom and pixel ratio', () => {
    const random = seededRandom(11);
    const size = { width: 5003, height: 3001 };
    for (let round = 0; round < 300; round++) {
      const ratio = [1, 1.25, 1.5, 2][round % 4];
      const viewport = Viewport.fit(size, { width: 900, height: 700 }, ratio)
        .zoomedAt({ x: random() * 900, y: random() * 700 }, 2 ** (random() * 9 - 2))
        .panned(random() * 300 - 150, random() * 300 - 150);
      const frame = viewport.deviceFrame({ width: 900 * ratio, height: 700 * ratio });
      const grid = TileGrid.down(size, 512);
      const level = grid.levelFor(frame.scale);
      for (const key of grid.tilesIn(viewport.visible(), level)) {
        const rect = deviceRect(frame, grid.tileBox(key), size);
        expect(Number.isInteger(rect.x) && Number.isInteger(rect.y)).toBe(true);
        // Nothing is stretched: the corner is where it would be without rounding.
        expect(rect.x).toBeCloseTo(frame.left + grid.tileBox(key).left * frame.scale, 6);
        if (key.column + 1 < grid.columns(level)) {
          const next = deviceRect(frame, grid.tileBox({ ...key, column: key.column + 1 }), size);
          expect(rect.x + rect.width).toBe(next.x);
        } else {
          // No more than the picture, and less by no more than half a device pixel.
          const end = frame.left + size.width * frame.scale;
          expect(rect.x + rect.width).toBeLessThanOrEqual(end + 1e-6);
          expect(rect.x + rect.width).toBeGreaterThanOrEqual(end - 0.5 - 1e-6);
        }
      }
    }
  });
});
