/** Changed copies of an image: their pixels as an encoder takes them, and their tokens. */
import type { Box, Size } from '../../core/geometry';
import { isWhole } from '../../core/prompting/tiles';
import type { ImageVariant, StageRunner } from '../../core/strategies/strategy';
import type { PatchTokens } from '../../core/tokens/patchGrid';
import type { IntensityWindow } from '../../protocol/engineApi';
import type { ImageEncoder } from '../encoders';
import type { ImageFile } from '../pictures/imageFile';
import { readRgb } from '../pictures/imagePixels';
import { encodeTokens } from './tiledImage';
import { type SizedPlan, tiledModelSize } from './tiling';

/** uint8 RGB [modelSize.height, modelSize.width, 3] of the changed image. */
export async function readVariant(
  file: ImageFile,
  change: ImageVariant,
  modelSize: Size,
  window: IntensityWindow | undefined,
): Promise<Uint8Array> {
  switch (change.kind) {
    case 'mirror':
      return mirror(await readRgb(file, modelSize, window), modelSize);
    case 'gamma':
      return withGamma(await readRgb(file, modelSize, window), change.gamma);
    case 'zoom':
      return await readPart(file, change.box, modelSize, window);
  }
}

/** A part of an image, in its own pixels, stretched to the model's input: uint8 RGB [height, width, 3]. */
export async function readPart(
  file: ImageFile,
  { left, top, right, bottom }: Box,
  modelSize: Size,
  window: IntensityWindow | undefined,
): Promise<Uint8Array> {
  const { size } = file.info;
  const x = modelSize.width / (right - left);
  const y = modelSize.height / (bottom - top);
  // Enlarged as a whole and then cut, so that decoding and resizing stay one step.
  const enlarged = { width: Math.ceil(size.width * x), height: Math.ceil(size.height * y) };
  return cut(await readRgb(file, enlarged, window), enlarged, Math.floor(left * x), Math.floor(top * y), modelSize);
}

/** Tokens of the changed image, seen in the same tiles. */
export async function encodeVariant(
  file: ImageFile,
  change: ImageVariant,
  window: IntensityWindow | undefined,
  sized: SizedPlan,
  encoder: ImageEncoder,
  { stage }: StageRunner,
): Promise<PatchTokens> {
  const { plan, tileSize } = sized;
  if (isWhole(plan)) {
    return (await encoder.encode(await readVariant(file, change, tileSize, window), tileSize)).tokens;
  }
  const pixels = await readVariant(file, change, tiledModelSize(sized), window);
  return await stage('encode', () => encodeTokens(sized, pixels, encoder));
}

function mirror(rgb: Uint8Array, { width }: Size): Uint8Array {
  const mirrored = new Uint8Array(rgb.length);
  for (let start = 0; start < rgb.length; start += width * 3) {
    for (let x = 0; x < width; x++) {
      const from = start + x * 3;
      mirrored.set(rgb.subarray(from, from + 3), start + (width - 1 - x) * 3);
    }
  }
  return mirrored;
}

function withGamma(rgb: Uint8Array, gamma: number): Uint8Array {
  const curve = Uint8Array.from({ length: 256 }, (_, value) => Math.round(255 * (value / 255) ** gamma));
  return rgb.map((value) => curve[value]);
}

function cut(rgb: Uint8Array, size: Size, left: number, top: number, to: Size): Uint8Array {
  const part = new Uint8Array(to.width * to.height * 3);
  for (let y = 0; y < to.height; y++) {
    const from = ((top + y) * size.width + left) * 3;
    part.set(rgb.subarray(from, from + to.width * 3), y * to.width * 3);
  }
  return part;
}
