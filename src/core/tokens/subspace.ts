/**
 * Stage *position removal*: the directions in which some rows vary most, and what is left of other rows without them.
 * Used to take positions out of patch tokens: those of a blank image differ by their place alone (INSID3, CVPR 2026,
 * arXiv 2603.28480).
 */
import { rowCount, type TokenRows } from './tokenRows';

/** A direction that explains less than this share of the variance of the first one is rounding. */
const NEGLIGIBLE = 1e-9;

/**
 * Orthonormal directions, float32 [count, dim], largest variance first: the right singular vectors of the rows less
 * their mean. At most `most`, fewer where the rows vary in fewer directions; none where they are all alike.
 *
 * Householder reduction to a tridiagonal matrix and implicit QL (Golub & Van Loan, Matrix Computations, 8.3) on the
 * covariance, float64: 6 dim^3 operations.
 */
export function principalDirections({ data, dim }: TokenRows, most: number): TokenRows {
  const rows = rowCount({ data, dim });
  const mean = new Float64Array(dim);
  for (let i = 0; i < data.length; i++) mean[i % dim] += data[i] / rows;
  const covariance = Array.from({ length: dim }, () => new Float64Array(dim));
  const centred = new Float64Array(dim);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < dim; i++) centred[i] = data[row * dim + i] - mean[i];
    for (let i = 0; i < dim; i++) {
      const value = centred[i];
      const line = covariance[i];
      for (let j = 0; j <= i; j++) line[j] += value * centred[j];
    }
  }
  for (let i = 0; i < dim; i++) for (let j = 0; j < i; j++) covariance[j][i] = covariance[i][j];
  const { values, vectors } = eigenSystem(covariance);
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a]);
  const largest = dim > 0 ? values[order[0]] : 0;
  const kept = order.slice(0, most).filter((index) => values[index] > largest * NEGLIGIBLE && values[index] > 0);
  const directions = new Float32Array(kept.length * dim);
  for (const [row, index] of kept.entries()) {
    for (let i = 0; i < dim; i++) directions[row * dim + i] = vectors[i][index];
  }
  return { dim, data: directions };
}

/** Eigenvalues and, in the columns of `vectors`, unit eigenvectors of a symmetric matrix, which is overwritten. */
function eigenSystem(matrix: Float64Array[]): { values: Float64Array; vectors: Float64Array[] } {
  const size = matrix.length;
  const values = new Float64Array(size);
  const off = new Float64Array(size);
  tridiagonalise(matrix, values, off);
  // Rows are rotated instead of columns, which lie apart in memory.
  const rotated = Array.from({ length: size }, (_, k) => Float64Array.from(matrix, (row) => row[k]));
  diagonalise(values, off, rotated);
  const vectors = Array.from({ length: size }, (_, i) => Float64Array.from(rotated, (row) => row[i]));
  return { values, vectors };
}

/** Householder: leaves the orthogonal transformation in `a`, the diagonal in `d`, the off-diagonal in `e[1..]`. */
function tridiagonalise(a: Float64Array[], d: Float64Array, e: Float64Array): void {
  const size = a.length;
  for (let i = size - 1; i > 0; i--) {
    const row = a[i];
    let scale = 0;
    for (let k = 0; k < i; k++) scale += Math.abs(row[k]);
    if (i === 1 || scale === 0) {
      e[i] = row[i - 1];
      d[i] = 0;
      continue;
    }
    let norm = 0;
    for (let k = 0; k < i; k++) {
      row[k] /= scale;
      norm += row[k] * row[k];
    }
    const pivot = row[i - 1];
    const root = pivot >= 0 ? -Math.sqrt(norm) : Math.sqrt(norm);
    e[i] = scale * root;
    norm -= pivot * root;
    row[i - 1] = pivot - root;
    // p = A u / H in e, by rows of the lower triangle.
    e.fill(0, 0, i);
    for (let j = 0; j < i; j++) {
      const line = a[j];
      const factor = row[j];
      let sum = line[j] * factor;
      for (let k = 0; k < j; k++) {
        sum += line[k] * row[k];
        e[k] += line[k] * factor;
      }
      e[j] += sum;
    }
    let half = 0;
    for (let j = 0; j < i; j++) {
      a[j][i] = row[j] / norm;
      e[j] /= norm;
      half += e[j] * row[j];
    }
    half /= norm + norm;
    for (let j = 0; j < i; j++) e[j] -= half * row[j];
    for (let j = 0; j < i; j++) {
      const line = a[j];
      const f = row[j];
      const g = e[j];
      for (let k = 0; k <= j; k++) line[k] -= f * e[k] + g * row[k];
    }
    d[i] = norm;
  }
  e[0] = 0;
  accumulate(a, d);
}

/** Multiplies the reflections that `tridiagonalise` left in `a` together. */
function accumulate(a: Float64Array[], d: Float64Array): void {
  const size = a.length;
  if (size > 0) d[0] = 0;
  const products = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const row = a[i];
    if (d[i] !== 0) {
      products.fill(0, 0, i);
      for (let k = 0; k < i; k++) {
        const line = a[k];
        const factor = row[k];
        for (let j = 0; j < i; j++) products[j] += factor * line[j];
      }
      for (let k = 0; k < i; k++) {
        const line = a[k];
        const factor = line[i];
        for (let j = 0; j < i; j++) line[j] -= products[j] * factor;
      }
    }
    d[i] = row[i];
    row[i] = 1;
    for (let j = 0; j < i; j++) {
      row[j] = 0;
      a[j][i] = 0;
    }
  }
}

/** More rounds than any matrix of finite numbers needs. */
const MOST_ROUNDS = 60;

/** Implicit QL on a tridiagonal matrix; `rows` are the columns of the transformation so far, and are rotated along. */
function diagonalise(d: Float64Array, e: Float64Array, rows: Float64Array[]): void {
  const size = d.length;
  e.copyWithin(0, 1);
  if (size > 0) e[size - 1] = 0;
  for (let l = 0; l < size; l++) {
    for (let round = 0; ; round++) {
      let m = l;
      while (m < size - 1 && Math.abs(e[m]) > Number.EPSILON * (Math.abs(d[m]) + Math.abs(d[m + 1]))) m++;
      if (m === l) break;
      if (round === MOST_ROUNDS) throw new RangeError('eigenvalues do not converge: not a matrix of finite numbers');
      const ratio = (d[l + 1] - d[l]) / (2 * e[l]);
      const length = Math.hypot(ratio, 1);
      let g = d[m] - d[l] + e[l] / (ratio + (ratio >= 0 ? length : -length));
      let sine = 1;
      let cosine = 1;
      let shift = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = sine * e[i];
        const b = cosine * e[i];
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] -= shift;
          e[m] = 0;
          break;
        }
        sine = f / r;
        cosine = g / r;
        const rest = d[i + 1] - shift;
        const turned = (d[i] - rest) * sine + 2 * cosine * b;
        shift = sine * turned;
        d[i + 1] = rest + shift;
        g = cosine * turned - b;
        rotate(rows[i], rows[i + 1], cosine, sine);
      }
      if (i >= l) continue;
      d[l] -= shift;
      e[l] = g;
      e[m] = 0;
    }
  }
}

function rotate(first: Float64Array, second: Float64Array, cosine: number, sine: number): void {
  for (let k = 0; k < first.length; k++) {
    const a = first[k];
    const b = second[k];
    second[k] = sine * a + cosine * b;
    first[k] = cosine * a - sine * b;
  }
}
