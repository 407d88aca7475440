/**
 * Adaptation (stage D): the foreground prior learns from the mask it led to what the object looks like in *this* target, as
 * in self-training (Scudder 1965; pseudo-labels, Lee 2013). Patches whose logits are sure are its labels; the weights stay
 * near those that the reference gave.
 */
import { type ForegroundClassifier, fitForeground, foregroundScores, PENALTY, scorePrompt } from './foregroundPrior';
import { samplePatches } from './matching';
import type { PatchTokens } from './patchGrid';
import { type FloatMap, resizeBilinear } from './raster';

/** Probability 0.88: what the decoder is less sure of teaches nothing. */
const LEAST_LOGIT = 2;

/** Of each kind: more teach the same and cost time. */
const MOST_PATCHES = 512;

/** A handful of steps from the reference's weights keeps most of them, and costs little. */
const ITERATIONS = 3;

/** Of the adapted scores; the rest is the reference's, which holds where the mask was wrong. */
const ADAPTED_SHARE = 2 / 3;

/**
 * Scores of all patches, float32 on the target's grid, by the classifier adapted to the target; undefined where no patch
 * is surely foreground.
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
  const patches = Int32Array.from(data, (_, patch) => patch);
  const foreground = samplePatches(
    patches.filter((patch) => data[patch] > LEAST_LOGIT),
    MOST_PATCHES,
  );
  if (foreground.length === 0) return undefined;
  const background = samplePatches(
    patches.filter((patch) => data[patch] < -LEAST_LOGIT),
    MOST_PATCHES,
  );
  const teaches = new Set([...foreground, ...background]);
  const coverage = Float32Array.from(data, (logit) => (logit > 0 ? 1 : 0));
  const adapted = fitForeground([{ tokens, coverage }], {
    use: (_, patch) => teaches.has(patch),
    near: classifier,
    penalty: (PENALTY * teaches.size) / data.length,
    iterations: ITERATIONS,
  });
  const own = scorePrompt(foregroundScores(adapted, tokens)).data;
  const first = scorePrompt(scores).data;
  return {
    size: tokens.grid,
    data: own.map((score, patch) => ADAPTED_SHARE * score + (1 - ADAPTED_SHARE) * first[patch]),
  };
}
