/** Stage *plain border*: what was found in a part of an image, as found in the image. */
import type { Box, Size } from '../geometry';
import { createMask, fromRuns, type RunMask, toRuns } from '../pixels/mask';
import { type FloatMap, resampleBilinear, tapsAt } from '../pixels/raster';
import type { Segmentation } from './strategy';

/** Logits where nothing was looked at: surely not the object. */
const OUTSIDE = -8;

/**
 * @param found in the part, whose pixels its frame counts
 * @param part box with whole-number sides in the image, which has `size`
 */
export function placeSegmentation(found: Segmentation, part: Box, size: Size): Segmentation {
  const { maskPrompt, answerPrior } = found;
  return {
    ...found,
    mask: placeRuns(found.mask, part, size),
    instances: found.instances.map((one) => ({ ...one, mask: placeRuns(one.mask, part, size) })),
    logits: found.logits.map((map) => placeMap(map, part, size, OUTSIDE)),
    prompts: found.prompts.map((one) => ({ ...one, point: { x: one.point.x + part.left, y: one.point.y + part.top } })),
    ...(maskPrompt && { maskPrompt: placeMap(maskPrompt, part, size, OUTSIDE) }),
    notes: ['its plain border, which the reference has not, is left out', ...found.notes],
    ...(answerPrior && { answerPrior: placeMap(answerPrior, part, size, 0) }),
  };
}

function placeRuns(runs: RunMask, { left, top }: Box, size: Size): RunMask {
  const part = fromRuns(runs);
  const { width, height } = part.size;
  const whole = createMask(size);
  for (let y = 0; y < height; y++) {
    whole.data.set(part.data.subarray(y * width, (y + 1) * width), (top + y) * size.width + left);
  }
  return toRuns(whole);
}

/** A map over the whole image, about as fine as the one over its part. */
function placeMap(map: FloatMap, part: Box, size: Size, outside: number): FloatMap {
  const columns = along(map.size.width, part.left, part.right, size.width);
  const rows = along(map.size.height, part.top, part.bottom, size.height);
  const placed = resampleBilinear(
    map,
    tapsAt(rows.positions, map.size.height),
    tapsAt(columns.positions, map.size.width),
  );
  for (let y = 0; y < placed.size.height; y++) {
    for (let x = 0; x < placed.size.width; x++) {
      if (!rows.isInside(y) || !columns.isInside(x)) placed.data[y * placed.size.width + x] = outside;
    }
  }
  return placed;
}

/** Where the cells of the map over the whole lie among those of the map over its part, along one axis. */
function along(cells: number, start: number, end: number, pixels: number) {
  const count = Math.round((cells * pixels) / (end - start));
  const positions = Float64Array.from(
    { length: count },
    (_, k) => (cells * (((k + 0.5) * pixels) / count - start)) / (end - start) - 0.5,
  );
  return { positions, isInside: (k: number) => positions[k] > -0.5 && positions[k] < cells - 0.5 };
}
