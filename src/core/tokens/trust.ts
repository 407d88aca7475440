/**
 * Stage *trust*: how far to believe a mask that nobody has checked, as one number in [0, 1]: the Dice to be expected
 * of it.
 *
 * Two questions, multiplied, because either can be the reason not to believe a mask. *Is the object there at all?* Told
 * by how near, in feature space, patches of the reference and of the target find each other: an image of another kind,
 * or a part of one without the object, has no near ones; and by how far the mask stands out from the rest of the image
 * in what the reference taught. *Is the outline right?* Told by the segmenter's logits: how much of the mask depends on
 * where the threshold lies; and by whether it runs off the image where the reference's object lies inside. A
 * segmenter's estimate of the IoU, which was learnt, holds only for data like that of its training.
 *
 * The coefficients were fitted once, by test/bench/trust.ts, to labelled images of twelve kinds, and say as much of a
 * kind that the fit has not seen (the bench leaves each kind out in turn). They belong to unit tokens.
 */

import { area } from '../geometry';
import { type MaskExtent, maskExtent } from '../pixels/maskExtent';
import type { FloatMap } from '../pixels/raster';
import type { MatchTable, PatchSets } from './matching';

/** What trust is made of. */
export interface TrustParts {
  /** Area of the mask at a logit threshold of +1 over that at -1, in [0, 1]: 1 where the outline is sharp. */
  readonly stability: number;
  /** Mean cosine of the reference's proposing patches with the target patch nearest to each. */
  readonly forwardSimilarity: number;
  /**
   * How much higher the reference's foreground classifier scores the mask than the rest of the image, over how far its
   * highest scores stand out in the references: about 1 where the object is, near 0 where nothing looks like it.
   */
  readonly priorContrast: number;
  /**
   * In [0, 1]: 0 where the mask runs off the image though the reference's object lies inside its own, 1 where it keeps
   * away from the border or the reference's object does not.
   */
  readonly borderKept: number;
}

export interface TrustInput {
  /** One map per object that was asked for, at the decoder's resolution. */
  readonly logits: readonly FloatMap[];
  readonly table: MatchTable;
  readonly proposers: PatchSets;
  /** What the reference's classifier says of the target, and how far its scores stand out in the references. */
  readonly likeness: { readonly scores: FloatMap; readonly reach: number };
  /** The mean over the references' support masks. */
  readonly support: MaskExtent;
}

/** What is said of the mask that these logits draw: nothing, where the coefficients do not belong to the tokens. */
export type Judge = (logits: readonly FloatMap[]) => { readonly trust?: number; readonly trustParts?: TrustParts };

/** Judges masks of one target. */
export const judgeBy =
  (target: Omit<TrustInput, 'logits'>): Judge =>
  (logits) => {
    const parts = trustParts({ ...target, logits });
    return { trust: trustOf(parts), trustParts: parts };
  };

/** Of the image's border: less is chance. Chosen, not measured, as the next one. */
const TOUCHES = 0.001;
/** Of the image's border: a mask that takes more runs off the image. */
const RUNS_OFF = 0.02;

const liesInside = ({ border }: MaskExtent): boolean => border <= TOUCHES;

/** Parts of the trust in a mask. Tokens of reference and target must be of unit length. */
export function trustParts({ logits, table, proposers, likeness, support }: TrustInput): TrustParts {
  const extent = maskExtent(logits);
  return {
    stability: rounded(maskStability(logits)),
    forwardSimilarity: rounded(forwardSimilarity(table, proposers)),
    priorContrast: rounded(contrast(gridCoverage(logits, table), likeness)),
    borderKept: rounded(liesInside(support) ? 1 - Math.min(1, extent.border / RUNS_OFF) : 1),
  };
}

/** To what means anything, and makes a short line in the journal. */
const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;

/**
 * Of `test/bench/trust.ts` on twelve sets, seeds 0 and 1, each 3 references x 20 targets with as many object-free
 * images. Every coefficient is such that trust rises with its part. Seven more parts were tried (similarity back,
 * confidence, consistency, two ways of matching back, agreement with the prior, area): with them trust orders the
 * images of a set that the fit has not seen no better.
 */
export const TRUST_COEFFICIENTS = {
  outline: { bias: -0.531, stability: 1.142, borderKept: 0.94 },
  presence: { bias: -19.974, forwardSimilarity: 13.877, priorContrast: 3.349 },
} as const;

/** Trust in [0, 1], rising with each of the parts. */
export function trustOf(parts: TrustParts): number {
  const { outline, presence } = TRUST_COEFFICIENTS;
  const { stability, borderKept, forwardSimilarity, priorContrast } = trustTerms(parts);
  return rounded(
    sigmoid(outline.bias + outline.stability * stability + outline.borderKept * borderKept) *
      sigmoid(presence.bias + presence.forwardSimilarity * forwardSimilarity + presence.priorContrast * priorContrast),
  );
}

/** The parts as the sums take them: shares as log odds, similarities as the negative log of what they lack of 1. */
export function trustTerms(parts: TrustParts): TrustParts {
  return {
    stability: logOdds(parts.stability),
    forwardSimilarity: -Math.log(Math.max(LEAST_LACK, 1 - parts.forwardSimilarity)),
    priorContrast: parts.priorContrast,
    borderKept: parts.borderKept,
  };
}

/** Below these, shares and what similarities lack of 1 are all the same. Chosen, not measured. */
const LEAST_SHARE = 1e-3;
const LEAST_LACK = 1e-4;

function logOdds(share: number): number {
  const bounded = Math.min(1 - LEAST_SHARE, Math.max(LEAST_SHARE, share));
  return Math.log(bounded / (1 - bounded));
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

/** Cosine of two unit vectors at this Euclidean distance. */
const cosineOf = (distance: number): number => 1 - (distance * distance) / 2;

function forwardSimilarity({ nearestTargetDistance }: MatchTable, { foreground, background }: PatchSets): number {
  let sum = 0;
  for (const patch of foreground) sum += cosineOf(nearestTargetDistance[patch]);
  for (const patch of background) sum += cosineOf(nearestTargetDistance[patch]);
  return sum / (foreground.length + background.length);
}

/** Mean score in the mask less that outside it, in units of `reach`; 0 where there is no inside or outside. */
function contrast(coverage: Float32Array, { scores, reach }: TrustInput['likeness']): number {
  let inside = 0;
  let share = 0;
  let all = 0;
  scores.data.forEach((score, patch) => {
    inside += coverage[patch] * score;
    share += coverage[patch];
    all += score;
  });
  const rest = coverage.length - share;
  return reach > 0 && share > 0 && rest > 0 ? (inside / share - (all - inside) / rest) / reach : 0;
}

/** Area of the mask at a logit threshold of +1 over that at -1, over all objects, in [0, 1]; 0 for an empty mask. */
export function maskStability(maps: readonly FloatMap[]): number {
  let loose = 0;
  let strict = 0;
  for (const { data } of maps) {
    for (const logit of data) {
      if (logit > -1) loose++;
      if (logit > 1) strict++;
    }
  }
  return loose > 0 ? strict / loose : 0;
}

/**
 * float32 [patches] of the target's grid: share of the patch's pixels, by their centres, that any of the objects takes.
 */
function gridCoverage(maps: readonly FloatMap[], { targetGrid }: MatchTable): Float32Array {
  const taken = new Float32Array(area(targetGrid));
  for (const { size, data } of maps) {
    const counts = new Float32Array(taken.length);
    const drawn = new Float32Array(taken.length);
    for (let y = 0, at = 0; y < size.height; y++) {
      const row = Math.floor(((y + 0.5) * targetGrid.height) / size.height) * targetGrid.width;
      for (let x = 0; x < size.width; x++, at++) {
        const patch = row + Math.floor(((x + 0.5) * targetGrid.width) / size.width);
        counts[patch]++;
        if (data[at] > 0) drawn[patch]++;
      }
    }
    for (let patch = 0; patch < taken.length; patch++) {
      if (counts[patch] > 0) taken[patch] = Math.max(taken[patch], drawn[patch] / counts[patch]);
    }
  }
  return taken;
}
