/** Tokens as rows of a matrix, apart from the grid they came from: what cosine similarities are computed between. */
import type { PatchTokens } from './patchGrid';

/** Tokens of length 1. */
export interface TokenRows {
  readonly dim: number;
  /** float32 [rows, dim], row-major. */
  readonly data: Float32Array;
}

export const rowCount = ({ data, dim }: TokenRows): number => data.length / dim;

/** The tokens scaled to length 1; those that have it already are not copied. A token of zeros stays. */
export function unitTokens(tokens: PatchTokens): PatchTokens {
  if (tokens.normalised) return tokens;
  const data = tokens.data.slice();
  scaleToUnit(data, tokens.dim);
  return { ...tokens, data, normalised: true };
}

/** The rows of `a`, then those of `b`. */
export function stackRows(a: TokenRows, b: TokenRows): TokenRows {
  const data = new Float32Array(a.data.length + b.data.length);
  data.set(a.data);
  data.set(b.data, a.data.length);
  return { dim: a.dim, data };
}

/** The rows of `patches`, in their order. */
export function pickRows({ data, dim }: TokenRows, patches: ArrayLike<number>): TokenRows {
  const picked = new Float32Array(patches.length * dim);
  for (let row = 0, to = 0; row < patches.length; row++) {
    for (let from = patches[row] * dim, k = 0; k < dim; k++) picked[to++] = data[from + k];
  }
  return { dim, data: picked };
}

/** Direction of the mean of some rows, float32 [1, dim]: their prototype. */
export function meanDirection({ data, dim }: TokenRows): TokenRows {
  const sum = new Float64Array(dim);
  for (let at = 0; at < data.length; at++) sum[at % dim] += data[at];
  const mean = Float32Array.from(sum, (value) => (value * dim) / data.length);
  scaleToUnit(mean, dim);
  return { dim, data: mean };
}

/**
 * Plain loops, O(rows x columns x dim): float32 [a's rows, b's rows]. For a few rows, and as the oracle of the engine's
 * graph.
 */
export function cosines(a: TokenRows, b: TokenRows): Float32Array {
  if (a.dim !== b.dim) throw new RangeError(`tokens have ${a.dim} and ${b.dim} channels, expected the same`);
  const { dim } = a;
  const columns = rowCount(b);
  const result = new Float32Array(rowCount(a) * columns);
  for (let i = 0; i < rowCount(a); i++) {
    for (let j = 0; j < columns; j++) {
      result[i * columns + j] = dotAt(a.data, i * dim, b.data, j * dim, dim);
    }
  }
  return result;
}

/**
 * Product of the `dim` values of `a` from `x` with those of `b` from `y`. Four sums: a single one would wait for
 * itself.
 */
export function dotAt(a: Float32Array, x: number, b: Float32Array, y: number, dim: number): number {
  const even = dim - (dim % 4);
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  for (let k = 0; k < even; k += 4) {
    sum0 += a[x + k] * b[y + k];
    sum1 += a[x + k + 1] * b[y + k + 1];
    sum2 += a[x + k + 2] * b[y + k + 2];
    sum3 += a[x + k + 3] * b[y + k + 3];
  }
  for (let k = even; k < dim; k++) sum0 += a[x + k] * b[y + k];
  return sum0 + sum1 + sum2 + sum3;
}

/** What the `dim` values from `start` are multiplied with to have length 1; 1 where all are 0. */
export function unitScale(values: Float32Array | Float64Array, start: number, dim: number): number {
  let squares = 0;
  for (let k = start; k < start + dim; k++) squares += values[k] * values[k];
  return squares > 0 ? 1 / Math.sqrt(squares) : 1;
}

/** Scales each of the rows to length 1, in place; one of zeros stays. */
export function scaleToUnit(rows: Float32Array, dim: number): void {
  for (let start = 0; start < rows.length; start += dim) {
    const scale = unitScale(rows, start, dim);
    for (let k = start; k < start + dim; k++) rows[k] *= scale;
  }
}
