/**
 * Stage *support mask*: which patches of the reference are foreground and which are background (GBMSeg, Liu et al.
 * 2024, arXiv 2406.16271). Where we differ: patches need not fall on pixel borders, the last row and column count, and
 * a thin or small object falls back to the patches it covers best instead of having none.
 */

import { area, describeSize, longSide, type Size } from '../geometry';
import { foregroundComponents } from '../pixels/components';
import { checkMask, isEmpty, type Mask } from '../pixels/mask';
import { UserError } from '../userError';

/**
 * How the foreground patches were chosen: wholly covered, at least half covered because none is wholly covered, or the
 * single best-covered one because none is half covered.
 */
export type SupportRule = 'whole' | 'half' | 'best';

export interface SupportPatches {
  /** Foreground patches, int32, ascending `patchIndex`. */
  readonly foreground: Int32Array;
  /** Wholly unlabelled patches, int32, ascending `patchIndex`; empty when the mask leaves none, which is no error. */
  readonly background: Int32Array;
  readonly rule: SupportRule;
  /** Labelled share of every patch, float32 [grid.height * grid.width], row-major, in [0, 1]. */
  readonly coverage: Float32Array;
}

interface SupportOptions {
  /** Leave the last row and column of patches out of both sets, as the loops of GBMSeg's released script do. */
  readonly skipLastRowAndColumn?: boolean;
  /** Use the rules `half` and `best` where no patch is wholly covered (default true). */
  readonly fallback?: boolean;
}

/** Share of a patch that may be missing: less than any real pixel, more than rounding. */
const TOLERANCE = 1e-6;

/**
 * Foreground and background patches of a support mask (in referencePx) under a patch grid that covers the whole image.
 * `foreground` is empty only when an option forbids every patch that is covered. Throws UserError when no pixel is
 * labelled.
 */
export function supportPatches(mask: Mask, grid: Size, options: SupportOptions = {}): SupportPatches {
  if (isEmpty(mask)) {
    throw new UserError(
      `The support mask (${describeSize(mask.size)} pixels) has no foreground: label the object in the reference image first.`,
    );
  }
  const shares = patchCoverage(mask, grid);
  const columns = options.skipLastRowAndColumn ? grid.width - 1 : grid.width;
  const rows = options.skipLastRowAndColumn ? grid.height - 1 : grid.height;
  const select = (accept: (share: number) => boolean): Int32Array => {
    const patches: number[] = [];
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const patchIndex = row * grid.width + column;
        if (accept(shares[patchIndex])) patches.push(patchIndex);
      }
    }
    return Int32Array.from(patches);
  };

  const background = select((share) => share <= TOLERANCE);
  const coverage = Float32Array.from(shares);
  const whole = select((share) => share >= 1 - TOLERANCE);
  if (whole.length > 0 || options.fallback === false) return { foreground: whole, background, rule: 'whole', coverage };
  const half = select((share) => share >= 0.5);
  if (half.length > 0) return { foreground: half, background, rule: 'half', coverage };
  let best = 0;
  select((share) => {
    best = Math.max(best, share);
    return false;
  });
  // A speck so small that its patch counts as background must not be in both sets.
  const foreground = best > 0 ? select((share) => share === best).slice(0, 1) : new Int32Array(0);
  return { foreground, background: background.filter((patch) => !foreground.includes(patch)), rule: 'best', coverage };
}

/**
 * Support patches of several images whose tokens are joined by `concatTokens`. The rule is the one of the image that
 * needed the weakest.
 */
export function concatSupport(sets: readonly SupportPatches[]): SupportPatches {
  if (sets.length === 1) return sets[0];
  const foreground: number[] = [];
  const background: number[] = [];
  const coverage: number[] = [];
  for (const one of sets) {
    const offset = coverage.length;
    for (const patch of one.foreground) foreground.push(offset + patch);
    for (const patch of one.background) background.push(offset + patch);
    for (const share of one.coverage) coverage.push(share);
  }
  const rules: readonly SupportRule[] = ['best', 'half', 'whole'];
  return {
    foreground: Int32Array.from(foreground),
    background: Int32Array.from(background),
    coverage: Float32Array.from(coverage),
    rule: rules.find((rule) => sets.some((one) => one.rule === rule))!,
  };
}

/**
 * Diameter in referencePx of the disc with the mean area of the support mask's components; 0 when the mask is empty.
 */
export function meanObjectSize(mask: Mask): number {
  const { list } = foregroundComponents(mask);
  if (list.length === 0) return 0;
  const meanArea = list.reduce((sum, component) => sum + component.area, 0) / list.length;
  return 2 * Math.sqrt(meanArea / Math.PI);
}

/** Diameter in targetPx that an object of `objectSize` referencePx is expected to have: scaled by the long sides. */
export function expectedObjectSize(objectSize: number, reference: Size, target: Size): number {
  return (objectSize * longSide(target)) / longSide(reference);
}

/**
 * Labelled share of every patch, float64 [grid.height * grid.width], row-major, in [0, 1]. Pixels that a patch border
 * cuts count with the part inside. Measured in units of 1 / grid.width by 1 / grid.height pixel every overlap is a
 * whole number, so the shares 0, 1/2 and 1 come out exact.
 */
export function patchCoverage(mask: Mask, grid: Size): Float64Array {
  checkMask(mask);
  if (!(area(grid) >= 1)) throw new RangeError(`patch grid of ${describeSize(grid)} has no cells`);
  const { width, height } = mask.size;
  const covered = new Float64Array(area(grid));
  const inRow = new Float64Array(grid.width);
  for (let y = 0; y < height; y++) {
    if (!sumRow(mask, y, inRow)) continue;
    // Pixel row y spans [y * grid.height, (y + 1) * grid.height), patch row r spans [r * height, (r + 1) * height).
    const top = y * grid.height;
    const bottom = top + grid.height;
    for (let row = Math.floor(top / height); row * height < bottom; row++) {
      const overlap = Math.min(bottom, (row + 1) * height) - Math.max(top, row * height);
      for (let column = 0; column < grid.width; column++) {
        covered[row * grid.width + column] += overlap * inRow[column];
      }
    }
  }
  for (let i = 0; i < covered.length; i++) covered[i] /= width * height;
  return covered;
}

/** Labelled length of pixel row y within each patch column, in units of 1 / columns pixel; false when there is none. */
function sumRow(mask: Mask, y: number, sums: Float64Array): boolean {
  const { size, data } = mask;
  const { width } = size;
  const columns = sums.length;
  const rowStart = y * width;
  sums.fill(0);
  let any = false;
  for (let x = 0; x < width; x++) {
    if (data[rowStart + x] === 0) continue;
    any = true;
    // A run of labelled pixels at a time, not pixel by pixel.
    const left = x * columns;
    while (x < width && data[rowStart + x] === 1) x++;
    const right = x * columns;
    for (let column = Math.floor(left / width); column * width < right; column++) {
      sums[column] += Math.min(right, (column + 1) * width) - Math.max(left, column * width);
    }
  }
  return any;
}
