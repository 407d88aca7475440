/** Promptable segmenters: image embedding once, prompts -> logits often. One small adapter per model family. */
import type { Size } from '../../core/geometry';
import type { DecodedMask, PromptSet, SegmenterCapabilities } from '../../core/prompting/segmenter';
import type { Encoding } from '../encoders';
import type { NamedTensors } from '../runtime/tensors';

/** What a decoder needs of an image; small enough to keep several, reused for every prompt. */
export interface ImageEmbedding {
  /** Size in modelPx of what the image was brought to, padding not counted; it covers the whole image. */
  readonly modelSize: Size;
  readonly tensors: NamedTensors;
}

interface Decoder {
  readonly capabilities: SegmenterCapabilities;
  /**
   * @param image size of the image in targetPx, the frame of all prompts.
   * @param prompts questions of the kinds that `capabilities` name.
   * @returns one mask per prompt set, logits covering the whole image.
   */
  decode(embedding: ImageEmbedding, image: Size, prompts: readonly PromptSet[]): Promise<DecodedMask[]>;
  dispose(): Promise<void>;
}

/** Makes its image embedding from the features of an encoder of its own family, at next to no cost. */
export interface FeatureSegmenter extends Decoder {
  readonly reads: 'features';
  /** Names of the features. */
  readonly needs: readonly string[];
  embed(encoding: Encoding): Promise<ImageEmbedding>;
}

/** Has an image encoder of its own; the embedding is worth keeping on disk. */
export interface PixelSegmenter extends Decoder {
  readonly reads: 'pixels';
  /** Size in modelPx to which an image of `size` pixels is to be brought. */
  inputSize(size: Size): Size;
  /**
   * @param pixels uint8 [modelSize.height, modelSize.width, 3], RGB.
   * @param modelSize as `inputSize` gave it.
   */
  embed(pixels: Uint8Array, modelSize: Size): Promise<ImageEmbedding>;
}

export type Segmenter = FeatureSegmenter | PixelSegmenter;
