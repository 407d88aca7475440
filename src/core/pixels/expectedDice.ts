/**
 * Stage *best-Dice threshold*: where to draw the line where a question may mean one thing or another: a click on one of
 * two lungs, or on a nucleus among many. Each pixel is then likelier not meant than meant although it belongs to
 * something that was meant, and a mask of what is likelier than not would be too small.
 */
import type { FloatMap } from './raster';

/** What is less sure than this (probability 0.12) is left out all the same: the segmenter's odds are not that exact. */
const LEAST_LOGIT = -2;

/**
 * The logits, moved so that the pixels above 0 are those whose Dice with the object is highest on average, taking the
 * logits as the odds of each pixel to be meant. These are all pixels whose probability exceeds half of that average
 * Dice (Lipton, Elkan and Naryanaswamy 2014, arXiv 1402.1892), which is found by raising the one to the other until
 * they fit (Dinkelbach 1967).
 */
export function forBestDice({ size, data }: FloatMap): FloatMap {
  const probabilities = data.map((logit) => 1 / (1 + Math.exp(-logit)));
  let total = 0;
  for (let at = 0; at < probabilities.length; at++) total += probabilities[at];
  let dice = 0;
  for (let better = diceAbove(probabilities, 0, total); better > dice; ) {
    dice = better;
    better = diceAbove(probabilities, dice / 2, total);
  }
  const threshold = Math.max(LEAST_LOGIT, Math.log(dice / (2 - dice)));
  return { size, data: data.map((logit) => logit - threshold) };
}

/** Expected Dice of the pixels with a probability above `least`, where `total` pixels are expected to be meant. */
function diceAbove(probabilities: Float32Array, least: number, total: number): number {
  let inside = 0;
  let count = 0;
  for (let at = 0; at < probabilities.length; at++) {
    if (probabilities[at] <= least) continue;
    inside += probabilities[at];
    count++;
  }
  return count > 0 ? (2 * inside) / (count + total) : 0;
}
