/** Puts the tiles of a view on a canvas, and in place of missing ones whatever else shows the same. */
import type { Box, Size } from '../../src/core/geometry';
import type { Context } from './sheet';
import { type DeviceRect, deviceRect, standInsFor, type TileGrid, type TileKey } from './tileGrid';
import type { DeviceFrame } from './viewport';

/** A tile as it is known: null where nothing in it shows, undefined where it is not there. */
type Drawable = CanvasImageSource | null | undefined;

/** Coarse pictures are cut to what is visible, and this many of their pixels more, which their smoothing looks at. */
const MARGIN = 2;

/**
 * Draws the visible tiles of the level that fits the scale.
 *
 * @param visible in targetPx.
 * @param drawBase draws what lies under everything while tiles are missing.
 * @returns whether anything was drawn.
 */
export function drawTiles(
  context: Context,
  grid: TileGrid,
  frame: DeviceFrame,
  visible: Box,
  tileOf: (key: TileKey) => Drawable,
  drawBase?: () => void,
): boolean {
  const level = grid.levelFor(frame.scale);
  const needed = grid.tilesIn(visible, level).map((key) => ({ key, tile: tileOf(key) }));
  const missing = needed.filter(({ tile }) => tile === undefined).map(({ key }) => key);
  const shown = needed.filter(({ tile }) => tile !== undefined);
  let shows = shown.some(({ tile }) => tile !== null);
  if (missing.length > 0) {
    drawBase?.();
    const { coarser, finer } = standInsFor(grid, missing, (key) => tileOf(key) !== undefined);
    const standIns = [...coarser, ...finer].map((key) => ({ key, tile: tileOf(key) }));
    shows ||= drawBase !== undefined || standIns.some(({ tile }) => tile);
    for (const { key, tile } of standIns) drawTile(context, grid, frame, visible, key, tile, true);
  }
  for (const { key, tile } of shown) drawTile(context, grid, frame, visible, key, tile, shows && missing.length > 0);
  return shows;
}

function drawTile(
  context: Context,
  grid: TileGrid,
  frame: DeviceFrame,
  visible: Box,
  key: TileKey,
  tile: Drawable,
  covers: boolean,
): void {
  if (tile === undefined) return;
  const box = grid.tileBox(key);
  const rect = deviceRect(frame, box, grid.size);
  // A tile replaces what stands in for it, also where either is transparent.
  if (covers) clearRect(context, rect);
  if (tile === null) return;
  // DevicePx per pixel of the tile: on the level that fits, more than a half and no more than 1, or more on level 0.
  const scale = frame.scale * 2 ** key.level;
  if (key.level > 0 && scale > 2) {
    // A stand-in that is far too coarse is mostly off screen, too.
    drawPicture(context, tile, grid.tilePixels(key), box, frame, visible);
    return;
  }
  context.imageSmoothingEnabled = key.level > 0 ? scale !== 1 : scale < 1;
  // At the border of the picture, only as much of the tile's last pixel as lies on the picture and in the rectangle.
  const width = Math.min((box.right - box.left) / 2 ** key.level, rect.width / scale);
  const height = Math.min((box.bottom - box.top) / 2 ** key.level, rect.height / scale);
  context.drawImage(tile, 0, 0, width, height, rect.x, rect.y, rect.width, rect.height);
}

function clearRect(context: Context, { x, y, width, height }: DeviceRect): void {
  context.clearRect(x, y, width, height);
}

/** Stretches a picture over a box (targetPx), smoothly, as far as it is visible. */
export function drawPicture(
  context: Context,
  picture: CanvasImageSource,
  size: Size,
  box: Box,
  frame: DeviceFrame,
  visible: Box,
  smooth = true,
): void {
  const columns = span(size.width, box.left, box.right, visible.left, visible.right);
  const rows = span(size.height, box.top, box.bottom, visible.top, visible.bottom);
  if (columns.count <= 0 || rows.count <= 0) return;
  context.imageSmoothingEnabled = smooth;
  context.drawImage(
    picture,
    columns.first,
    rows.first,
    columns.count,
    rows.count,
    frame.left + columns.start * frame.scale,
    frame.top + rows.start * frame.scale,
    columns.length * frame.scale,
    rows.length * frame.scale,
  );
}

/**
 * Pixels of a picture that lie in the visible part of an axis, and where they start and how long they are in targetPx.
 */
function span(pixels: number, start: number, end: number, from: number, to: number) {
  const step = (end - start) / pixels;
  const first = Math.max(0, Math.floor((from - start) / step) - MARGIN);
  const last = Math.min(pixels, Math.ceil((to - start) / step) + MARGIN);
  return { first, count: last - first, start: start + first * step, length: (last - first) * step };
}
