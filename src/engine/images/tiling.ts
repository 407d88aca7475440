/** How images are seen: whole or in tiles, and which sizes follow; see core/prompting/tiles.ts. */
import type { Size } from '../../core/geometry';
import type { Mask } from '../../core/pixels/mask';
import { chooseTiles, planTiles, type TilePlan } from '../../core/prompting/tiles';
import type { TileChoice } from '../../core/strategies/strategy';
import type { Encoding } from '../encoders';

/** Tiles per side, and modelPx of the encoder per patch. */
export interface Tiling {
  readonly tilesPerSide: number;
  readonly pitch: Size;
}

/** The tiles of an image whose size as model input would be `modelSize`, and the size of each. */
export function planOf({ tilesPerSide, pitch }: Tiling, modelSize: Size): { plan: TilePlan; tileSize: Size } {
  const tileGrid = { width: modelSize.width / pitch.width, height: modelSize.height / pitch.height };
  return { plan: planTiles(tilesPerSide, tileGrid), tileSize: modelSize };
}

/** Size in modelPx of the whole image, of which each tile has `tileSize`. */
export function tiledModelSize({ grid, tileGrid }: TilePlan, tileSize: Size): Size {
  return {
    width: Math.round((tileSize.width * grid.width) / tileGrid.width),
    height: Math.round((tileSize.height * grid.height) / tileGrid.height),
  };
}

/** What the references' masks ask for under `choice`, on the patches of their encodings. */
export function tilingOf(choice: TileChoice, references: readonly { encoding: Encoding; mask: Mask }[]): Tiling {
  const { modelSize, tokens } = references[0]!.encoding;
  const pitch = { width: modelSize.width / tokens.grid.width, height: modelSize.height / tokens.grid.height };
  if (choice === 'off') return { tilesPerSide: 1, pitch };
  if (choice !== 'auto') return { tilesPerSide: choice, pitch };
  return {
    tilesPerSide: chooseTiles(references.map(({ encoding, mask }) => ({ mask, grid: encoding.tokens.grid }))),
    pitch,
  };
}

export const describeTiling = ({ tilesPerSide }: Tiling, chosen: boolean): string =>
  `${chosen ? 'the objects are many and small: they are ' : ''}seen in ${tilesPerSide} x ${tilesPerSide} tiles`;
