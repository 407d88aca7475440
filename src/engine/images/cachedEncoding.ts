/** Encodings as the cache on disk keeps them. */
import type { Box } from '../../core/geometry';
import { WHOLE } from '../../core/pixels/plainBorder';
import type { Encoding } from '../encoders';
import type { NamedTensors } from '../runtime/tensors';

const TOKENS = 'patch_tokens';
const NORMALISED = 'normalised_tokens';
const PRE_NORM = 'pre_norm_tokens';
const MODEL_SIZE = 'model_size';
const PICTURE = 'picture';

/** What is kept of an image: its encoding, and where its picture lies in it (see `pictureIn` of core). */
interface KeptEncoding {
  readonly encoding: Encoding;
  readonly picture: Box;
}

/** As named tensors; what is not a tensor (sizes) becomes one, so that a single container serves. */
export function toCached({ encoding, picture }: KeptEncoding): NamedTensors {
  const { modelSize, tokens, preNormTokens, features } = encoding;
  const { grid, dim, data, normalised } = tokens;
  return {
    ...features,
    [normalised ? NORMALISED : TOKENS]: { dims: [grid.height, grid.width, dim], data },
    ...(preNormTokens && { [PRE_NORM]: { dims: [grid.height, grid.width, dim], data: preNormTokens.data } }),
    [MODEL_SIZE]: { dims: [2], data: Float32Array.of(modelSize.height, modelSize.width) },
    [PICTURE]: { dims: [4], data: Float32Array.of(picture.left, picture.top, picture.right, picture.bottom) },
  };
}

export function fromCached(tensors: NamedTensors): KeptEncoding {
  const { [MODEL_SIZE]: size, [PICTURE]: shares, ...others } = tensors;
  const { [TOKENS]: plain, [NORMALISED]: unit, [PRE_NORM]: before, ...features } = others;
  const tokens = (unit ?? plain)!;
  const [height, width, dim] = tokens.dims;
  const encoding = {
    modelSize: { height: size!.data[0], width: size!.data[1] },
    tokens: { grid: { width, height }, dim, data: tokens.data, normalised: unit !== undefined },
    ...(before && { preNormTokens: { grid: { width, height }, dim, data: before.data, normalised: false } }),
    features,
  };
  // Encodings that were kept before borders were looked at.
  if (!shares) return { encoding, picture: WHOLE };
  const [left, top, right, bottom] = shares.data;
  return { encoding, picture: { left, top, right, bottom } };
}
