/**
 * A picture as tiles on levels of halving size, and which of them a view needs. Level 0 is the picture itself; each
 * level after it is half as wide and high, rounded up, its pixel n standing for pixels 2n and 2n + 1 of the one before;
 * the last pixel of an odd level reaches over the border. (Pyramids on disk number their levels the other way round.)
 */
import type { Box, Point, Size } from '../../src/core/geometry';
import type { DeviceFrame } from './viewport';

export interface TileKey {
  /** How often the picture was halved. */
  readonly level: number;
  readonly column: number;
  readonly row: number;
}

/** Key of a tile in maps. */
export const tileName = ({ level, column, row }: TileKey): string => `${level}/${column}_${row}`;

export class TileGrid {
  constructor(
    /** Of the picture, in targetPx. */
    readonly size: Size,
    readonly tileSize: number,
    readonly levels: number,
  ) {}

  /** The grid with as many levels as it takes until one tile holds the picture. */
  static down(size: Size, tileSize: number): TileGrid {
    const tiles = Math.max(size.width, size.height) / tileSize;
    return new TileGrid(size, tileSize, 1 + Math.max(0, Math.ceil(Math.log2(tiles))));
  }

  /** Size of a level in its pixels. */
  levelSize(level: number): Size {
    const side = (length: number) => Math.ceil(length / 2 ** level);
    return { width: side(this.size.width), height: side(this.size.height) };
  }

  columns(level: number): number {
    return Math.ceil(this.levelSize(level).width / this.tileSize);
  }

  rows(level: number): number {
    return Math.ceil(this.levelSize(level).height / this.tileSize);
  }

  /** The coarsest level that has at least one pixel per devicePx, as far as there is one. */
  levelFor(deviceScale: number): number {
    return Math.min(this.levels - 1, Math.max(0, Math.floor(-Math.log2(deviceScale))));
  }

  /** Pixels of a tile on its level; smaller than `tileSize` at the right and bottom. */
  tilePixels({ level, column, row }: TileKey): Size {
    const { width, height } = this.levelSize(level);
    return {
      width: Math.min(this.tileSize, width - column * this.tileSize),
      height: Math.min(this.tileSize, height - row * this.tileSize),
    };
  }

  /** What a tile covers, in targetPx, cut at the border of the picture. */
  tileBox({ level, column, row }: TileKey): Box {
    const side = this.tileSize * 2 ** level;
    return {
      left: column * side,
      top: row * side,
      right: Math.min(this.size.width, (column + 1) * side),
      bottom: Math.min(this.size.height, (row + 1) * side),
    };
  }

  /** Tiles of a level that have pixels in a box (targetPx), row by row. */
  tilesIn(box: Box, level: number): TileKey[] {
    const side = this.tileSize * 2 ** level;
    const span = (start: number, end: number, extent: number): [number, number] => [
      Math.floor(Math.max(0, start) / side),
      start < extent ? Math.ceil(Math.min(extent, end) / side) : 0,
    ];
    const [left, right] = span(box.left, box.right, this.size.width);
    const [top, bottom] = span(box.top, box.bottom, this.size.height);
    const keys: TileKey[] = [];
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) keys.push({ level, column, row });
    }
    return keys;
  }

  /** The tile of a coarser level that holds this one. */
  ancestor({ level, column, row }: TileKey, coarser: number): TileKey {
    const step = 2 ** (coarser - level);
    return { level: coarser, column: Math.floor(column / step), row: Math.floor(row / step) };
  }

  /** The up to four tiles of the next finer level that make up this one. */
  children(key: TileKey): TileKey[] {
    const level = key.level - 1;
    const keys: TileKey[] = [];
    for (let row = 2 * key.row; row < Math.min(2 * key.row + 2, this.rows(level)); row++) {
      for (let column = 2 * key.column; column < Math.min(2 * key.column + 2, this.columns(level)); column++) {
        keys.push({ level, column, row });
      }
    }
    return keys;
  }
}

/** The same tiles, those nearest to a point (targetPx) first. */
export function nearestFirst(grid: TileGrid, keys: readonly TileKey[], { x, y }: Point): TileKey[] {
  const away = new Map(
    keys.map((key) => {
      const { left, top, right, bottom } = grid.tileBox(key);
      return [key, Math.hypot((left + right) / 2 - x, (top + bottom) / 2 - y)];
    }),
  );
  return [...keys].sort((a, b) => away.get(a)! - away.get(b)!);
}

/** A tile that a view needs is replaced by these until it is there. */
interface StandIns {
  /** Available tiles of coarser levels, coarsest first. */
  readonly coarser: readonly TileKey[];
  /** Available tiles of the next finer level. */
  readonly finer: readonly TileKey[];
}

/** What can be shown in place of missing tiles; each stand-in once, however many it stands for. */
export function standInsFor(grid: TileGrid, missing: readonly TileKey[], has: (key: TileKey) => boolean): StandIns {
  const coarser = new Map<string, TileKey>();
  const finer: TileKey[] = [];
  for (const key of missing) {
    for (let level = key.level + 1; level < grid.levels; level++) {
      const ancestor = grid.ancestor(key, level);
      if (!has(ancestor)) continue;
      coarser.set(tileName(ancestor), ancestor);
      break;
    }
    if (key.level > 0) finer.push(...grid.children(key).filter(has));
  }
  return { coarser: [...coarser.values()].sort((a, b) => b.level - a.level), finer };
}

/** Rectangle of a canvas, in devicePx. */
export interface DeviceRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Where a box (targetPx) lies on a canvas. Borders between tiles are put on whole devicePx, so that neighbours meet
 * there. The right and bottom border of the picture has no neighbour: there a devicePx of which less than half is
 * covered is left out, and the others stay where they are, so that nothing is stretched.
 */
export function deviceRect({ left, top, scale }: DeviceFrame, box: Box, picture: Size): DeviceRect {
  const edge = (offset: number, at: number, extent: number) => {
    const exact = offset + at * scale;
    const whole = Math.round(exact);
    return at >= extent && whole > exact ? exact : whole;
  };
  const x = edge(left, box.left, picture.width);
  const y = edge(top, box.top, picture.height);
  return {
    x,
    y,
    width: edge(left, box.right, picture.width) - x,
    height: edge(top, box.bottom, picture.height) - y,
  };
}
