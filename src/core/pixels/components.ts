/**
 * Connected components of a mask. Foreground is 8-connected and background 4-connected, so that a diagonal line is one
 * object and does not leak: the usual pairing (Rosenfeld 1970).
 */
import type { Box, Size } from '../geometry';
import { checkMask, createMask, type Mask } from './mask';

export interface Component {
  /** Value of its pixels in `labels`, 1 for the first. */
  readonly label: number;
  /** Number of pixels. */
  readonly area: number;
  /** Smallest box around it, in pixels of the mask. */
  readonly box: Box;
}

export interface Components {
  readonly size: Size;
  /** int32 [height, width], row-major: 0 for pixels in no component, else the component's label. */
  readonly labels: Int32Array;
  /** In order of their first pixel in row-major order; `list[label - 1]` has that label. */
  readonly list: readonly Component[];
}

/** 8-connected components of the foreground. */
export const foregroundComponents = (mask: Mask): Components => labelRuns(mask, 1, 8);

/** 4-connected components of the background. */
export const backgroundComponents = (mask: Mask): Components => labelRuns(mask, 0, 4);

/** The component with the most pixels (the first of equals) as a mask; an empty mask stays empty. */
export function largestComponent(mask: Mask): Mask {
  const components = foregroundComponents(mask);
  if (components.list.length === 0) return createMask(mask.size);
  return componentMask(
    components,
    components.list.reduce((best, next) => (next.area > best.area ? next : best)),
  );
}

/** One component as a mask of the whole image. */
export function componentMask(components: Components, component: Component): Mask {
  const { size, labels } = components;
  const { left, top, right, bottom } = component.box;
  const mask = createMask(size);
  for (let y = top; y < bottom; y++) {
    for (let i = y * size.width + left; i < y * size.width + right; i++) {
      if (labels[i] === component.label) mask.data[i] = 1;
    }
  }
  return mask;
}

/** Every component as a mask of the whole image, in the order of `list`. */
export function componentMasks(components: Components): Mask[] {
  return components.list.map((component) => componentMask(components, component));
}

/**
 * 4-connected background components that do not touch the border of the image, as they stand in `backgroundComponents`.
 */
export function holesOf(background: Components): Component[] {
  const { width, height } = background.size;
  return background.list.filter(({ box }) => box.left > 0 && box.top > 0 && box.right < width && box.bottom < height);
}

/** The mask with its holes of at most `maxArea` pixels filled. */
export function fillHoles(mask: Mask, maxArea = Number.POSITIVE_INFINITY): Mask {
  const background = backgroundComponents(mask);
  const { labels } = background;
  const filled: Mask = { size: mask.size, data: mask.data.slice() };
  for (const hole of holesOf(background)) {
    if (hole.area > maxArea) continue;
    const { left, top, right, bottom } = hole.box;
    for (let y = top; y < bottom; y++) {
      for (let i = y * mask.size.width + left; i < y * mask.size.width + right; i++) {
        if (labels[i] === hole.label) filled.data[i] = 1;
      }
    }
  }
  return filled;
}

/** Union-find over the horizontal runs of `value`: there are far fewer runs than pixels. */
function labelRuns(mask: Mask, value: 0 | 1, connectivity: 4 | 8): Components {
  checkMask(mask);
  const { size, data } = mask;
  const { width, height } = size;
  const count = countRuns(mask, value);
  const starts = new Int32Array(count); // First pixel, as an index into data.
  const ends = new Int32Array(count); // One past the last pixel.
  const parents = new Int32Array(count);
  // Diagonal neighbours touch when the runs overlap after one of them grows by a pixel at each end.
  const reach = connectivity === 8 ? 1 : 0;

  let runs = 0;
  let above = 0;
  for (let y = 0; y < height; y++) {
    const rowStart = y * width;
    const rowEnd = rowStart + width;
    const aboveEnd = runs;
    for (let i = rowStart; i < rowEnd; i++) {
      if (data[i] !== value) continue;
      const start = i;
      while (i < rowEnd && data[i] === value) i++;
      starts[runs] = start;
      ends[runs] = i;
      parents[runs] = runs;
      while (above < aboveEnd && ends[above] + width + reach <= start) above++;
      // The last run above that touches this one may touch the next one too, so `above` stays on it.
      for (let k = above; k < aboveEnd && starts[k] + width < i + reach; k++) join(parents, k, runs);
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

function countRuns({ size, data }: Mask, value: 0 | 1): number {
  let count = 0;
  for (let y = 0; y < size.height; y++) {
    let before = false;
    for (let i = y * size.width; i < (y + 1) * size.width; i++) {
      const inside = data[i] === value;
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
