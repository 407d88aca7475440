/** What a strategy answers where there is nothing, or nothing to be believed. */
import type { Size } from '../geometry';
import { emptyRuns } from '../pixels/mask';
import type { PromptCandidate } from '../prompting/prompts';
import type { Segmentation } from './strategy';

/** Nothing was found in an image of `size` (targetPx); `prompts` are those that were tried, `notes` say why. */
export const absent = (size: Size, prompts: readonly PromptCandidate[], notes: readonly string[]): Segmentation => ({
  outcome: 'absent',
  mask: emptyRuns(size),
  instances: [],
  logits: [],
  prompts,
  iouPrediction: undefined,
  notes,
});

/**
 * The segmentation without its mask. What was found is not told but in the numbers, so that a person can see how near
 * it was: trust, its parts and the IoU prediction stay.
 */
export const withdrawn = (found: Segmentation, notes: readonly string[]): Segmentation => ({
  ...found,
  outcome: 'absent',
  mask: emptyRuns(found.mask.size),
  instances: [],
  logits: [],
  notes,
});
