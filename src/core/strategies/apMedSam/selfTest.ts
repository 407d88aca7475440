/**
 * Stage *self-test*: what a reference tells about itself, how much of its own mask is found again by each way of
 * prompting, with the patches that are to be judged held out of the prior. (Of several references, each is judged by
 * what the others teach, see referenceModel.ts.) No target mask is ever looked at.
 */

import { area } from '../../geometry';
import type { FloatMap } from '../../pixels/raster';
import { foregroundScores, type LabelledTokens, pickLabelled } from '../../tokens/foregroundPrior';
import { fitForeground } from '../../tokens/teachingSums';

/**
 * Side of the blocks that are held out together, in patches: wide enough that neighbours do not give a patch away (3:
 * Dice +0.001; 9: -0.001; see docs/accuracy.md).
 */
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
  const patches = Int32Array.from(data.keys());
  for (let heldOut = 0; heldOut < 4; heldOut++) {
    const rest = patches.filter((patch) => colour(patch) !== heldOut);
    if (rest.length === 0) continue;
    const scores = foregroundScores(fitForeground(pickLabelled(labelled, rest)), labelled.tokens);
    for (const patch of patches) if (colour(patch) === heldOut) data[patch] = scores.data[patch];
  }
  return { size: grid, data };
}
