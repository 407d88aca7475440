/**
 * A label map at half its size, a quarter and so on, for views in which a devicePx holds many targetPx. Made tile by
 * tile when asked for, and only where the labels have changed.
 *
 * A pixel of a coarser level holds the label that covers most of it (of equals the lowest, so that a class comes before
 * what is ignored) and the share that is covered by any. It is empty only if all below it is: nothing thin gets lost.
 */
import type { Box, Size } from '../../src/core/geometry';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import type { TileRect } from './palette';
import { TileGrid, type TileKey, tileName } from './tileGrid';

/**
 * Both uint8 [tileSize, tileSize], row-major. Where the level ends at an odd pixel, that one is repeated once, as if
 * the level were even; what lies beyond is undefined.
 */
export interface PooledTile {
  readonly classes: Uint8Array;
  /** Share of the pixel that has a label, 1 to 255; 0 where it has none. */
  readonly coverage: Uint8Array;
}

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
      if (from === null) clear(tile, tileSize, { x, y, width, height });
      else {
        poolTile(from, tile, { x, y, width, height }, offsetX, offsetY, tileSize);
        any = true;
      }
    }
    return any;
  }
}

/** Labels of one row, also readable four at a time. */
class Row {
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;

  constructor(length: number) {
    this.words = new Uint32Array(Math.ceil(length / 4));
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /** Copies `count` labels and repeats the last one up to a whole word: at the border, a pixel stands for it alone. */
  read(data: Uint8Array, offset: number, count: number): void {
    this.bytes.set(data.subarray(offset, offset + count));
    this.bytes.fill(data[offset + count - 1], count, Math.ceil(count / 4) * 4);
  }
}

/** Pools two rows of labels into an even `count` of pixels from `at` on; returns whether any is covered. */
function poolRows(upper: Row, lower: Row, to: PooledTile, at: number, count: number): boolean {
  const { classes, coverage } = to;
  const upperWords = upper.words;
  const lowerWords = lower.words;
  const pairs = count / 2;
  let seen = 0;
  for (let pair = 0; pair < pairs; pair++) {
    const above = upperWords[pair];
    const below = lowerWords[pair];
    const first = at + 2 * pair;
    seen |= above | below;
    // Inside of objects and outside of them, which is most of a map, eight labels are alike.
    if (above === below && above === Math.imul(above & 255, 0x01010101) >>> 0) {
      const share = above === 0 ? 0 : 255;
      classes[first] = above & 255;
      classes[first + 1] = above & 255;
      coverage[first] = share;
      coverage[first + 1] = share;
      continue;
    }
    for (let k = 0; k < 2; k++) {
      const a = (above >>> (16 * k)) & 255;
      const b = (above >>> (16 * k + 8)) & 255;
      const c = (below >>> (16 * k)) & 255;
      const d = (below >>> (16 * k + 8)) & 255;
      poolFour(to, first + k, a, full(a), b, full(b), c, full(c), d, full(d));
    }
  }
  return seen !== 0;
}

const full = (label: number): number => (label === 0 ? 0 : 255);

/**
 * Pools part of a tile into a rectangle, an even number of pixels wide, of the quarter at (offsetX, offsetY) of
 * another.
 */
function poolTile(
  { classes, coverage }: PooledTile,
  to: PooledTile,
  rect: TileRect,
  offsetX: number,
  offsetY: number,
  tileSize: number,
): void {
  const labels = new Uint32Array(classes.buffer);
  const shares = new Uint32Array(coverage.buffer);
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    const upper = 2 * (y - offsetY) * tileSize + 2 * (rect.x - offsetX);
    const end = y * tileSize + rect.x + rect.width;
    for (let at = y * tileSize + rect.x, a = upper; at < end; at += 2, a += 4) {
      const c = a + tileSize;
      const label = labels[a >> 2];
      const share = shares[a >> 2];
      // As for labels: most of the time eight pixels are alike.
      if (
        label === labels[c >> 2] &&
        share === shares[c >> 2] &&
        label === Math.imul(label & 255, 0x01010101) >>> 0 &&
        share === Math.imul(share & 255, 0x01010101) >>> 0
      ) {
        to.classes[at] = label & 255;
        to.classes[at + 1] = label & 255;
        to.coverage[at] = share & 255;
        to.coverage[at + 1] = share & 255;
        continue;
      }
      poolFour(
        to,
        at,
        classes[a],
        coverage[a],
        classes[a + 1],
        coverage[a + 1],
        classes[c],
        coverage[c],
        classes[c + 1],
        coverage[c + 1],
      );
      poolFour(
        to,
        at + 1,
        classes[a + 2],
        coverage[a + 2],
        classes[a + 3],
        coverage[a + 3],
        classes[c + 2],
        coverage[c + 2],
        classes[c + 3],
        coverage[c + 3],
      );
    }
  }
}

/** Repeats the last column and row of a tile's pixels where they are odd and there is room. */
function repeatBorder({ classes, coverage }: PooledTile, tileSize: number, { width, height }: Size): void {
  for (const values of [classes, coverage]) {
    if (width % 2 === 1) {
      for (let at = width; at < height * tileSize; at += tileSize) values[at] = values[at - 1];
    }
    if (height % 2 === 1) values.copyWithin(height * tileSize, (height - 1) * tileSize, height * tileSize);
  }
}

/** Writes the pixel that stands for four with these labels and shares. */
function poolFour(
  { classes, coverage }: PooledTile,
  at: number,
  a: number,
  shareA: number,
  b: number,
  shareB: number,
  c: number,
  shareC: number,
  d: number,
  shareD: number,
): void {
  // Share of the whole pixel that each of the four labels has; labels of nothing have none.
  const ofA = shareA + (b === a ? shareB : 0) + (c === a ? shareC : 0) + (d === a ? shareD : 0);
  const ofB = (a === b ? shareA : 0) + shareB + (c === b ? shareC : 0) + (d === b ? shareD : 0);
  const ofC = (a === c ? shareA : 0) + (b === c ? shareB : 0) + shareC + (d === c ? shareD : 0);
  const ofD = (a === d ? shareA : 0) + (b === d ? shareB : 0) + (c === d ? shareC : 0) + shareD;
  let label = a;
  let most = ofA;
  if (ofB > most || (ofB === most && b < label)) {
    label = b;
    most = ofB;
  }
  if (ofC > most || (ofC === most && c < label)) {
    label = c;
    most = ofC;
  }
  if (ofD > most || (ofD === most && d < label)) label = d;
  classes[at] = label;
  // Rounded up: a pixel with anything in it never counts as empty.
  coverage[at] = (shareA + shareB + shareC + shareD + 3) >> 2;
}

function clear({ classes, coverage }: PooledTile, tileSize: number, { x, y, width, height }: TileRect): void {
  for (let row = y; row < y + height; row++) {
    classes.fill(0, row * tileSize + x, row * tileSize + x + width);
    coverage.fill(0, row * tileSize + x, row * tileSize + x + width);
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
