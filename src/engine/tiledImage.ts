/** Images encoded in tiles, to strategies one image with a finer grid; see core/tiles.ts. */
import type { Size } from '../core/geometry';
import type { PatchTokens } from '../core/patchGrid';
import type { EncodedImage } from '../core/strategies/strategy';
import { type TilePlan, TokenStitcher, tiledPromptable, tileFrame } from '../core/tiles';
import type { Encoding, ImageEncoder } from './encoders';
import type { Segmenter } from './segmenters';

/** Tiles whose encoding waits for the decoder, tokens left out: about 7 MB each. Others are encoded a second time. */
const TILES_KEPT = 9;

export interface TileModels {
  readonly encoder: ImageEncoder;
  readonly segmenter: Segmenter;
}

/** Size in modelPx of the whole image, of which each tile is as large as the encoder's usual input. */
export function tiledModelSize({ grid, tileGrid }: TilePlan, tileSize: Size): Size {
  return {
    width: (tileSize.width * grid.width) / tileGrid.width,
    height: (tileSize.height * grid.height) / tileGrid.height,
  };
}

export class TiledImage {
  private constructor(
    private readonly plan: TilePlan,
    private readonly tileSize: Size,
    /** uint8 RGB of the whole image at `tiledModelSize`. */
    private readonly pixels: Uint8Array,
    private readonly models: TileModels,
    private readonly pause: () => Promise<void>,
    private readonly kept: Map<number, Encoding>,
    private readonly tokens: PatchTokens,
  ) {}

  /**
   * Encodes all tiles, one at a time.
   *
   * @param pause called before each tile is encoded or decoded; what it throws ends the work
   */
  static async encode(
    plan: TilePlan,
    tileSize: Size,
    pixels: Uint8Array,
    models: TileModels,
    pause: () => Promise<void>,
  ): Promise<TiledImage> {
    const stitcher = new TokenStitcher(plan);
    const kept = new Map<number, Encoding>();
    for (const [index, tile] of plan.tiles.entries()) {
      await pause();
      const encoding = await models.encoder.encode(tilePixels(plan, index, tileSize, pixels), tileSize);
      stitcher.add(tile, encoding.tokens);
      // The whole grid has the tokens now.
      const tokens = { ...encoding.tokens, data: new Float32Array(0) };
      if (index < TILES_KEPT) kept.set(index, { ...encoding, tokens });
    }
    return new TiledImage(plan, tileSize, pixels, models, pause, kept, stitcher.finish());
  }

  /** As strategies see it; `size` in targetPx. */
  image(size: Size): EncodedImage {
    const { capabilities } = this.models.segmenter;
    return {
      size,
      tokens: this.tokens,
      capabilities,
      promptable: async () =>
        tiledPromptable(this.plan, size, capabilities, async (index) => {
          await this.pause();
          const { encoder, segmenter } = this.models;
          const encoding =
            this.kept.get(index) ??
            (await encoder.encode(tilePixels(this.plan, index, this.tileSize, this.pixels), this.tileSize));
          const embedding = await segmenter.embed(encoding);
          const frame = tileFrame(this.plan, size);
          return { capabilities, decode: (prompts) => segmenter.decode(embedding, frame, prompts) };
        }),
    };
  }
}

/** uint8 RGB of one tile. */
function tilePixels(plan: TilePlan, index: number, tileSize: Size, pixels: Uint8Array): Uint8Array {
  const { column, row } = plan.tiles[index]!;
  const { width } = tiledModelSize(plan, tileSize);
  const left = (column * tileSize.width) / plan.tileGrid.width;
  const top = (row * tileSize.height) / plan.tileGrid.height;
  const part = new Uint8Array(tileSize.width * tileSize.height * 3);
  for (let y = 0; y < tileSize.height; y++) {
    const from = ((top + y) * width + left) * 3;
    part.set(pixels.subarray(from, from + tileSize.width * 3), y * tileSize.width * 3);
  }
  return part;
}
