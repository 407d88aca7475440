/** What a person or the matcher asks of a promptable segmenter (SAM, Kirillov et al. 2023, arXiv 2304.02643). */
import type { Point } from './geometry';

/** Why a candidate point became a prompt, or why it did not. */
export type PromptReason = 'kept' | 'failed backward' | 'outlier' | 'too close to a positive' | 'thinned';

/** Which stage proposed the candidate. */
export type PromptSource = 'forward' | 'hard' | 'instance';

/** One candidate of the automatic prompts. Those with reason `kept` are given to the segmenter. */
export interface PromptCandidate {
  /** Position in targetPx. */
  readonly point: Point;
  /** SAM's label: 1 foreground, 0 background. */
  readonly label: 0 | 1;
  readonly reason: PromptReason;
  readonly source: PromptSource;
  /** Target patch that the point is the centre of. */
  readonly patchIndex: number;
  /** Reference patch that proposed it. */
  readonly referencePatch: number;
  /** Reference patch that the target patch is nearest to. */
  readonly backPatch: number;
  /** Euclidean distance of the target token to the token of `referencePatch`. */
  readonly forwardDistance: number;
  /** Euclidean distance of the target token to the token of `backPatch`. */
  readonly backwardDistance: number;
  /** Index of the instance the prompt belongs to, 0 when the whole class is prompted at once. */
  readonly instance: number;
}
