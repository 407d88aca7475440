/**
 * Feature space: forward, backward and self matching, hard sampling (stages A.3 to A.6).
 *
 * Liu et al., "GBMSeg", MICCAI 2024 (arXiv 2406.16271); the forward/backward idea is Matcher's (Liu et al., ICLR 2024,
 * arXiv 2305.13310). Where we differ: a match that fails the backward check is remembered with its reason instead of
 * leaving -1 in the array, and self matching drops outliers (mean + 2 standard deviations) instead of half of the points.
 */
import { area, type Size } from './geometry';
import type { PatchTokens } from './patchGrid';

/** Foreground and background patches of the reference, ascending. Patches in neither are mixed. */
export interface PatchSets {
  readonly foreground: Int32Array;
  readonly background: Int32Array;
}

/**
 * Nearest neighbours between all n reference and all m target patches. Distances are Euclidean, float32. Ties go to
 * the lowest index, both ways.
 */
export interface MatchTable {
  readonly referenceGrid: Size;
  readonly targetGrid: Size;
  /** int32 [n]: argmin over target patches; -1 for mixed patches, which propose nothing. */
  readonly nearestTarget: Int32Array;
  readonly nearestTargetDistance: Float32Array;
  /** int32 [n]: argmax over target patches; -1 outside the foreground, which alone is asked. */
  readonly farthestTarget: Int32Array;
  readonly farthestTargetDistance: Float32Array;
  /** int32 [m]: argmin over all reference patches, mixed ones included. */
  readonly nearestReference: Int32Array;
  readonly nearestReferenceDistance: Float32Array;
  /** float32 [m]: mean of the three largest cosines with foreground patches, minus the same for background patches. */
  readonly similarity: Float32Array;
}

/** How many of the largest similarities are averaged into the similarity map; the embedded decoder was trained with 3. */
export const SIMILARITY_TOP = 3;

/** One proposed match: a target patch and the reference patch that proposed it. */
export interface Match {
  readonly targetPatch: number;
  readonly referencePatch: number;
  /** Reference patch that the target patch is nearest to. */
  readonly backPatch: number;
  readonly forwardDistance: number;
  readonly backwardDistance: number;
}

export interface SplitMatches {
  readonly kept: readonly Match[];
  readonly rejected: readonly Match[];
}

/**
 * Plain loops over every pair: O(n m d). What the engine's matching graph computes is tested against this, and it is
 * the specification of the table.
 */
export function matchTokens(reference: PatchTokens, target: PatchTokens, sets: PatchSets): MatchTable {
  if (reference.dim !== target.dim) {
    throw new RangeError(`reference tokens have ${reference.dim} channels, target tokens ${target.dim}`);
  }
  const table = emptyTable(reference.grid, target.grid);
  const n = area(reference.grid);
  const m = area(target.grid);
  const squared = new Float64Array(n * m);
  const cosines = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      let sum = 0;
      let dot = 0;
      let rr = 0;
      let tt = 0;
      for (let k = 0; k < reference.dim; k++) {
        const r = reference.data[i * reference.dim + k];
        const t = target.data[j * target.dim + k];
        sum += (r - t) * (r - t);
        dot += r * t;
        rr += r * r;
        tt += t * t;
      }
      squared[i * m + j] = sum;
      cosines[i * m + j] = dot / (Math.sqrt(rr * tt) || 1);
    }
  }
  const foreground = new Set(sets.foreground);
  const proposing = new Set([...sets.foreground, ...sets.background]);
  for (let i = 0; i < n; i++) {
    let near = 0;
    let far = 0;
    for (let j = 1; j < m; j++) {
      if (squared[i * m + j] < squared[i * m + near]) near = j;
      if (squared[i * m + j] > squared[i * m + far]) far = j;
    }
    if (proposing.has(i)) {
      table.nearestTarget[i] = near;
      table.nearestTargetDistance[i] = Math.sqrt(squared[i * m + near]);
    }
    if (foreground.has(i)) {
      table.farthestTarget[i] = far;
      table.farthestTargetDistance[i] = Math.sqrt(squared[i * m + far]);
    }
  }
  for (let j = 0; j < m; j++) {
    let near = 0;
    for (let i = 1; i < n; i++) if (squared[i * m + j] < squared[near * m + j]) near = i;
    table.nearestReference[j] = near;
    table.nearestReferenceDistance[j] = Math.sqrt(squared[near * m + j]);
    const cosineWith = (i: number) => cosines[i * m + j];
    table.similarity[j] =
      topMean(Array.from(sets.foreground, cosineWith), SIMILARITY_TOP) -
      topMean(Array.from(sets.background, cosineWith), SIMILARITY_TOP);
  }
  return table;
}

/** Mean of the `count` largest values; of all where there are fewer; 0 of none. */
function topMean(values: number[], count: number): number {
  const top = values.sort((a, b) => b - a).slice(0, count);
  return top.length === 0 ? 0 : top.reduce((sum, value) => sum + value, 0) / top.length;
}

/** A table of the right shapes, with -1 for "proposes nothing". */
export function emptyTable(referenceGrid: Size, targetGrid: Size): MatchTable {
  const n = area(referenceGrid);
  const m = area(targetGrid);
  return {
    referenceGrid,
    targetGrid,
    nearestTarget: new Int32Array(n).fill(-1),
    nearestTargetDistance: new Float32Array(n).fill(Number.NaN),
    farthestTarget: new Int32Array(n).fill(-1),
    farthestTargetDistance: new Float32Array(n).fill(Number.NaN),
    nearestReference: new Int32Array(m).fill(-1),
    nearestReferenceDistance: new Float32Array(m).fill(Number.NaN),
    similarity: new Float32Array(m),
  };
}

/**
 * Stage A.3: the distinct target patches that `patches` of the reference are nearest to, ascending. A target patch
 * proposed more than once keeps its closest proposer (ties: the lowest reference patch).
 */
export function forwardMatches(table: MatchTable, patches: Int32Array): Match[] {
  return distinctMatches(table, patches, table.nearestTarget, table.nearestTargetDistance, (a, b) => a < b);
}

/**
 * Stage A.6, proposal: the distinct target patches that `patches` are *farthest* from, ascending; each with the
 * proposer that is farthest away.
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

/** Stage A.4: keeps the matches whose target patch is nearest to a patch of `allowed`; a mixed winner rejects. */
export function backwardMatches(matches: readonly Match[], allowed: Int32Array): SplitMatches {
  const inside = new Set(allowed);
  return split(matches, (match) => inside.has(match.backPatch));
}

/**
 * Stage A.5: with at least four matches, drops those whose mean token distance to the others exceeds the mean of these
 * means by more than two (population) standard deviations. One pass.
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

/**
 * float32 [patches]: mean Euclidean distance of each patch's token to the tokens of the other patches; 0 for a single
 * patch. Plain loops, the oracle of the engine's graph.
 */
export function meanTokenDistances({ data, dim }: PatchTokens, patches: ArrayLike<number>): Float32Array {
  const count = patches.length;
  const sums = new Float64Array(count);
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      let squared = 0;
      for (let k = 0; k < dim; k++) {
        const difference = data[patches[a] * dim + k] - data[patches[b] * dim + k];
        squared += difference * difference;
      }
      sums[a] += Math.sqrt(squared);
      sums[b] += Math.sqrt(squared);
    }
  }
  return Float32Array.from(sums, (sum) => (count > 1 ? sum / (count - 1) : 0));
}

/** Stage A.6, check: keeps the farthest matches whose nearest reference patch is *not* foreground. */
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
