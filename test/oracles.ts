/** What the engine's graphs compute, as plain loops: their specification, and the stand-in where no engine runs. */
import { area } from '../src/core/geometry';
import { emptyTable, type MatchTable, type PatchSets, proposedTargets } from '../src/core/tokens/matching';
import type { PatchTokens } from '../src/core/tokens/patchGrid';
import { rowCount, type TokenRows } from '../src/core/tokens/tokenRows';

/**
 * Plain loops over every pair: O(n m d). The specification of the table that the engine's matching graph computes.
 *
 * @param proposers the reference patches that propose matches; both sets together.
 */
export function matchTokens(reference: PatchTokens, target: PatchTokens, proposers: PatchSets): MatchTable {
  if (reference.dim !== target.dim) {
    throw new RangeError(`reference tokens have ${reference.dim} channels, target tokens ${target.dim}`);
  }
  const table = emptyTable(reference.grid, target.grid);
  const n = area(reference.grid);
  const m = area(target.grid);
  const { dim } = reference;
  const { foreground, background } = proposers;
  const squared = (i: number, j: number): number => {
    let sum = 0;
    for (let k = 0; k < dim; k++) sum += (reference.data[i * dim + k] - target.data[j * dim + k]) ** 2;
    return sum;
  };
  for (const i of [...foreground, ...background]) {
    const all = Array.from({ length: m }, (_, j) => squared(i, j));
    const near = all.indexOf(Math.min(...all));
    const far = all.indexOf(Math.max(...all));
    table.nearestTarget[i] = near;
    table.nearestTargetDistance[i] = Math.sqrt(all[near]);
    table.farthestTarget[i] = far;
    table.farthestTargetDistance[i] = Math.sqrt(all[far]);
  }
  for (const j of proposedTargets(table, proposers)) {
    const all = Array.from({ length: n }, (_, i) => squared(i, j));
    const near = all.indexOf(Math.min(...all));
    table.nearestReference[j] = near;
    table.nearestReferenceDistance[j] = Math.sqrt(all[near]);
  }
  return table;
}

/**
 * float32 [patches]: mean Euclidean distance of each patch's token to the tokens of the other patches; 0 for a single
 * patch.
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

/** The rows less their parts along orthonormal `directions`; O(rows x directions x dim). */
export function projectOut({ data, dim }: TokenRows, directions: TokenRows): TokenRows {
  if (directions.dim !== dim) throw new RangeError(`directions of ${directions.dim} channels for rows of ${dim}`);
  const result = data.slice();
  const count = rowCount(directions);
  const along = new Float64Array(count);
  for (let start = 0; start < data.length; start += dim) {
    for (let k = 0; k < count; k++) {
      let product = 0;
      for (let i = 0, at = k * dim; i < dim; i++, at++) product += data[start + i] * directions.data[at];
      along[k] = product;
    }
    for (let k = 0; k < count; k++) {
      const product = along[k];
      for (let i = 0, at = k * dim; i < dim; i++, at++) result[start + i] -= product * directions.data[at];
    }
  }
  return { dim, data: result };
}
