/**
 * What a promptable segmenter is asked and what it answers (SAM, Kirillov et al. 2023, arXiv 2304.02643), whatever its
 * family. Adapters translate between this and their graph's frame, padding and label encoding.
 */
import type { Box, Point } from './geometry';
import type { FloatMap } from './raster';

/** What a family can do; what it cannot is degraded by the adapter or the strategy, and noted in the result. */
export interface SegmenterCapabilities {
  readonly points: boolean;
  readonly negatives: boolean;
  readonly box: boolean;
  readonly maskPrompt: boolean;
  /** Several prompt sets in one run. */
  readonly promptBatch: boolean;
  /** Several candidate masks per prompt set. */
  readonly multimask: boolean;
  /** True when one prompt set means a whole class (the embedded decoder); false when it means one object (SAM). */
  readonly wholeClass: boolean;
}

export interface PointPrompt {
  /** Position in targetPx. */
  readonly point: Point;
  /** 1 foreground, 0 background. */
  readonly label: 0 | 1;
}

/** One prompt set: one question, one mask. */
export interface PromptSet {
  readonly points: readonly PointPrompt[];
  /** In targetPx. */
  readonly box?: Box;
  /** Logits of a previous or assumed mask; covers the whole image at any resolution. */
  readonly maskPrompt?: FloatMap;
}

export interface DecodedMask {
  /** Logits that cover the whole image at the decoder's resolution; above 0 is foreground. */
  readonly logits: FloatMap;
  /** The segmenter's own estimate of the mask's IoU, nominally in [0, 1]. */
  readonly iouPrediction: number;
}

/** A segmenter bound to one image's embedding. */
export interface PromptableImage {
  readonly capabilities: SegmenterCapabilities;
  /** One mask per prompt set, in order. */
  decode(prompts: readonly PromptSet[]): Promise<DecodedMask[]>;
}
