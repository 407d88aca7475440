/**
 * A label map at half its size, a quarter and so on, for views in which a devicePx holds many targetPx. Made tile by
 * tile when asked for, and only where the labels have changed.
 */
import type { Box } from '../../src/core/geometry';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import type { TileRect } from './palette';
import { clearPooled, type PooledTile, poolRows, poolTile, Row, repeatBorder } from './pooling';
import { TileGrid, type TileKey, tileName } from './tileGrid';

/** Most rows of a tile that are pooled in one go: about half a millisecond. */
const BAND = 128;

interface Entry {
  /** Null: no label in it. */
  tile: PooledTile | null;
  /** Part that is out of date, null when none is. */
  stale: TileRect | null;
}

export class LabelPyramid {
  readonly grid: TileGrid;
  private readonly entries = new Map<string, Entry>();
  /** Two rows of labels, read four at a time: a row of the map need not begin at a multiple of four bytes. */
  private readonly upper: Row;
  private readonly lower: Row;

  /** Keeps the map, and reads it when tiles are made. `tileSize` must be a multiple of 4. */
  constructor(
    private readonly labels: LabelMap,
    tileSize: number,
  ) {
    this.grid = TileGrid.down(labels.size, tileSize);
    this.upper = new Row(2 * tileSize);
    this.lower = new Row(2 * tileSize);
  }

  /** Labels in the box (targetPx) have changed. */
  invalidate(box: Box): void {
    for (let level = 1; level < this.grid.levels; level++) {
      for (const key of this.grid.tilesIn(box, level)) {
        const entry = this.entries.get(tileName(key));
        if (entry) entry.stale = union(entry.stale, rectOf(this.grid, key, box));
      }
    }
  }

  isFresh(key: TileKey): boolean {
    return key.level === 0 || this.entries.get(tileName(key))?.stale === null;
  }

  /**
   * Does a small piece of the work that it takes until this tile of level 1 or more is fresh. Returns whether it now
   * is.
   */
  advance(key: TileKey): boolean {
    const entry = this.entry(key);
    const { stale } = entry;
    if (stale === null) return true;
    if (key.level > 1) {
      for (const child of this.grid.children(key)) {
        if (this.isFresh(child)) continue;
        this.advance(child);
        return false;
      }
    }
    const band = { ...stale, height: Math.min(BAND, stale.height) };
    this.pool(key, entry, band);
    const isDone = band.height === stale.height;
    entry.stale = isDone ? null : { ...stale, y: stale.y + band.height, height: stale.height - band.height };
    return isDone;
  }

  /** A tile of level 1 or more, up to date; null when no label is in it. */
  tile(key: TileKey): PooledTile | null {
    while (!this.advance(key)) {
      // Piece by piece.
    }
    return this.entry(key).tile;
  }

  private entry(key: TileKey): Entry {
    const name = tileName(key);
    let entry = this.entries.get(name);
    if (!entry) {
      entry = { tile: null, stale: { x: 0, y: 0, ...this.grid.tilePixels(key) } };
      this.entries.set(name, entry);
    }
    return entry;
  }

  private pool(key: TileKey, entry: Entry, rect: TileRect): void {
    const { tileSize } = this.grid;
    const isNew = entry.tile === null;
    const tile = entry.tile ?? {
      classes: new Uint8Array(tileSize * tileSize),
      coverage: new Uint8Array(tileSize * tileSize),
    };
    // Pixels are made in pairs, which share words of the row below.
    const x = rect.x & ~1;
    const pairs = { ...rect, x, width: Math.ceil((rect.x + rect.width - x) / 2) * 2 };
    const any = key.level === 1 ? this.poolLabels(key, tile, pairs) : this.poolTiles(key, tile, pairs);
    entry.tile = isNew && !any ? null : tile;
    if (entry.tile) repeatBorder(tile, tileSize, this.grid.tilePixels(key));
  }

  /** Level 1, from the labels themselves. Returns whether any pixel of the rectangle is covered. */
  private poolLabels({ column, row }: TileKey, tile: PooledTile, rect: TileRect): boolean {
    const { size, data } = this.labels;
    const { tileSize } = this.grid;
    const left = 2 * (column * tileSize + rect.x);
    const right = Math.min(size.width, left + 2 * rect.width);
    let any = false;
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      const top = 2 * (row * tileSize + y);
      const bottom = Math.min(size.height - 1, top + 1);
      this.upper.read(data, top * size.width + left, right - left);
      this.lower.read(data, bottom * size.width + left, right - left);
      any = poolRows(this.upper, this.lower, tile, y * tileSize + rect.x, rect.width) || any;
    }
    return any;
  }

  /** Level 2 and more, from the four tiles below. Returns whether any pixel of the rectangle is covered. */
  private poolTiles(key: TileKey, tile: PooledTile, rect: TileRect): boolean {
    const { tileSize } = this.grid;
    const half = tileSize / 2;
    let any = false;
    for (const child of this.grid.children(key)) {
      // The quarter of this tile that the child becomes, as far as it is in the rectangle.
      const offsetX = (child.column - 2 * key.column) * half;
      const offsetY = (child.row - 2 * key.row) * half;
      const x = Math.max(rect.x, offsetX);
      const y = Math.max(rect.y, offsetY);
      const width = Math.min(rect.x + rect.width, offsetX + half) - x;
      const height = Math.min(rect.y + rect.height, offsetY + half) - y;
      if (width <= 0 || height <= 0) continue;
      const from = this.entry(child).tile;
      if (from === null) clearPooled(tile, tileSize, { x, y, width, height });
      else {
        poolTile(from, tile, { x, y, width, height }, offsetX, offsetY, tileSize);
        any = true;
      }
    }
    return any;
  }
}

/** Pixels of a tile that a box (targetPx) touches; the tile must touch the box. */
export function rectOf(grid: TileGrid, key: TileKey, box: Box): TileRect {
  const step = 2 ** key.level;
  const pixels = grid.tilePixels(key);
  const left = key.column * grid.tileSize;
  const top = key.row * grid.tileSize;
  const x = Math.max(0, Math.floor(box.left / step) - left);
  const y = Math.max(0, Math.floor(box.top / step) - top);
  return {
    x,
    y,
    width: Math.min(pixels.width, Math.ceil(box.right / step) - left) - x,
    height: Math.min(pixels.height, Math.ceil(box.bottom / step) - top) - y,
  };
}

/** Smallest rectangle around both. */
export function union(a: TileRect | null, b: TileRect): TileRect {
  if (a === null) return b;
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return {
    x,
    y,
    width: Math.max(a.x + a.width, b.x + b.width) - x,
    height: Math.max(a.y + a.height, b.y + b.height) - y,
  };
}
