/**
 * Stage *refinement*: the mask is fed back as mask prompt with its box, as SAM's own predictor does (Kirillov et al.
 * 2023, arXiv 2304.02643) and PerSAM's cascade (Zhang et al. 2023, arXiv 2305.03048).
 */
import type { Box, Size } from '../../geometry';
import { boundingBox, isEmpty, type Mask } from '../../pixels/mask';
import { iou } from '../../pixels/maskMetrics';
import { type FloatMap, thresholdToMask } from '../../pixels/raster';
import type { DecodedMask, PromptableImage, PromptSet } from '../../prompting/segmenter';

/** Both chosen, not measured: segmenters that answer for one object are not among the embedded models. */
const MOST_ROUNDS = 2;
/** Two rounds this alike have converged. */
const CONVERGED_IOU = 0.98;

/** Refines one answer; never returns one whose IoU prediction is lower than the one it was given. */
export async function refine(
  image: PromptableImage,
  prompts: PromptSet,
  first: DecodedMask,
  target: Size,
): Promise<DecodedMask> {
  let best = first;
  let mask = maskOf(first.logits);
  for (let round = 0; round < MOST_ROUNDS && !isEmpty(mask); round++) {
    const box = boxIn(mask, target);
    const { capabilities } = image;
    const [next] = await image.decode([
      {
        points: prompts.points,
        ...(capabilities.box && { box }),
        ...(capabilities.maskPrompt && { maskPrompt: best.logits }),
      },
    ]);
    if (next.iouPrediction < best.iouPrediction) break;
    const nextMask = maskOf(next.logits);
    const converged = iou(mask, nextMask) > CONVERGED_IOU;
    best = next;
    mask = nextMask;
    if (converged) break;
  }
  return best;
}

const maskOf = (logits: FloatMap): Mask => thresholdToMask(logits, logits.size, 0);

/** Bounding box of a mask at the decoder's resolution, in targetPx. */
function boxIn(mask: Mask, target: Size): Box {
  const box = boundingBox(mask)!;
  const x = target.width / mask.size.width;
  const y = target.height / mask.size.height;
  return { left: box.left * x, top: box.top * y, right: box.right * x, bottom: box.bottom * y };
}
