/**
 * What a reference tells about itself: how much of its own mask is found again by each way of prompting, with the patches
 * that are to be judged held out of the prior. No target mask is ever looked at.
 */

import { fitForeground, foregroundScores, type LabelledTokens } from './foregroundPrior';
import { area } from './geometry';
import type { FloatMap } from './raster';

/** Side of the blocks that are held out together, in patches: wide enough that neighbours do not give a patch away. */
const BLOCK = 6;

/**
 * Scores of the reference's own patches, each by a classifier that was fitted without the blocks of its colour in a
 * four-coloured checkerboard.
 */
export function heldOutScores(labelled: LabelledTokens): FloatMap {
  const { grid } = labelled.tokens;
  const colour = (patch: number) => {
    const row = Math.floor(patch / grid.width / BLOCK);
    const column = Math.floor((patch % grid.width) / BLOCK);
    return (row % 2) * 2 + (column % 2);
  };
  const data = new Float32Array(area(grid));
  for (let heldOut = 0; heldOut < 4; heldOut++) {
    const rest = (patch: number) => colour(patch) !== heldOut;
    if (!labelled.coverage.some((_, patch) => rest(patch))) continue;
    const scores = foregroundScores(fitForeground([labelled], { use: (_, patch) => rest(patch) }), labelled.tokens);
    scores.data.forEach((score, patch) => {
      if (!rest(patch)) data[patch] = score;
    });
  }
  return { size: grid, data };
}
