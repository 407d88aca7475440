/**
 * Stage *foreground prior*, the fit: ridge regression (Hoerl and Kennard 1970) by its normal equations. What a labelled
 * image says enters them as sums over its patches, so the sums of any number of images add up, each image counts once,
 * and one is taken back exactly by adding up the others.
 */
import { collectRows, type ForegroundClassifier, type LabelledRows, PENALTY } from './foregroundPrior';

/** Sums over the labelled patches of an image and its changed copies, or of several such images. */
export interface TeachingSums {
  /** Length of a token. */
  readonly dim: number;
  /**
   * float64 [dim (dim + 1) / 2 + 2 dim + 3]. With x a token of unit length, y in [-1, 1] its goal and a its weight:
   * the sums of a x x' (upper triangle, row by row), of a y x, of a x, of a y and of a, and how many images and copies.
   */
  readonly data: Float64Array;
}

/** Where the parts of the sums begin. */
function layout(dim: number) {
  const goals = (dim * (dim + 1)) / 2;
  const tokens = goals + dim;
  const goal = tokens + dim;
  return { goals, tokens, goal, weight: goal + 1, images: goal + 2, length: goal + 3 };
}

export function noSums(dim: number): TeachingSums {
  return { dim, data: new Float64Array(layout(dim).length) };
}

/**
 * What an image says of the object, itself and with its changed copies, whose tokens must have the same length. Patches
 * covered by half or more weigh as much in total as all others; without any foreground nothing is said.
 */
export function teachingSums(samples: readonly LabelledRows[]): TeachingSums {
  const { dim } = samples[0].tokens;
  const sums = noSums(dim);
  const { parts, goal, weight } = collectRows(samples);
  if (!goal.some((value) => value > -1)) return sums;
  const { images } = layout(dim);
  const block: Block = { tokens: new Float64Array(4 * dim), weights: new Float64Array(4) };
  let held = 0;
  let row = 0;
  for (const { data, scales } of parts) {
    for (let at = 0; at < scales.length; at++, row++) {
      for (let k = 0; k < dim; k++) block.tokens[held * dim + k] = data[at * dim + k] * scales[at];
      block.weights[held] = weight[row];
      addLinear(sums, block.tokens.subarray(held * dim, (held + 1) * dim), goal[row], weight[row]);
      if (++held < 4) continue;
      addProducts(sums, block);
      held = 0;
    }
  }
  block.weights.fill(0, held);
  addProducts(sums, block);
  sums.data[images] = samples.length;
  return sums;
}

/** Adds `weight` times the sums to `total`, in place. */
export function addSums(total: TeachingSums, { data }: TeachingSums, weight: number): void {
  for (let k = 0; k < data.length; k++) total.data[k] += weight * data[k];
}

/** Four tokens with their weights. */
interface Block {
  /** float64 [4, dim]. */
  readonly tokens: Float64Array;
  readonly weights: Float64Array;
}

function addLinear({ dim, data }: TeachingSums, token: Float64Array, goal: number, weight: number): void {
  const at = layout(dim);
  for (let k = 0; k < dim; k++) {
    const share = weight * token[k];
    data[at.goals + k] += goal * share;
    data[at.tokens + k] += share;
  }
  data[at.goal] += weight * goal;
  data[at.weight] += weight;
}

/** Four tokens at a time: each sum is read and written once for all of them. */
function addProducts({ dim, data }: TeachingSums, { tokens, weights }: Block): void {
  let start = 0;
  for (let i = 0; i < dim; i++) {
    const a = weights[0] * tokens[i];
    const b = weights[1] * tokens[dim + i];
    const c = weights[2] * tokens[2 * dim + i];
    const d = weights[3] * tokens[3 * dim + i];
    for (let j = i; j < dim; j++) {
      data[start + j - i] += a * tokens[j] + b * tokens[dim + j] + c * tokens[2 * dim + j] + d * tokens[3 * dim + j];
    }
    start += dim - i;
  }
}

/**
 * The classifier that solves the normal equations; without any foreground a plain no.
 *
 * @param references how many images the sums are of. Their penalty is that of the square root of so many, since what
 *   many agree on needs less holding back (of all of them: Dice -0.005 with 3 references, -0.007 with 10; see
 *   docs/accuracy.md).
 */
export function solveSums({ dim, data }: TeachingSums, references = 1): ForegroundClassifier {
  const at = layout(dim);
  const weight = data[at.weight];
  if (weight === 0) return { weights: new Float32Array(dim), bias: -1 };
  const penalty = (PENALTY * data[at.images]) / Math.sqrt(references);
  // Centred, since the bias is not kept small.
  const matrix = new Float64Array(dim * dim);
  const weights = new Float64Array(dim);
  let from = 0;
  for (let i = 0; i < dim; i++) {
    const mean = data[at.tokens + i] / weight;
    for (let j = i; j < dim; j++) matrix[j * dim + i] = data[from++] - mean * data[at.tokens + j];
    matrix[i * dim + i] += penalty;
    weights[i] = data[at.goals + i] - mean * data[at.goal];
  }
  solveDefinite(matrix, weights);
  let bias = data[at.goal];
  for (let k = 0; k < dim; k++) bias -= data[at.tokens + k] * weights[k];
  return { weights: Float32Array.from(weights), bias: bias / weight };
}

/**
 * Solves A x = b in place of b by Cholesky's decomposition, for a symmetric positive definite A.
 *
 * @param a its lower half, float64 [n, n], row-major; used up
 * @param b float64 [n]
 */
function solveDefinite(a: Float64Array, b: Float64Array): void {
  const n = b.length;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = a[i * n + j];
      for (let k = 0; k < j; k++) rest -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i === j ? Math.sqrt(rest) : rest / a[j * n + j];
    }
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
}

/** The classifier that one labelled image teaches, or a part of it. */
export const fitForeground = (labelled: LabelledRows): ForegroundClassifier => solveSums(teachingSums([labelled]));
