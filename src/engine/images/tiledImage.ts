/** Images encoded in tiles, to strategies one image with a finer grid; see core/prompting/tiles.ts. */
import type { Size } from '../../core/geometry';
import type { PromptableImage, PromptSet } from '../../core/prompting/segmenter';
import { type TilePlan, TokenStitcher, tiledPromptable, tileFrame } from '../../core/prompting/tiles';
import type { PatchTokens } from '../../core/tokens/patchGrid';
import type { Encoding, ImageEncoder } from '../encoders';
import type { Segmenter } from '../segmenters';
import { type SizedPlan, tiledModelSize } from './tiling';

/** Tiles whose encoding waits for the decoder, tokens left out: about 7 MB each. Others are encoded a second time. */
const TILES_KEPT = 9;

/** uint8 RGB of a whole image, at the size of all its tiles together. */
interface Pixels {
  readonly size: Size;
  readonly data: Uint8Array;
}

/** What the tiles of an image are made from, so that no file is touched during inference. */
export interface TileSource extends SizedPlan {
  /** Of the image in its own pixels. */
  readonly size: Size;
  readonly pixels: Pixels;
  /** Where the segmenter reads pixels too: those, and the size of a tile in its modelPx. */
  readonly segmenter?: { readonly pixels: Pixels; readonly tileSize: Size };
}

export interface TileModels {
  readonly encoder: ImageEncoder;
  readonly segmenter: Segmenter;
}

/**
 * @param size of the image in its own pixels
 * @param read uint8 RGB of all of it, stretched to a size
 */
export async function readTileSource(
  size: Size,
  read: (size: Size) => Promise<Uint8Array>,
  sized: SizedPlan,
  segmenter: Segmenter,
): Promise<TileSource> {
  const pixels = async (of: Size): Promise<Pixels> => ({ size: of, data: await read(of) });
  const source = { size, ...sized, pixels: await pixels(tiledModelSize(sized)) };
  if (segmenter.reads === 'features') return source;
  const { plan } = sized;
  const tileSize = segmenter.inputSize(tileFrame(plan, size));
  return { ...source, segmenter: { tileSize, pixels: await pixels(tiledModelSize({ plan, tileSize })) } };
}

/** Tokens of the whole image, of pixels that are read already. */
export async function encodeTokens(
  { plan, tileSize }: SizedPlan,
  pixels: Uint8Array,
  encoder: ImageEncoder,
): Promise<PatchTokens> {
  const whole = { size: tiledModelSize({ plan, tileSize }), data: pixels };
  const stitcher = new TokenStitcher(plan);
  for (const [index, tile] of plan.tiles.entries()) {
    stitcher.add(tile, (await encoder.encode(tilePixels(plan, index, tileSize, whole), tileSize)).tokens);
  }
  return stitcher.finish();
}

export class TiledImage {
  private constructor(
    private readonly source: TileSource,
    private readonly models: TileModels,
    private readonly pause: () => Promise<void>,
    private readonly kept: ReadonlyMap<number, Encoding>,
    private readonly tokens: PatchTokens,
  ) {}

  /**
   * Encodes all tiles, one at a time.
   *
   * @param pause called before each tile is encoded or decoded; what it throws ends the work
   */
  static async encode(source: TileSource, models: TileModels, pause: () => Promise<void>): Promise<TiledImage> {
    const { plan, tileSize, pixels } = source;
    const stitcher = new TokenStitcher(plan);
    const kept = new Map<number, Encoding>();
    for (const [index, tile] of plan.tiles.entries()) {
      await pause();
      const encoding = await models.encoder.encode(tilePixels(plan, index, tileSize, pixels), tileSize);
      stitcher.add(tile, encoding.tokens);
      // The whole grid has the tokens now.
      const { modelSize, features, tokens } = encoding;
      const light = { modelSize, features, tokens: { ...tokens, data: new Float32Array(0) } };
      if (index < TILES_KEPT && models.segmenter.reads === 'features') kept.set(index, light);
    }
    return new TiledImage(source, models, pause, kept, stitcher.finish());
  }

  get image(): { size: Size; tokens: PatchTokens; promptable: () => Promise<PromptableImage> } {
    const { size } = this.source;
    const { capabilities } = this.models.segmenter;
    return {
      size,
      tokens: this.tokens,
      promptable: async () =>
        tiledPromptable(this.source.plan, size, capabilities, async (index) => {
          await this.pause();
          const embedding = await this.embedding(index);
          const frame = tileFrame(this.source.plan, size);
          const { segmenter } = this.models;
          return {
            capabilities,
            decode: (prompts: readonly PromptSet[]) => segmenter.decode(embedding, frame, prompts),
          };
        }),
    };
  }

  private async embedding(index: number) {
    const { plan, tileSize, pixels, segmenter: own } = this.source;
    const { encoder, segmenter } = this.models;
    if (segmenter.reads === 'pixels') {
      return segmenter.embed(tilePixels(plan, index, own!.tileSize, own!.pixels), own!.tileSize);
    }
    const known = this.kept.get(index);
    return segmenter.embed(known ?? (await encoder.encode(tilePixels(plan, index, tileSize, pixels), tileSize)));
  }
}

/** uint8 RGB of one tile; where its corner falls between pixels, from the nearest one. */
function tilePixels(plan: TilePlan, index: number, tileSize: Size, { size, data }: Pixels): Uint8Array {
  const { column, row } = plan.tiles[index]!;
  const corner = (patches: number, of: number, length: number, whole: number) =>
    Math.min(Math.round((patches * length) / of), whole - length);
  const left = corner(column, plan.tileGrid.width, tileSize.width, size.width);
  const top = corner(row, plan.tileGrid.height, tileSize.height, size.height);
  const part = new Uint8Array(tileSize.width * tileSize.height * 3);
  for (let y = 0; y < tileSize.height; y++) {
    const from = ((top + y) * size.width + left) * 3;
    part.set(data.subarray(from, from + tileSize.width * 3), y * tileSize.width * 3);
  }
  return part;
}
