/**
 * Feature space: stages *forward matching*, *backward matching*, *self matching* and *hard negatives*.
 *
 * Liu et al., "GBMSeg", MICCAI 2024 (arXiv 2406.16271); the forward/backward idea is Matcher's (Liu et al., ICLR 2024,
 * arXiv 2305.13310). Where we differ: a match that fails the backward check is remembered with its reason instead of
 * leaving -1 in the array, and self matching drops outliers (mean + 2 standard deviations) instead of half of the
 * points.
 */
import { area, type Size } from '../geometry';

/** Foreground and background patches of the reference, ascending. Patches in neither are mixed. */
export interface PatchSets {
  readonly foreground: Int32Array;
  readonly background: Int32Array;
}

/**
 * Nearest neighbours between the n reference and the m target patches, as far as anything asks for them. Distances are
 * Euclidean, float32. Ties go to the lowest index, both ways.
 */
export interface MatchTable {
  readonly referenceGrid: Size;
  readonly targetGrid: Size;
  /** int32 [n]: argmin over target patches; -1 for reference patches that propose nothing. */
  readonly nearestTarget: Int32Array;
  readonly nearestTargetDistance: Float32Array;
  /** int32 [n]: argmax over target patches; -1 for reference patches that propose nothing. */
  readonly farthestTarget: Int32Array;
  readonly farthestTargetDistance: Float32Array;
  /** int32 [m]: argmin over *all* reference patches; -1 for target patches that nothing proposed. */
  readonly nearestReference: Int32Array;
  readonly nearestReferenceDistance: Float32Array;
}

/** One proposed match: a target patch and the reference patch that proposed it. */
export interface Match {
  readonly targetPatch: number;
  readonly referencePatch: number;
  /** Reference patch that the target patch is nearest to. */
  readonly backPatch: number;
  readonly forwardDistance: number;
  readonly backwardDistance: number;
}

interface SplitMatches {
  readonly kept: readonly Match[];
  readonly rejected: readonly Match[];
}

/**
 * int32, ascending: the target patches that some proposer is nearest to, or that a foreground proposer is farthest
 * from.
 */
export function proposedTargets(
  { nearestTarget, farthestTarget }: Pick<MatchTable, 'nearestTarget' | 'farthestTarget'>,
  { foreground, background }: PatchSets,
): Int32Array {
  const proposed = new Set<number>();
  for (const i of foreground) proposed.add(nearestTarget[i]).add(farthestTarget[i]);
  for (const i of background) proposed.add(nearestTarget[i]);
  return Int32Array.from(proposed).sort();
}

/** A table of the right shapes, with -1 for "proposes nothing", whose distance is Infinity. */
export function emptyTable(referenceGrid: Size, targetGrid: Size): MatchTable {
  const n = area(referenceGrid);
  const m = area(targetGrid);
  return {
    referenceGrid,
    targetGrid,
    nearestTarget: new Int32Array(n).fill(-1),
    nearestTargetDistance: new Float32Array(n).fill(Number.POSITIVE_INFINITY),
    farthestTarget: new Int32Array(n).fill(-1),
    farthestTargetDistance: new Float32Array(n).fill(Number.POSITIVE_INFINITY),
    nearestReference: new Int32Array(m).fill(-1),
    nearestReferenceDistance: new Float32Array(m).fill(Number.POSITIVE_INFINITY),
  };
}

/**
 * Stage *forward matching*: the distinct target patches that `patches` of the reference are nearest to, ascending. A
 * target patch proposed more than once keeps its closest proposer (ties: the lowest reference patch).
 */
export function forwardMatches(table: MatchTable, patches: Int32Array): Match[] {
  return distinctMatches(table, patches, table.nearestTarget, table.nearestTargetDistance, (a, b) => a < b);
}

/**
 * Stage *hard negatives*, proposal: the distinct target patches that `patches` are *farthest* from, ascending; each
 * with the proposer that is farthest away.
 */
export function farthestMatches(table: MatchTable, patches: Int32Array): Match[] {
  return distinctMatches(table, patches, table.farthestTarget, table.farthestTargetDistance, (a, b) => a > b);
}

function distinctMatches(
  table: MatchTable,
  patches: Int32Array,
  targets: Int32Array,
  distances: Float32Array,
  better: (a: number, b: number) => boolean,
): Match[] {
  const proposer = new Map<number, number>();
  for (const i of patches) {
    const j = targets[i];
    const known = proposer.get(j);
    if (known === undefined || better(distances[i], distances[known])) proposer.set(j, i);
  }
  return [...proposer]
    .sort((a, b) => a[0] - b[0])
    .map(([targetPatch, referencePatch]) => ({
      targetPatch,
      referencePatch,
      backPatch: table.nearestReference[targetPatch],
      forwardDistance: distances[referencePatch],
      backwardDistance: table.nearestReferenceDistance[targetPatch],
    }));
}

/**
 * Share of the proposers in `patches` whose nearest target patch is itself nearest to a patch of `allowed`: how
 * consistent forward and backward matching are, in [0, 1]. 0 for no patches.
 */
export function consistency(table: MatchTable, patches: Int32Array, allowed: Int32Array): number {
  const inside = new Set(allowed);
  const returned = patches.filter((i) => inside.has(table.nearestReference[table.nearestTarget[i]]));
  return patches.length === 0 ? 0 : returned.length / patches.length;
}

/**
 * At most `count` patches, spread evenly over the list; which of equals propose a match matters little, how many costs.
 */
export function samplePatches(patches: Int32Array, count: number): Int32Array {
  if (patches.length <= count) return patches;
  return Int32Array.from({ length: count }, (_, k) => patches[Math.floor((k * patches.length) / count)]);
}

/**
 * Stage *backward matching*: keeps the matches whose target patch is nearest to a patch of `allowed`; a mixed winner
 * rejects.
 */
export function backwardMatches(matches: readonly Match[], allowed: Int32Array): SplitMatches {
  const inside = new Set(allowed);
  return split(matches, (match) => inside.has(match.backPatch));
}

/**
 * Stage *self matching*: with at least four matches, drops those whose mean token distance to the others exceeds the
 * mean of these means by more than two (population) standard deviations. One pass.
 *
 * @param meanDistances as from `meanTokenDistances` over the matches' target patches.
 */
export function selfMatches(matches: readonly Match[], meanDistances: ArrayLike<number>): SplitMatches {
  if (matches.length < SELF_MATCHING_MINIMUM) return { kept: matches, rejected: [] };
  const means = Array.from(meanDistances);
  const mean = means.reduce((sum, value) => sum + value, 0) / means.length;
  const variance = means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / means.length;
  const limit = mean + 2 * Math.sqrt(variance);
  return split(matches, (_, index) => means[index] <= limit);
}

/** Fewer matches than this have no spread worth judging. */
export const SELF_MATCHING_MINIMUM = 4;

/** Stage *hard negatives*, check: keeps the farthest matches whose nearest reference patch is *not* foreground. */
export function hardNegatives(matches: readonly Match[], foreground: Int32Array): Match[] {
  const inside = new Set(foreground);
  return matches.filter((match) => !inside.has(match.backPatch));
}

function split(matches: readonly Match[], keep: (match: Match, index: number) => boolean): SplitMatches {
  const kept: Match[] = [];
  const rejected: Match[] = [];
  matches.forEach((match, index) => {
    (keep(match, index) ? kept : rejected).push(match);
  });
  return { kept, rejected };
}
