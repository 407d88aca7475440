/**
 * Stages *backward votes* and *region joining* (after INSID3, arXiv 2603.28480): which patches of a target look like
 * the reference's object, and which regions of the target belong together.
 *
 * Where we differ: the vote of a region is the share of its patches whose nearest reference patch is foreground, and
 * weighs in the score; every patch is scored by itself as well, because regions are coarser than small objects.
 */
import type { Size } from '../../geometry';
import type { FloatMap } from '../../pixels/raster';
import { cosines, pickRows, type TokenRows, unitTokens } from '../../tokens/tokenRows';
import type { TokenClusters } from './tokenClusters';

/** Regions join, and patches count, from here. The best of 0.15 to 0.3 on eight sets, where it decides little. */
const LEAST_SCORE = 0.2;

/** A region of which most patches vote for the object is its seed before any other. */
const SEED_VOTE = 0.5;

/**
 * uint8 [patches]: 1 where the most similar reference token is one of the foreground.
 *
 * @param similarity float32 [patches, reference tokens]: cosines, the `foreground` tokens of the foreground in front
 */
export function backwardVotes(similarity: Float32Array, patches: number, foreground: number): Uint8Array {
  const tokens = similarity.length / patches;
  const best = (from: number, to: number) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let at = from; at < to; at++) most = Math.max(most, similarity[at]);
    return most;
  };
  return Uint8Array.from({ length: patches }, (_, patch) => {
    const start = patch * tokens;
    return best(start, start + foreground) > best(start + foreground, start + tokens) ? 1 : 0;
  });
}

export interface TargetEvidence {
  /** Unit tokens of the target. */
  readonly tokens: TokenRows;
  readonly grid: Size;
  readonly clusters: TokenClusters;
  /** uint8 [patches], as from `backwardVotes`. */
  readonly votes: Uint8Array;
  /** Mean direction of the reference's foreground. */
  readonly prototype: TokenRows;
  /** A seed is at least this similar to the prototype. */
  readonly leastSimilarity: number;
}

interface JoinedRegions {
  /** Above 0 for the object, float32 on the patch grid, in [-0.2, 0.8]. */
  readonly scores: FloatMap;
  readonly joined: number;
}

/** The object's regions; undefined where no region that gets votes is like the object: it is absent. */
export function joinRegions(evidence: TargetEvidence): JoinedRegions | undefined {
  const { tokens, grid, clusters, votes, prototype, leastSimilarity } = evidence;
  const { clusterOf, sizes, means } = clusters;
  const share = new Float64Array(sizes.length);
  clusterOf.forEach((cluster, patch) => {
    share[cluster] += votes[patch] / sizes[cluster];
  });
  const directions = unitTokens({
    grid: { width: sizes.length, height: 1 },
    dim: tokens.dim,
    data: means,
    normalised: false,
  });
  const cross = cosines(directions, prototype);
  const likeliest = (leastVote: number): number | undefined => {
    let best: number | undefined;
    for (let cluster = 0; cluster < sizes.length; cluster++) {
      if (share[cluster] < leastVote || cross[cluster] < leastSimilarity) continue;
      if (best === undefined || cross[cluster] > cross[best]) best = cluster;
    }
    return best;
  };
  const seed = likeliest(SEED_VOTE) ?? likeliest(Number.MIN_VALUE);
  if (seed === undefined) return undefined;
  const seedToken = pickRows(directions, [seed]);
  const self = cosines(directions, seedToken);
  const crossOfPatch = cosines(tokens, prototype);
  const selfOfPatch = cosines(tokens, seedToken);
  const region = share.map((vote, cluster) => vote * Math.max(0, cross[cluster]) * Math.max(0, self[cluster]));
  const data = Float32Array.from(clusterOf, (cluster, patch) => {
    const own = votes[patch] * Math.max(0, crossOfPatch[patch]) * Math.max(0, selfOfPatch[patch]);
    return (region[cluster] + own) / 2 - LEAST_SCORE;
  });
  return { scores: { size: grid, data }, joined: region.filter((score) => score >= LEAST_SCORE).length };
}
