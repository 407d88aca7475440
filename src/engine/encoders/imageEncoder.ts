/** Image encoders: pixels -> patch tokens and features. One small adapter per model family behind one interface. */
import type { Size } from '../../core/geometry';
import type { PatchTokens } from '../../core/tokens/patchGrid';
import { UserError } from '../../core/userError';
import { familyTraits } from '../../models/families';
import type { ModelEntry } from '../../models/manifest';
import type { NamedTensors } from '../runtime/tensors';

/** What an encoder makes of one image. */
export interface Encoding {
  /** Size of the model input, in modelPx; it covers the whole image. */
  readonly modelSize: Size;
  readonly tokens: PatchTokens;
  /** The same before the model's last norm, where it gives them. */
  readonly preNormTokens?: PatchTokens;
  /** Further outputs that a segmenter of the same family reads; empty for a pure encoder. */
  readonly features: NamedTensors;
}

export interface ImageEncoder {
  /** Names of the features that it gives. */
  readonly features: readonly string[];
  /** Size in modelPx to which an image of `size` pixels is stretched. */
  inputSize(size: Size): Size;
  /**
   * @param pixels uint8 [modelSize.height, modelSize.width, 3], RGB.
   * @param modelSize as `inputSize` gave it.
   */
  encode(pixels: Uint8Array, modelSize: Size): Promise<Encoding>;
  dispose(): Promise<void>;
}

/** Pixels per patch of a model. */
export const patchSizeOf = ({ kind, family, patchSize }: ModelEntry): number =>
  patchSize ?? familyTraits(kind, family)!.patchSize;

/** Side of a model's square input. Throws UserError when patches do not fill it. */
export function inputSideOf(entry: ModelEntry): number {
  const side = entry.inputSide ?? familyTraits(entry.kind, entry.family)!.inputSide;
  const patch = patchSizeOf(entry);
  if (side % patch !== 0) {
    throw new UserError(
      `The ${entry.kind} "${entry.id}" has input side ${side} in its manifest; expected a multiple of ${patch}.`,
    );
  }
  return side;
}
