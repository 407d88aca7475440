/**
 * Stage *mask scores*: Matcher's scores of a mask proposal against the reference (Liu et al., ICLR 2024, arXiv
 * 2305.13310), how alike the tokens inside are to the reference's foreground, and how well the matched points and the
 * mask agree.
 */
import type { Point, Size } from '../../geometry';
import { patchCoverage } from '../../tokens/supportMask';
import { holds, type PackedMask, unpack } from './proposals';
import { transport } from './transport';

export interface MaskScores {
  /**
   * 1 - earth mover's distance between the foreground tokens and those inside, at a cost of (1 - cosine) / 2; in [0,
   * 1].
   */
  readonly emd: number;
  /** Matched points inside per patch of the mask. */
  readonly purity: number;
  /** Share of the matched points that lie inside. */
  readonly coverage: number;
}

interface ScoreWeights {
  /** Of the earth mover's score. */
  readonly alpha: number;
  /** Of purity x coverage^exponent. */
  readonly beta: number;
  readonly exponent: number;
}

/** What a mask without a single patch gets. */
const NO_MASK: MaskScores = { emd: 0, purity: 0, coverage: 0 };

/**
 * Tokens per side of a transport at most; more are thinned evenly. Exact transport of a thousand to a thousand takes a
 * third of a second, and there are tens of masks to an image.
 */
const MOST_TOKENS = 384;

/** What all masks of one target are scored against. */
export interface ScoreBasis {
  /** float32 [foreground patches, target patches]: cosines. */
  readonly similarity: Float32Array;
  readonly foreground: number;
  readonly grid: Size;
  /** Matched points in targetPx, and the size of the target. */
  readonly points: readonly Point[];
  readonly target: Size;
}

/** @param mask covers the whole target at any resolution. */
export function scoreMask(mask: PackedMask, { similarity, foreground, grid, points, target }: ScoreBasis): MaskScores {
  const patches = patchesInside(mask, grid);
  if (patches.length === 0) return NO_MASK;
  const inside = points.filter((point) => holds(mask, point, target)).length;
  const columns = grid.width * grid.height;
  const sources = thinned(Int32Array.from({ length: foreground }, (_, row) => row));
  const sinks = thinned(patches);
  const cost = new Float32Array(sources.length * sinks.length);
  for (let i = 0; i < sources.length; i++) {
    for (let j = 0; j < sinks.length; j++) {
      // Rounding may lift a cosine above 1.
      cost[i * sinks.length + j] = Math.max(0, (1 - similarity[sources[i] * columns + sinks[j]]) / 2);
    }
  }
  return {
    emd: 1 - transport(cost, sources.length, sinks.length).cost,
    purity: inside / patches.length,
    coverage: points.length === 0 ? 0 : inside / points.length,
  };
}

export const combine = ({ emd, purity, coverage }: MaskScores, { alpha, beta, exponent }: ScoreWeights): number =>
  alpha * emd + beta * purity * coverage ** exponent;

/** Patches that a mask holds at least half of, ascending; those it touches where it holds half of none. */
export function patchesInside(mask: PackedMask, grid: Size): Int32Array {
  const shares = patchCoverage(unpack(mask), grid);
  const select = (accept: (share: number) => boolean) =>
    Int32Array.from(shares.keys()).filter((patch) => accept(shares[patch]));
  const half = select((share) => share >= 0.5);
  return half.length > 0 ? half : select((share) => share > 0);
}

function thinned(rows: Int32Array): Int32Array {
  if (rows.length <= MOST_TOKENS) return rows;
  return Int32Array.from({ length: MOST_TOKENS }, (_, k) => rows[Math.floor((k * rows.length) / MOST_TOKENS)]);
}

export interface SelectionRules extends ScoreWeights {
  readonly leastPurity: number;
  readonly leastCoverage: number;
  /** Most masks that are merged. */
  readonly merged: number;
  /**
   * `distance`: of 1 - score at most 0.33, and at most 0.1 of the worst's above the best's; `share`: at least 0.7 of
   * the best score. The best passes always. Both are the released settings.
   */
  readonly cut: 'distance' | 'share';
}

const MOST_DISTANCE = 0.33;
const MOST_RELATIVE_DISTANCE = 0.1;
const LEAST_SHARE = 0.7;

/**
 * Which proposals are merged: indices, best first (ties: the first). Thresholds of purity and coverage that none passes
 * are not applied. Empty only for no scores.
 */
export function select(scores: readonly MaskScores[], rules: SelectionRules): number[] {
  const { leastPurity, leastCoverage, merged, cut } = rules;
  const indices = scores.map((_, index) => index);
  const passing = indices.filter(
    (index) => scores[index].purity >= leastPurity && scores[index].coverage >= leastCoverage,
  );
  const candidates = passing.length > 0 ? passing : indices;
  const total = scores.map((one) => combine(one, rules));
  const ranked = candidates.sort((a, b) => total[b] - total[a] || a - b);
  const [best] = ranked;
  const distances = ranked.map((index) => 1 - total[index]);
  const worst = Math.max(...distances);
  const passes = (index: number) => {
    if (index === best) return true;
    if (cut === 'share') return total[index] >= LEAST_SHARE * total[best];
    const distance = 1 - total[index];
    const relative = (distance - distances[0]) / (worst + 1e-6);
    return distance < MOST_DISTANCE && relative < MOST_RELATIVE_DISTANCE;
  };
  return ranked.filter(passes).slice(0, merged);
}
