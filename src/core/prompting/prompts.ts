/**
 * Point prompts and physical space: stages *sparse sampling* and *exclusive sampling*.
 *
 * Prompts are what a promptable segmenter is asked (SAM, Kirillov et al. 2023, arXiv 2304.02643); the two samplings are
 * GBMSeg's (Liu et al., MICCAI 2024, arXiv 2406.16271). Where we differ: greedy keeping, farthest from the object
 * first, instead of groups in order of appearance, and radii that scale with the image.
 */
import { distance, longSide, type Point, type Size, squaredDistance } from '../geometry';
import type { Match } from '../tokens/matching';
import { patchCentre } from '../tokens/patchGrid';

/**
 * Why a candidate point became a prompt (`kept`), or why it did not. `inconsistent`: too few of the target's matches
 * came back, so that none of its points is used.
 */
export type PromptReason =
  | 'kept'
  | 'failed backward'
  | 'outlier'
  | 'too close to a positive'
  | 'thinned'
  | 'inconsistent';

/** Which stage proposed the candidate: forward matching, hard negatives, or another instance's positives. */
export type PromptSource = 'forward' | 'hard' | 'instance';

/** One candidate of the automatic prompts. Those with reason `kept` are given to the segmenter. */
export interface PromptCandidate extends Match {
  /** Position in targetPx. */
  readonly point: Point;
  /** SAM's label: 1 foreground, 0 background. */
  readonly label: 0 | 1;
  readonly reason: PromptReason;
  readonly source: PromptSource;
  /** Index of the instance that the prompt belongs to; 0 where the whole class is prompted at once. */
  readonly instance: number;
}

export const isKept = ({ reason }: PromptCandidate): boolean => reason === 'kept';

/** The candidate where none of its target's points is used. */
export const unused = (candidate: PromptCandidate): PromptCandidate =>
  isKept(candidate) ? { ...candidate, reason: 'inconsistent' } : candidate;

/** Radii of the physical-space stages, in targetPx. */
interface SamplingRadii {
  readonly sparse: number;
  readonly exclusive: number;
}

/** GBMSeg's radii, stated for images with this long side. */
const RADII_LONG_SIDE = 1024;

/** GBMSeg's numbers: negatives at least 64 px from each other and 128 px from every positive. */
export const GBMSEG_RADII: SamplingRadii = { sparse: 64, exclusive: 128 };

/** Most positives given to the segmenter per instance. Chosen, not measured: beside a prior there are fewer. */
export const MOST_POSITIVES = 16;

/**
 * Radii for an image of `target` pixels: GBMSeg's, scaled to the long side; the exclusive one is at most half the size
 * of the object to be expected, so that small objects may have negatives near them.
 *
 * @param expectedSize diameter of the expected object, in targetPx.
 */
export function scaledRadii(target: Size, expectedSize: number): SamplingRadii {
  const scale = longSide(target) / RADII_LONG_SIDE;
  return {
    sparse: GBMSEG_RADII.sparse * scale,
    exclusive: Math.min(GBMSEG_RADII.exclusive * scale, expectedSize / 2),
  };
}

/** Turns a match into a candidate at the centre of its target patch. */
export function toCandidate(
  match: Match,
  grid: Size,
  target: Size,
  about: Pick<PromptCandidate, 'label' | 'source' | 'reason'>,
): PromptCandidate {
  return { ...match, ...about, point: patchCentre(match.targetPatch, grid, target), instance: 0 };
}

/**
 * Stage *sparse sampling*, positives: spreads at most `limit` candidates by farthest-point sampling, starting with the
 * smallest forward distance; the others become `thinned`. Ties go to the lowest target patch. Input order is kept.
 */
export function spreadPoints(points: readonly PromptCandidate[], limit = MOST_POSITIVES): PromptCandidate[] {
  if (points.length <= limit) return [...points];
  const before = (a: number, b: number): boolean => points[a].targetPatch < points[b].targetPatch;
  const indices = points.map((_, index) => index);
  let next = indices.reduce((best, i) => {
    const gain = points[i].forwardDistance - points[best].forwardDistance;
    return gain < 0 || (gain === 0 && before(i, best)) ? i : best;
  });
  const chosen = new Set<number>();
  const nearest = new Float64Array(points.length).fill(Number.POSITIVE_INFINITY);
  while (chosen.size < limit) {
    chosen.add(next);
    const centre = points[next].point;
    for (const i of indices) nearest[i] = Math.min(nearest[i], squaredDistance(points[i].point, centre));
    next = indices
      .filter((i) => !chosen.has(i))
      .reduce((best, i) => {
        const gain = nearest[i] - nearest[best];
        return gain > 0 || (gain === 0 && before(i, best)) ? i : best;
      });
  }
  return points.map((candidate, index) => (chosen.has(index) ? candidate : { ...candidate, reason: 'thinned' }));
}

/**
 * Stage *sparse sampling*, negatives: visits them farthest from the positives first (ties: lowest target patch) and
 * keeps one if no kept one is closer than `radius`; the others become `thinned`. Returned in the order visited.
 *
 * @param radius in targetPx.
 */
export function sparseSampling(
  negatives: readonly PromptCandidate[],
  positives: readonly PromptCandidate[],
  radius: number,
): PromptCandidate[] {
  const kept: PromptCandidate[] = [];
  return negatives
    .map((candidate) => ({ candidate, away: distanceToNearest(candidate.point, positives) }))
    .sort((a, b) => b.away - a.away || a.candidate.targetPatch - b.candidate.targetPatch)
    .map(({ candidate }) => {
      if (distanceToNearest(candidate.point, kept) < radius) return { ...candidate, reason: 'thinned' };
      kept.push(candidate);
      return candidate;
    });
}

/**
 * Stage *exclusive sampling*: a negative closer than `radius` (targetPx) to any positive becomes `too close to a
 * positive`. Candidates that an earlier stage has dropped keep their reason.
 */
export function exclusiveSampling(
  negatives: readonly PromptCandidate[],
  positives: readonly PromptCandidate[],
  radius: number,
): PromptCandidate[] {
  return negatives.map((candidate) =>
    isKept(candidate) && distanceToNearest(candidate.point, positives) < radius
      ? { ...candidate, reason: 'too close to a positive' }
      : candidate,
  );
}

/** Distance in targetPx from a point to the nearest candidate; infinite when there is none. */
function distanceToNearest(point: Point, candidates: readonly PromptCandidate[]): number {
  return candidates.reduce(
    (nearest, { point: other }) => Math.min(nearest, distance(point, other)),
    Number.POSITIVE_INFINITY,
  );
}
