/** How images are seen: whole or in tiles, and which sizes follow; see core/prompting/tiles.ts. */
import type { Size } from '../../core/geometry';
import type { Mask } from '../../core/pixels/mask';
import {
  chooseTiles,
  isWhole,
  planTiles,
  type TileCounts,
  type TilePlan,
  tilesOfView,
} from '../../core/prompting/tiles';
import type { TileChoice } from '../../core/strategies/strategy';
import type { Encoding, ImageEncoder } from '../encoders';

/** How images of a folder are seen, whatever their shape. */
export interface Tiling {
  /** Tiles along the short side of an image. */
  readonly view: number;
  /** Whether images are cut at all. */
  readonly isCut: boolean;
  /** Of a patch, in modelPx of the encoder. */
  readonly pitch: Size;
}

/** The tiles of an image of `size` in its own pixels, and the size of each in modelPx. */
export function planOf({ view, isCut, pitch }: Tiling, size: Size, encoder: ImageEncoder): SizedPlan {
  const tileSize = encoder.inputSize(size);
  const tileGrid = { width: tileSize.width / pitch.width, height: tileSize.height / pitch.height };
  return { plan: planTiles(isCut ? tilesOfView(view, size) : ONE, tileGrid), tileSize };
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

/**
 * What the references' masks ask for under `choice`, on the patches of their encodings; undefined: of a strategy that
 * cannot see parts.
 */
export function tilingOf(
  choice: TileChoice | undefined,
  references: readonly { encoding: Encoding; mask: Mask }[],
): Tiling {
  const { modelSize, tokens } = references[0]!.encoding;
  const pitch = { width: modelSize.width / tokens.grid.width, height: modelSize.height / tokens.grid.height };
  if (choice === undefined) return { view: 1, isCut: false, pitch };
  const chosen = () => chooseTiles(references.map(({ encoding, mask }) => ({ mask, grid: encoding.tokens.grid })));
  return { view: choice === 'off' ? 1 : choice === 'auto' ? chosen() : choice, isCut: true, pitch };
}

/**
 * A note on how an image is seen; none where it is seen as a whole.
 *
 * @param why so; nothing where undefined
 */
export const describeTiles = (tiles: TileCounts, why?: string): readonly string[] =>
  isWhole(tiles) ? [] : [`${why === undefined ? '' : `${why}: `}seen in ${tiles.columns} x ${tiles.rows} parts`];
