/** Connected components of a mask's foreground, 8-connected, so that a diagonal line is one object (Rosenfeld 1970). */
import type { Box, Size } from '../geometry';
import { checkMask, type Mask } from './mask';

interface Component {
  /** Value of its pixels in `labels`, 1 for the first. */
  readonly label: number;
  /** Number of pixels. */
  readonly area: number;
  /** Smallest box around it, in pixels of the mask. */
  readonly box: Box;
}

interface Components {
  readonly size: Size;
  /** int32 [height, width], row-major: 0 for pixels in no component, else the component's label. */
  readonly labels: Int32Array;
  /** In order of their first pixel in row-major order; `list[label - 1]` has that label. */
  readonly list: readonly Component[];
}

/** Union-find over the horizontal runs: there are far fewer runs than pixels. */
export function foregroundComponents(mask: Mask): Components {
  checkMask(mask);
  const { size, data } = mask;
  const { width, height } = size;
  const count = countRuns(mask);
  const starts = new Int32Array(count); // First pixel, as an index into data.
  const ends = new Int32Array(count); // One past the last pixel.
  const parents = new Int32Array(count);

  let runs = 0;
  let above = 0;
  for (let y = 0; y < height; y++) {
    const rowStart = y * width;
    const rowEnd = rowStart + width;
    const aboveEnd = runs;
    for (let i = rowStart; i < rowEnd; i++) {
      if (data[i] !== 1) continue;
      const start = i;
      while (i < rowEnd && data[i] === 1) i++;
      starts[runs] = start;
      ends[runs] = i;
      parents[runs] = runs;
      // Diagonal neighbours touch too: the runs overlap once one of them has grown by a pixel at each end.
      while (above < aboveEnd && ends[above] + width + 1 <= start) above++;
      // The last run above that touches this one may touch the next one too, so `above` stays on it.
      for (let k = above; k < aboveEnd && starts[k] + width < i + 1; k++) join(parents, k, runs);
      runs++;
    }
    above = aboveEnd;
  }

  const labels = new Int32Array(data.length);
  const labelOfRoot = new Int32Array(count);
  const areas: number[] = [];
  const boxes: { left: number; top: number; right: number; bottom: number }[] = [];
  for (let run = 0; run < count; run++) {
    const root = rootOf(parents, run);
    const top = Math.floor(starts[run] / width);
    const left = starts[run] - top * width;
    const right = ends[run] - top * width;
    // A root is the first run of its component, so it comes before all others that need its label.
    if (root === run) {
      areas.push(0);
      boxes.push({ left, top, right, bottom: top + 1 });
      labelOfRoot[run] = areas.length;
    }
    const label = labelOfRoot[root];
    const box = boxes[label - 1];
    areas[label - 1] += right - left;
    if (left < box.left) box.left = left;
    if (right > box.right) box.right = right;
    box.bottom = top + 1;
    labels.fill(label, starts[run], ends[run]);
  }
  return { size, labels, list: boxes.map((box, k) => ({ label: k + 1, area: areas[k], box })) };
}

function countRuns({ size, data }: Mask): number {
  let count = 0;
  for (let y = 0; y < size.height; y++) {
    let before = false;
    for (let i = y * size.width; i < (y + 1) * size.width; i++) {
      const inside = data[i] === 1;
      if (inside && !before) count++;
      before = inside;
    }
  }
  return count;
}

function rootOf(parents: Int32Array, run: number): number {
  let at = run;
  while (parents[at] !== at) {
    parents[at] = parents[parents[at]];
    at = parents[at];
  }
  return at;
}

function join(parents: Int32Array, a: number, b: number): void {
  const rootA = rootOf(parents, a);
  const rootB = rootOf(parents, b);
  if (rootA < rootB) parents[rootB] = rootA;
  else parents[rootA] = rootB;
}
