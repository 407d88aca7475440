/**
 * Stage *alignment*: the reference laid over the target. Most folders show the same part from the same side: both
 * lungs, the same slice. There *where* a patch lies tells what its token does not, and what the foreground prior gets
 * wrong in the reference it gets wrong in the target at the same place. So what it lacks in the reference, whose mask
 * is known, is added where that lies in the target.
 *
 * The two are registered by the forward matches of the proposing patches: along each axis a shift and a stretch, by
 * iteratively reweighted least squares (Holland and Welsch 1977) with Geman and McClure's weights, whose width narrows
 * as in graduated non-convexity (Blake and Zisserman 1987). How many matches agree tells how far to believe it; cells
 * in a smear agree on nothing, and nothing is added.
 */
import { area, type Size } from '../../geometry';
import { type FloatMap, resampleBilinear, tapsAt } from '../../pixels/raster';
import type { MatchTable, PatchSets } from '../../tokens/matching';
import { patchCentre } from '../../tokens/patchGrid';

/** Positions are shares of the image's width or height, so that only what moves within the image counts. */
interface AxisMove {
  /** Position in the target less that in the reference, at the middle of the reference. */
  readonly shift: number;
  /** What that grows by over the whole reference. */
  readonly stretch: number;
}

interface Alignment {
  readonly x: AxisMove;
  readonly y: AxisMove;
  /** How far to believe it, in [0, 1]. */
  readonly trust: number;
}

/** One of the references that were matched together. */
export interface PlacedReference {
  readonly grid: Size;
  /** Its patches come after so many others. */
  readonly offset: number;
  /** Those of its patches that propose matches, counted with the others. */
  readonly proposers: PatchSets;
  /** What its own prior lacks of its mask, see `missingScores`. */
  readonly missing: FloatMap;
}

const UNIT: Size = { width: 1, height: 1 };

/**
 * Of the fit: half and one and a half times as many change the mean Dice by less than 0.001, as is so of the numbers
 * down to `MOST_STRETCH` (see docs/accuracy.md).
 */
const ROUNDS = 8;
/** Widths of the weights in the first and the last round. */
const FIRST_WIDTH = 0.3;
const LAST_WIDTH = 0.08;

/** Matches that a shift, or a stretch, must outweigh: few of them, or scattered ones, move nothing. */
const SHIFT_PENALTY = 0.08;
const STRETCH_PENALTY = 0.4;
/** Otherwise a reference could be folded into a line. */
const MOST_STRETCH = 0.75;

/**
 * A match agrees with the alignment that ends nearer than this to where it says (0.05: Dice +0.012, most of it of one
 * set; 0.15: -0.002; see docs/accuracy.md).
 */
const AGREES = 0.1;
/**
 * Geometric mean of the shares of agreeing matches of object and background that chance reaches (0.075: Dice -0.001;
 * 0.225: +0.0004), and that leaves no doubt (0.3: +0.001; 0.75: +0.004; see docs/accuracy.md).
 */
const CHANCE = 0.15;
const CERTAIN = 0.5;

/** Where a reference lies in the target, by the forward matches of its proposing patches. */
export function alignReference(
  table: Pick<MatchTable, 'nearestTarget' | 'targetGrid'>,
  { grid, offset, proposers }: Omit<PlacedReference, 'missing'>,
): Alignment {
  const { foreground, background } = proposers;
  const count = foreground.length + background.length;
  const moves = { x: openAxis(count), y: openAxis(count) };
  const patches = [...foreground, ...background];
  for (const [row, patch] of patches.entries()) {
    const from = patchCentre(patch - offset, grid, UNIT);
    const to = patchCentre(table.nearestTarget[patch], table.targetGrid, UNIT);
    moves.x.from[row] = from.x - 0.5;
    moves.x.moved[row] = to.x - from.x;
    moves.y.from[row] = from.y - 0.5;
    moves.y.moved[row] = to.y - from.y;
  }
  let x: AxisMove = { shift: 0, stretch: 0 };
  let y: AxisMove = { shift: 0, stretch: 0 };
  const weight = new Float64Array(count);
  for (let round = 0; round < ROUNDS; round++) {
    const width = FIRST_WIDTH * (LAST_WIDTH / FIRST_WIDTH) ** (round / (ROUNDS - 1));
    for (let row = 0; row < count; row++) {
      weight[row] = 1 / (1 + (lack(moves.x, x, row) ** 2 + lack(moves.y, y, row) ** 2) / width ** 2) ** 2;
    }
    x = fitAxis(moves.x, weight);
    y = fitAxis(moves.y, weight);
  }
  const agreeing = (start: number, end: number): number => {
    let agree = 0;
    for (let row = start; row < end; row++) {
      if (lack(moves.x, x, row) ** 2 + lack(moves.y, y, row) ** 2 < AGREES ** 2) agree++;
    }
    return end > start ? agree / (end - start) : 0;
  };
  const agreement = Math.sqrt(agreeing(0, foreground.length) * agreeing(foreground.length, count));
  return { x, y, trust: Math.min(1, Math.max(0, (agreement - CHANCE) / (CERTAIN - CHANCE))) };
}

/** Along one axis, float64 [matches]: where each starts, from the middle of the reference, and how far it goes. */
interface AxisMatches {
  readonly from: Float64Array;
  readonly moved: Float64Array;
}

const openAxis = (count: number): AxisMatches => ({ from: new Float64Array(count), moved: new Float64Array(count) });

const lack = ({ from, moved }: AxisMatches, { shift, stretch }: AxisMove, row: number): number =>
  moved[row] - shift - stretch * from[row];

/** Weighted ridge regression of two unknowns. */
function fitAxis({ from, moved }: AxisMatches, weight: Float64Array): AxisMove {
  let [w, wf, wff, wm, wfm] = [SHIFT_PENALTY, 0, STRETCH_PENALTY, 0, 0];
  for (let row = 0; row < weight.length; row++) {
    const f = weight[row] * from[row];
    w += weight[row];
    wf += f;
    wff += f * from[row];
    wm += weight[row] * moved[row];
    wfm += f * moved[row];
  }
  const determinant = w * wff - wf * wf;
  const stretch = (w * wfm - wf * wm) / determinant;
  return {
    shift: (wff * wm - wf * wfm) / determinant,
    stretch: Math.min(MOST_STRETCH, Math.max(-MOST_STRETCH, stretch)),
  };
}

/**
 * Scores of patches that are surely object, as of those that are surely not; 1.5 standard deviations of a prompt (half
 * of it: Dice +0.010, most of it of one set; one and a half times: +0.001; see docs/accuracy.md).
 */
const SURE = 3;
/**
 * Of the blur, as a share of the image: what is known of a place is known of its surroundings (half of it: Dice +0.003;
 * one and a half times: -0.001; see docs/accuracy.md).
 */
const BLUR = 1 / 24;

/**
 * What the scores of a reference lack of its mask, float32 on its grid, blurred.
 *
 * @param scores with a standard deviation of 2, as they become a mask prompt
 * @param coverage float32 [patches], in [0, 1]
 */
export function missingScores({ size, data }: FloatMap, coverage: Float32Array): FloatMap {
  const missing = new Float32Array(area(size));
  for (let patch = 0; patch < missing.length; patch++) {
    missing[patch] = SURE * (2 * coverage[patch] - 1) - Math.min(SURE, Math.max(-SURE, data[patch]));
  }
  return blurred({ size, data: missing });
}

/** Gaussian blur along both axes, the border's values going on beyond it. */
function blurred({ size, data }: FloatMap): FloatMap {
  const { width, height } = size;
  const rows = new Float32Array(data.length);
  const across = kernel(BLUR * width);
  for (let y = 0; y < height; y++) blurLine(data, rows, y * width, 1, width, across);
  const result = new Float32Array(data.length);
  const down = kernel(BLUR * height);
  for (let x = 0; x < width; x++) blurLine(rows, result, x, width, height, down);
  return { size, data: result };
}

/** One half of a Gaussian of this standard deviation, its middle first, that sums up to 1 with the other half. */
function kernel(deviation: number): Float64Array {
  const half = Float64Array.from({ length: Math.ceil(3 * deviation) + 1 }, (_, k) =>
    Math.exp(-0.5 * (k / deviation) ** 2),
  );
  const sum = half.reduce((total, value) => total + value, 0) * 2 - half[0];
  return half.map((value) => value / sum);
}

function blurLine(
  from: Float32Array,
  to: Float32Array,
  start: number,
  step: number,
  length: number,
  half: Float64Array,
) {
  for (let at = 0; at < length; at++) {
    let sum = half[0] * from[start + at * step];
    for (let k = 1; k < half.length; k++) {
      sum += half[k] * (from[start + Math.max(0, at - k) * step] + from[start + Math.min(length - 1, at + k) * step]);
    }
    to[start + at * step] = sum;
  }
}

/**
 * Scores of a target with what those of the references lacked where they lie in it, as far as each alignment is
 * believed; the mean over the references.
 *
 * @param scores with a standard deviation of 2, on the target's grid
 */
export function withMissing(
  scores: FloatMap,
  references: readonly PlacedReference[],
  alignments: readonly Alignment[],
): FloatMap {
  const { size } = scores;
  const data = scores.data.slice();
  for (const [which, { missing }] of references.entries()) {
    const { x, y, trust } = alignments[which];
    if (trust === 0) continue;
    const rows = tapsAt(sources(size.height, missing.size.height, y), missing.size.height);
    const columns = tapsAt(sources(size.width, missing.size.width, x), missing.size.width);
    const laidOver = resampleBilinear(missing, rows, columns).data;
    for (let at = 0; at < data.length; at++) data[at] += (trust / references.length) * laidOver[at];
  }
  return { size, data };
}

/** Where along an axis of a map of `of` pixels each of `length` cells of the target comes from. */
function sources(length: number, of: number, { shift, stretch }: AxisMove): Float64Array {
  return Float64Array.from({ length }, (_, cell) => {
    const position = ((cell + 0.5) / length - 0.5 - shift) / (1 + stretch) + 0.5;
    return position * of - 0.5;
  });
}
