/** Encodings as the cache on disk keeps them. */
import type { Encoding } from '../encoders';
import type { NamedTensors } from '../runtime/tensors';

const TOKENS = 'patch_tokens';
const NORMALISED = 'normalised_tokens';
const PRE_NORM = 'pre_norm_tokens';
const MODEL_SIZE = 'model_size';

/** An encoding as named tensors; what is not a tensor (sizes) becomes one, so that a single container serves. */
export function toCached({ modelSize, tokens, preNormTokens, features }: Encoding): NamedTensors {
  const { grid, dim, data, normalised } = tokens;
  return {
    ...features,
    [normalised ? NORMALISED : TOKENS]: { dims: [grid.height, grid.width, dim], data },
    ...(preNormTokens && { [PRE_NORM]: { dims: [grid.height, grid.width, dim], data: preNormTokens.data } }),
    [MODEL_SIZE]: { dims: [2], data: Float32Array.of(modelSize.height, modelSize.width) },
  };
}

export function fromCached(tensors: NamedTensors): Encoding {
  const { [MODEL_SIZE]: size, [TOKENS]: plain, [NORMALISED]: unit, [PRE_NORM]: before, ...features } = tensors;
  const tokens = (unit ?? plain)!;
  const [height, width, dim] = tokens.dims;
  return {
    modelSize: { height: size!.data[0], width: size!.data[1] },
    tokens: { grid: { width, height }, dim, data: tokens.data, normalised: unit !== undefined },
    ...(before && { preNormTokens: { grid: { width, height }, dim, data: before.data, normalised: false } }),
    features,
  };
}
