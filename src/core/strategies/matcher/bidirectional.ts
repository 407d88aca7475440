/**
 * Stage *bidirectional matching*, one to one: Matcher's patch-level matching (Liu et al., ICLR 2024, arXiv
 * 2305.13310). Foreground patches of the reference are assigned to target patches so that the sum of cosines is
 * largest; the target patches found are assigned back to *all* patches of the reference; a pair counts if its way back
 * ends in the foreground.
 */
import { assign } from './assignment';

export interface AssignedPair {
  readonly referencePatch: number;
  readonly targetPatch: number;
  readonly cosine: number;
  /** Reference patch that the way back ends in; -1 where the target patch was left over. */
  readonly backPatch: number;
  /** Undefined where the target patch was left over. */
  readonly backCosine: number | undefined;
}

export interface BidirectionalMatches {
  /** Most similar first (ties: lowest target patch). */
  readonly kept: readonly AssignedPair[];
  /** Came back to the foreground, but are the less similar half of many. */
  readonly weaker: readonly AssignedPair[];
  readonly rejected: readonly AssignedPair[];
  /** False where no pair came back, so that `kept` are pairs that did not. */
  readonly returned: boolean;
}

/** More pairs than this are halved. */
const MANY_PAIRS = 40;

/**
 * The pairs [row, column] of the assignment with the largest sum, by ascending row.
 *
 * @param similarity float32 [rows, columns], row-major
 */
export function bestPairs(similarity: Float32Array, rows: number, columns: number): [row: number, column: number][] {
  const { columnOfRow } = assign(
    similarity.map((value) => -value),
    rows,
    columns,
  );
  const pairs: [number, number][] = [];
  columnOfRow.forEach((column, row) => {
    if (column >= 0) pairs.push([row, column]);
  });
  return pairs;
}

interface ForwardPairs {
  /** Target patches of the forward assignment, in the order of their reference patches. */
  readonly targetPatches: Int32Array;
  readonly referencePatches: Int32Array;
  readonly cosines: Float32Array;
}

/**
 * Forward: each of the foreground patches to a target patch of its own.
 *
 * @param similarity float32 [foreground, target patches]
 */
export function forwardPairs(similarity: Float32Array, foreground: Int32Array): ForwardPairs {
  const columns = similarity.length / foreground.length;
  const pairs = bestPairs(similarity, foreground.length, columns);
  return {
    referencePatches: Int32Array.from(pairs, ([row]) => foreground[row]),
    targetPatches: Int32Array.from(pairs, ([, column]) => column),
    cosines: Float32Array.from(pairs, ([row, column]) => similarity[row * columns + column]),
  };
}

/**
 * Backward: keeps the pairs whose target patch is assigned to a foreground patch again, all of them where none is, and
 * of many the better half.
 *
 * @param similarity float32 [pairs, reference patches]: cosines of the pairs' target patches to all reference patches
 */
export function backwardPairs(
  forward: ForwardPairs,
  similarity: Float32Array,
  foreground: Int32Array,
  checkBack = true,
): BidirectionalMatches {
  const count = forward.targetPatches.length;
  const columns = similarity.length / count;
  const back = new Int32Array(count).fill(-1);
  for (const [row, column] of bestPairs(similarity, count, columns)) back[row] = column;
  const pairs = Array.from(
    back,
    (backPatch, row): AssignedPair => ({
      referencePatch: forward.referencePatches[row],
      targetPatch: forward.targetPatches[row],
      cosine: forward.cosines[row],
      backPatch,
      backCosine: backPatch < 0 ? undefined : similarity[row * columns + backPatch],
    }),
  );
  const inside = new Set(foreground);
  const comesBack = ({ backPatch }: AssignedPair) => inside.has(backPatch);
  const returned = !checkBack || pairs.some(comesBack);
  const filters = checkBack && returned;
  const candidates = (filters ? pairs.filter(comesBack) : pairs).sort(bySimilarity);
  const most = candidates.length > MANY_PAIRS ? Math.floor(candidates.length / 2) : candidates.length;
  return {
    kept: candidates.slice(0, most),
    weaker: candidates.slice(most),
    rejected: filters ? pairs.filter((pair) => !comesBack(pair)) : [],
    returned,
  };
}

const bySimilarity = (a: AssignedPair, b: AssignedPair): number => b.cosine - a.cosine || a.targetPatch - b.targetPatch;
