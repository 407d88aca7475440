/** The mask: labels in class colours, painted tile by tile when they come into view and where they have changed. */
import { type Box, type Size, sameSize } from '../../src/core/geometry';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import type { ClassInfo } from '../../src/protocol/editorApi';
import { LabelPyramid, rectOf, union } from './labelPyramid';
import { visitBorders } from './outline';
import { type LabelRows, type Palette, paintLabels, paletteOf, type TileRect } from './palette';
import type { Sheet } from './sheet';
import { drawTiles } from './tileDrawing';
import { nearestFirst, type TileKey, tileName } from './tileGrid';
import type { DeviceFrame } from './viewport';

const TILE_SIZE = 512;

/** Painted tiles are kept up to this, and as long as they are visible. */
const TILE_BYTES = 128 * 2 ** 20;

/** Milliseconds of a frame in which tiles that come into view are painted; the others follow in the next frames. */
const NEW_TILES_BUDGET = 4;

/** The same for tiles that are on screen and have changed: what a person paints must show at once. */
const CHANGED_TILES_BUDGET = 12;

/** Most rows of a tile that are painted in one go: a quarter of a millisecond. */
const BAND = 128;

/** Outlines are drawn where a pixel is at least this many devicePx. */
const OUTLINED_PIXEL = 5;

interface PaintedTile {
  /** Null: nothing in it shows. */
  context: OffscreenCanvasRenderingContext2D | null;
  /** Part that is out of date, null when none is. */
  stale: TileRect | null;
  /** False until it was painted all over for the first time. */
  isComplete: boolean;
}

export class LabelLayer {
  private labels: LabelMap | null = null;
  private pyramid: LabelPyramid | null = null;
  private palette: Palette = paletteOf([]);
  private colours = '';
  /** In order of their last use, the newest at the end. */
  private readonly painted = new Map<string, { readonly key: TileKey; readonly tile: PaintedTile }>();
  /** One tile's pixels on their way to its canvas. */
  private readonly image = new ImageData(TILE_SIZE, TILE_SIZE);
  private readonly pixels = new Uint32Array(this.image.data.buffer);

  constructor(private readonly sheet: Sheet) {}

  /** Shows another map, or the same one in other colours; says whether anything is another. */
  show(labels: LabelMap, classes: readonly ClassInfo[]): boolean {
    const colours = classes.map(({ id, colour }) => `${id}${colour}`).join();
    const isSameMap = labels === this.labels;
    if (isSameMap && colours === this.colours) return false;
    if (!this.labels || !sameSize(labels.size, this.labels.size)) this.painted.clear();
    this.pyramid = isSameMap && this.pyramid ? this.pyramid : new LabelPyramid(labels, TILE_SIZE);
    // Tiles of the map before stay on screen until they are painted anew.
    for (const { key, tile } of this.painted.values()) {
      tile.stale = { x: 0, y: 0, ...this.pyramid.grid.tilePixels(key) };
    }
    this.labels = labels;
    this.palette = paletteOf(classes);
    this.colours = colours;
    return true;
  }

  /** Labels in the box (targetPx) have changed. */
  changed(box: Box): void {
    const { pyramid } = this;
    const inside = pyramid && clip(box, pyramid.grid.size);
    if (!pyramid || !inside) return;
    pyramid.invalidate(inside);
    for (const { key, tile } of this.painted.values()) {
      const area = pyramid.grid.tileBox(key);
      const isTouched =
        inside.left < area.right && inside.right > area.left && inside.top < area.bottom && inside.bottom > area.top;
      if (isTouched) tile.stale = union(tile.stale, rectOf(pyramid.grid, key, inside));
    }
  }

  /** Draws the mask, or clears the canvas. Returns whether there is more to draw that this frame had no time for. */
  draw(frame: DeviceFrame, visible: Box, style: { readonly opacity: number; readonly lineWidth: number }): boolean {
    const { sheet, labels, pyramid } = this;
    const { context } = sheet;
    sheet.clear();
    if (!labels || !pyramid) return false;
    const isUnfinished = this.paintVisible(pyramid, frame, visible);
    context.globalAlpha = style.opacity;
    const shows = drawTiles(context, pyramid.grid, frame, visible, (key) => {
      const tile = this.painted.get(tileName(key))?.tile;
      return tile?.isComplete ? (tile.context?.canvas ?? null) : undefined;
    });
    context.globalAlpha = 1;
    if (shows) {
      sheet.drawn();
      if (frame.scale >= OUTLINED_PIXEL) this.drawOutlines(labels, frame, visible, style.lineWidth);
    }
    return isUnfinished;
  }

  /** Paints what is visible and not up to date, within the time for it. Returns whether something is left. */
  private paintVisible(pyramid: LabelPyramid, frame: DeviceFrame, visible: Box): boolean {
    const started = performance.now();
    const { grid } = pyramid;
    const centre = { x: (visible.left + visible.right) / 2, y: (visible.top + visible.bottom) / 2 };
    const needed = nearestFirst(grid, grid.tilesIn(visible, grid.levelFor(frame.scale)), centre);
    const changed: [TileKey, PaintedTile][] = [];
    const missing: [TileKey, PaintedTile][] = [];
    for (const key of needed) {
      const whole = { x: 0, y: 0, ...grid.tilePixels(key) };
      const tile = this.painted.get(tileName(key))?.tile ?? { context: null, stale: whole, isComplete: false };
      this.keep(key, tile);
      if (tile.stale) (tile.isComplete ? changed : missing).push([key, tile]);
    }
    const areDone = (tiles: [TileKey, PaintedTile][], budget: number) =>
      tiles.every(([key, tile]) => this.paintUntil(pyramid, key, tile, started + budget));
    const isDone = areDone(changed, CHANGED_TILES_BUDGET) && areDone(missing, NEW_TILES_BUDGET);
    this.makeRoom(needed.length);
    return !isDone;
  }

  /** Brings one tile up to date unless time runs out before. Returns whether time is left. */
  private paintUntil(pyramid: LabelPyramid, key: TileKey, tile: PaintedTile, deadline: number): boolean {
    while (key.level > 0 && !pyramid.advance(key)) {
      if (performance.now() > deadline) return false;
    }
    while (tile.stale) {
      const { y, height } = tile.stale;
      const band = { ...tile.stale, height: Math.min(BAND, height) };
      this.paint(pyramid, key, tile, band);
      tile.stale = height > BAND ? { ...band, y: y + BAND, height: height - BAND } : null;
      if (performance.now() > deadline) break;
    }
    tile.isComplete ||= tile.stale === null;
    return performance.now() <= deadline;
  }

  private paint(pyramid: LabelPyramid, key: TileKey, tile: PaintedTile, rect: TileRect): void {
    const rows = this.rowsOf(pyramid, key);
    if (rows === null && tile.context === null) return;
    if (rows === null) {
      tile.context?.clearRect(rect.x, rect.y, rect.width, rect.height);
      return;
    }
    const shows = paintLabels(this.pixels, TILE_SIZE, rect, rows, this.palette);
    if (!shows && tile.context === null) return;
    tile.context ??= newTile(pyramid.grid.tilePixels(key));
    tile.context.putImageData(this.image, 0, 0, rect.x, rect.y, rect.width, rect.height);
  }

  /** Labels of a tile; null where it has none. */
  private rowsOf(pyramid: LabelPyramid, key: TileKey): LabelRows | null {
    if (key.level > 0) {
      const pooled = pyramid.tile(key);
      return pooled && { ...pooled, offset: 0, stride: TILE_SIZE };
    }
    const { size, data } = this.labels!;
    const offset = key.row * TILE_SIZE * size.width + key.column * TILE_SIZE;
    return { classes: data, coverage: null, offset, stride: size.width };
  }

  private keep(key: TileKey, tile: PaintedTile): void {
    const name = tileName(key);
    this.painted.delete(name);
    this.painted.set(name, { key, tile });
  }

  /** Drops the tiles that were not in use for longest; the newest `needed` stay in any case. */
  private makeRoom(needed: number): void {
    let bytes = 0;
    for (const { tile } of this.painted.values()) bytes += tile.context ? 4 * TILE_SIZE * TILE_SIZE : 0;
    let spare = this.painted.size - needed;
    for (const [name, { tile }] of this.painted) {
      if (bytes <= TILE_BYTES || spare-- <= 0) return;
      bytes -= tile.context ? 4 * TILE_SIZE * TILE_SIZE : 0;
      this.painted.delete(name);
    }
  }

  /** A line inside each object along its border, one path for each label. */
  private drawOutlines(labels: LabelMap, { left, top, scale }: DeviceFrame, visible: Box, lineWidth: number): void {
    const paths = new Map<number, Path2D>();
    visitBorders(labels, visible, (label, side, line, start, end) => {
      let path = paths.get(label);
      if (!path) {
        path = new Path2D();
        paths.set(label, path);
      }
      const isRow = side === 'top' || side === 'bottom';
      const far = side === 'bottom' || side === 'right';
      const [along, across] = isRow ? [left, top] : [top, left];
      const from = Math.round(along + start * scale);
      const length = Math.round(along + end * scale) - from;
      const edge = Math.round(across + (far ? line + 1 : line) * scale) - (far ? lineWidth : 0);
      if (isRow) path.rect(from, edge, length, lineWidth);
      else path.rect(edge, from, lineWidth, length);
    });
    for (const [label, path] of paths) {
      this.sheet.context.fillStyle = cssColour(this.palette[label]);
      this.sheet.context.fill(path);
    }
  }
}

function newTile({ width, height }: Size): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (!context) throw new Error('the browser gives no more canvas contexts');
  return context;
}

const cssColour = (pixel: number): string => `rgb(${pixel & 255} ${(pixel >>> 8) & 255} ${(pixel >>> 16) & 255})`;

/** The part of a box inside an image, in whole pixels; null where there is none. */
function clip(box: Box, { width, height }: Size): Box | null {
  const inside = {
    left: Math.max(0, Math.floor(box.left)),
    top: Math.max(0, Math.floor(box.top)),
    right: Math.min(width, Math.ceil(box.right)),
    bottom: Math.min(height, Math.ceil(box.bottom)),
  };
  return inside.left < inside.right && inside.top < inside.bottom ? inside : null;
}
