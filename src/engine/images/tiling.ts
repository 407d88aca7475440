/** How images are seen: whole or in tiles, and which sizes follow; see core/prompting/tiles.ts. */
import type { Size } from '../../core/geometry';
import {
  isWhole,
  planTiles,
  type TileCounts,
  type TilePlan,
  tileFrame,
  tileLength,
  tilesOf,
  tilesOfLength,
} from '../../core/prompting/tiles';
import type { Encoding, ImageEncoder } from '../encoders';

/** How images of a folder are cut. */
export interface Tiling {
  /** Whether they are, for their shape and scale. */
  readonly isCut: boolean;
  /** Of a patch, in modelPx of the encoder. */
  readonly pitch: Size;
}

/** The tiles of an image of `size` in its own pixels that is seen as a whole, and the size of each in modelPx. */
export function planOf({ isCut, pitch }: Tiling, size: Size, encoder: ImageEncoder): SizedPlan {
  const tileSize = encoder.inputSize(size);
  const tileGrid = { width: tileSize.width / pitch.width, height: tileSize.height / pitch.height };
  return { plan: planTiles(isCut ? tilesOf(size) : ONE, tileGrid), tileSize };
}

/** The tiles of an image in so many parts where there was one. */
export function planParts({ plan, tileSize }: SizedPlan, size: Size, parts: number): SizedPlan {
  const { width, height } = tileFrame(plan, size);
  const finer = { width: tileLength(width, parts), height: tileLength(height, parts) };
  return { plan: planTiles(tilesOfLength(finer, size), plan.tileGrid), tileSize };
}

const ONE: TileCounts = { columns: 1, rows: 1 };

export interface SizedPlan {
  readonly plan: TilePlan;
  readonly tileSize: Size;
}

/** Size in modelPx of the whole image, of which each tile has `tileSize`. */
export function tiledModelSize({ plan: { grid, tileGrid }, tileSize }: SizedPlan): Size {
  return {
    width: Math.round((tileSize.width * grid.width) / tileGrid.width),
    height: Math.round((tileSize.height * grid.height) / tileGrid.height),
  };
}

/** How images are cut that are encoded as this one is. */
export const tilingOf = (isCut: boolean, { modelSize, tokens: { grid } }: Encoding): Tiling => ({
  isCut,
  pitch: { width: modelSize.width / grid.width, height: modelSize.height / grid.height },
});

/**
 * A note on how an image is seen; none where it is seen as a whole.
 *
 * @param why so; nothing where undefined
 */
export const describeTiles = (tiles: TileCounts, why?: string): readonly string[] =>
  isWhole(tiles) ? [] : [`${why === undefined ? '' : `${why}: `}seen in ${tiles.columns} x ${tiles.rows} parts`];
