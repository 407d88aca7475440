/**
 * Stage *decoding*: what a promptable segmenter is asked and what it answers (SAM, Kirillov et al. 2023, arXiv
 * 2304.02643), whatever its family. Adapters translate between this and their graph's frame, padding and label
 * encoding.
 */
import { area, type Box, describeSize, type Point } from '../geometry';
import type { FloatMap } from '../pixels/raster';

/** What a family can do; what it cannot is degraded by the adapter or the strategy, and noted in the result. */
export interface SegmenterCapabilities {
  readonly points: boolean;
  readonly negatives: boolean;
  readonly box: boolean;
  readonly maskPrompt: boolean;
  /** Goes on from its own last answer as mask prompt, as SAM was trained to; others then heed new points less. */
  readonly iterative: boolean;
  /** Several prompt sets in one run. */
  readonly promptBatch: boolean;
  /** Several candidate masks per prompt set. */
  readonly multimask: boolean;
  /** Most points of one prompt set, a box counting as two; any number where undefined. */
  readonly mostPoints?: number;
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

/** Throws RangeError for a question that no segmenter, or not one of these capabilities (where given), can be asked. */
export function checkPrompts({ points, box, maskPrompt }: PromptSet, capabilities?: SegmenterCapabilities): void {
  if (points.length === 0 && !box && !maskPrompt) {
    throw new RangeError('expected a point, a box or a mask prompt, got none');
  }
  const asked = {
    points: points.length > 0,
    negatives: points.some(({ label }) => label === 0),
    box: box !== undefined,
    maskPrompt: maskPrompt !== undefined,
  };
  for (const [kind, name] of PROMPT_KINDS) {
    if (asked[kind] && capabilities && !capabilities[kind]) throw new RangeError(`the segmenter takes no ${name}`);
  }
  for (const { point, label } of points) {
    if (!(Number.isFinite(point.x) && Number.isFinite(point.y) && (label === 0 || label === 1))) {
      throw new RangeError(
        `expected points of finite x and y with label 0 or 1, got (${point.x}, ${point.y}): ${label}`,
      );
    }
  }
  if (box) {
    const { left, top, right, bottom } = box;
    if (!([left, top, right, bottom].every(Number.isFinite) && left < right && top < bottom)) {
      throw new RangeError(`expected a box with left < right and top < bottom, got ${JSON.stringify(box)}`);
    }
  }
  if (maskPrompt) {
    const { size, data } = maskPrompt;
    if (!(area(size) >= 1)) throw new RangeError(`a mask prompt has at least one value, got ${describeSize(size)}`);
    if (data.length !== area(size)) {
      throw new RangeError(`a mask prompt of ${describeSize(size)} needs ${area(size)} values, got ${data.length}`);
    }
    if (!data.every(Number.isFinite)) throw new RangeError('a mask prompt holds finite logits only');
  }
}

const PROMPT_KINDS = [
  ['points', 'points'],
  ['negatives', 'negative points'],
  ['box', 'box'],
  ['maskPrompt', 'mask prompt'],
] as const;
