/**
 * Stages *self-training* and *adaptation*: the foreground prior learns what the object looks like in *this* target, as
 * in self-training (Scudder 1965; pseudo-labels, Lee 2013): first from its own scores, then from the mask it led to.
 * What is sure of these are its labels; the weights stay near those that the reference gave.
 */

import { type FloatMap, resizeBilinear } from '../../pixels/raster';
import {
  type ForegroundClassifier,
  foregroundScores,
  PENALTY,
  pickTokens,
  refitForeground,
  scorePrompt,
  standOut,
} from '../../tokens/foregroundPrior';
import { samplePatches } from '../../tokens/matching';
import type { PatchTokens } from '../../tokens/patchGrid';

/**
 * Probability 0.88: what the decoder is less sure of teaches nothing (1: Dice +0.003; 3: -0.008; see docs/accuracy.md).
 */
const LEAST_LOGIT = 2;

/** Of each kind: more teach the same and cost time (256 and 768: Dice within 0.0002; see docs/accuracy.md). */
const MOST_PATCHES = 512;

/**
 * A handful of steps from the reference's weights keeps most of them, and costs little (2: Dice -0.002; 5: +0.0002; see
 * docs/accuracy.md).
 */
const ITERATIONS = 3;

/**
 * Of the adapted scores; the rest is the reference's, which holds where the mask was wrong (1/3: Dice -0.023; 1:
 * -0.011; see docs/accuracy.md).
 */
const ADAPTED_SHARE = 2 / 3;

/**
 * What the classifier itself is sure of: from this share of the way between the median score and the highest ones (0.5:
 * Dice -0.005; 0.9: -0.007; see docs/accuracy.md).
 */
const SURE_SHARE = 0.75;

/**
 * Scores of all patches, float32 on the target's grid, by the classifier adapted to what it is itself sure of in the
 * target: patches with the highest scores are the object, those nearer to the median than halfway to them are not.
 * Where the two part differs from image to image; a reference tells only the order.
 */
export function selfTrainedScores(classifier: ForegroundClassifier, scores: FloatMap, tokens: PatchTokens): FloatMap {
  const { median, reach } = standOut(scores);
  const sure = SURE_SHARE * reach;
  const foreground = patchesBetween(scores.data, median + sure, Number.POSITIVE_INFINITY);
  const background = patchesBetween(scores.data, Number.NEGATIVE_INFINITY, median + sure / 2);
  return learntScores(classifier, scores, tokens, foreground, background);
}

/** Patches with a value greater than `low` and less than `high`, ascending. */
function patchesBetween(values: Float32Array, low: number, high: number): Int32Array {
  const patches = new Int32Array(values.length);
  let count = 0;
  for (let patch = 0; patch < values.length; patch++) {
    if (values[patch] > low && values[patch] < high) patches[count++] = patch;
  }
  return patches.subarray(0, count);
}

/**
 * Scores of all patches, float32 on the target's grid, by the classifier adapted to the target; undefined where no
 * patch is surely foreground.
 *
 * @param scores what the classifier itself says of the target
 * @param logits of the mask that these scores led to, over the whole image
 */
export function adaptedScores(
  classifier: ForegroundClassifier,
  scores: FloatMap,
  tokens: PatchTokens,
  logits: FloatMap,
): FloatMap | undefined {
  // The logit at each patch's centre: neighbours blur what a mean over the patch would call sure.
  const { data } = resizeBilinear(logits, tokens.grid);
  const foreground = patchesBetween(data, LEAST_LOGIT, Number.POSITIVE_INFINITY);
  if (foreground.length === 0) return undefined;
  const background = patchesBetween(data, Number.NEGATIVE_INFINITY, -LEAST_LOGIT);
  return learntScores(classifier, scores, tokens, foreground, background);
}

/** By a classifier that has learnt from patches of the target, with a share of the scores that it had before. */
function learntScores(
  classifier: ForegroundClassifier,
  scores: FloatMap,
  tokens: PatchTokens,
  foreground: Int32Array,
  background: Int32Array,
): FloatMap {
  const object = samplePatches(foreground, MOST_PATCHES);
  const rest = samplePatches(background, MOST_PATCHES);
  const teaching = new Int32Array(object.length + rest.length);
  teaching.set(object);
  teaching.set(rest, object.length);
  const coverage = new Float32Array(teaching.length).fill(1, 0, object.length);
  const adapted = refitForeground(
    { tokens: pickTokens(tokens, teaching), coverage },
    {
      near: classifier,
      penalty: (PENALTY * teaching.length) / scores.data.length,
      iterations: ITERATIONS,
    },
  );
  const { size, data } = scorePrompt(foregroundScores(adapted, tokens));
  const first = scorePrompt(scores).data;
  for (let patch = 0; patch < data.length; patch++) {
    data[patch] = ADAPTED_SHARE * data[patch] + (1 - ADAPTED_SHARE) * first[patch];
  }
  return { size, data };
}
