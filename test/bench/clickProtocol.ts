/**
 * The clicks of a person who corrects a segmenter, simulated as RITM does (Sofiiuk et al. 2021, arXiv 2102.06583): each
 * at the centre of the largest error, which is the pixel deepest inside the missed or the wrongly marked pixels.
 */
import { checkMask, checkSameSize, createMask, type Mask } from '../../src/core/pixels/mask';
import type { PointPrompt } from '../../src/core/prompting/segmenter';

/**
 * Where to click next, in pixels of the masks: positive in a missed pixel, negative in a wrongly marked one, whichever
 * lies deeper (negative where they are equal, the first in row-major order). Undefined where nothing is wrong that has
 * not been clicked at. On an empty answer it is the pixel farthest from the object's border.
 *
 * @param clicks made so far; their pixels are not clicked at again.
 */
export function nextClick(truth: Mask, answer: Mask, clicks: readonly PointPrompt[]): PointPrompt | undefined {
  checkSameSize(truth, answer);
  const { width } = truth.size;
  const clicked = new Set(clicks.map(({ point }) => Math.floor(point.y) * width + Math.floor(point.x)));
  const missed = deepest(difference(truth, answer), clicked);
  const wrong = deepest(difference(answer, truth), clicked);
  const isPositive = missed.depth > wrong.depth;
  const { at, depth } = isPositive ? missed : wrong;
  if (depth === 0) return undefined;
  return { point: { x: (at % width) + 0.5, y: Math.floor(at / width) + 0.5 }, label: isPositive ? 1 : 0 };
}

/**
 * Squared distance from the centre of each foreground pixel to the nearest centre of a background pixel, as which all
 * count that lie outside the image; 0 on the background. int32 [height, width], row-major. Exact: Meijster, Roerdink
 * and Hesselink 2000.
 */
export function squaredDepths(mask: Mask): Int32Array {
  checkMask(mask);
  const { width, height } = mask.size;
  const { data } = mask;
  // Along columns first.
  const depths = new Int32Array(data.length);
  for (let at = 0; at < data.length; at++) {
    if (data[at] === 1) depths[at] = 1 + (at < width ? 0 : depths[at - width]);
  }
  for (let at = data.length - 1; at >= 0; at--) {
    depths[at] = Math.min(depths[at], 1 + (at + width < data.length ? depths[at + width] : 0));
  }
  // Then along rows: the lower envelope of one parabola per column, one beyond each side of the image included.
  const stride = width + 2;
  const columns = new Int32Array(stride);
  const owners = new Int32Array(stride);
  const starts = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    columns.set(depths.subarray(y * width, (y + 1) * width), 1);
    const height2 = (x: number, owner: number) => (x - owner) ** 2 + columns[owner] ** 2;
    let last = 0;
    owners[0] = 0;
    starts[0] = 0;
    for (let x = 1; x < stride; x++) {
      while (last >= 0 && height2(starts[last], owners[last]) > height2(starts[last], x)) last--;
      if (last < 0) {
        last = 0;
        owners[0] = x;
        continue;
      }
      const owner = owners[last];
      const crossing = Math.floor((x ** 2 - owner ** 2 + columns[x] ** 2 - columns[owner] ** 2) / (2 * (x - owner)));
      if (crossing + 1 < stride) {
        last++;
        owners[last] = x;
        starts[last] = crossing + 1;
      }
    }
    for (let x = stride - 1; x >= 0; x--) {
      if (x > 0 && x <= width) depths[y * width + x - 1] = height2(x, owners[last]);
      if (x === starts[last]) last--;
    }
  }
  return depths;
}

/** Pixels of `a` that are not in `b`. */
function difference(a: Mask, b: Mask): Mask {
  const result = createMask(a.size);
  for (let at = 0; at < result.data.length; at++) result.data[at] = a.data[at] & ~b.data[at];
  return result;
}

function deepest(mask: Mask, clicked: ReadonlySet<number>): { at: number; depth: number } {
  const depths = squaredDepths(mask);
  for (const at of clicked) depths[at] = 0;
  let best = 0;
  for (let at = 1; at < depths.length; at++) if (depths[at] > depths[best]) best = at;
  return { at: best, depth: depths[best] };
}
