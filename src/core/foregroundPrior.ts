/**
 * The foreground prior: how much each target patch looks like the labelled object, as one linear function of its token.
 *
 * A class-balanced ridge regression (Hoerl and Kennard 1970) from reference tokens to their coverage by the support mask.
 * Compared with the mean of the nearest similarities it weighs the channels that tell object from background in *this*
 * reference, and it costs one product per target instead of one per pair of patches. Used as mask prompt.
 */
import { area } from './geometry';
import type { PatchTokens } from './patchGrid';
import type { FloatMap } from './raster';

/** Tokens of a labelled image with the labelled share of every patch. */
export interface LabelledTokens {
  readonly tokens: PatchTokens;
  /** float32 [patches], in [0, 1]. */
  readonly coverage: Float32Array;
}

/** Score of a token of unit length: weights . token + bias; positive means foreground. */
export interface ForegroundClassifier {
  /** float32 [dim]. */
  readonly weights: Float32Array;
  readonly bias: number;
}

/** Penalty per labelled image, for tokens of length 1, where all its patches teach. */
export const PENALTY = 10;

export interface ForegroundFit {
  /** Leaves patches out where false. */
  readonly use?: (sample: number, patch: number) => boolean;
  /** What the weights are drawn to; zero where undefined. */
  readonly near?: ForegroundClassifier;
  /** Strength of that pull per labelled image, for tokens of length 1. */
  readonly penalty?: number;
  /** Conjugate gradient converges to what thresholding can tell apart long before 20. */
  readonly iterations?: number;
}

/**
 * Fits the classifier to labelled images, whose tokens must have the same length. Patches covered by half or more weigh
 * as much in total as all others.
 */
export function fitForeground(
  samples: readonly LabelledTokens[],
  { use = () => true, near, penalty = PENALTY, iterations = 20 }: ForegroundFit = {},
): ForegroundClassifier {
  const { dim } = samples[0].tokens;
  const rows = collectRows(samples, use);
  const { weight, goal, count } = rows;
  // Without any foreground there is nothing to tell apart.
  if (!goal.some((value) => value > -1)) return near ?? { weights: new Float32Array(dim), bias: -1 };
  if (near !== undefined) {
    // What is left to explain: the difference of weights is what is fitted and kept small.
    const start = Float64Array.from(near.weights);
    rows.forEach((row, token, offset, scale) => {
      goal[row] -= scale * dotAt(token, offset, start) + near.bias;
    });
  }
  const mean = new Float64Array(dim);
  let meanGoal = 0;
  rows.forEach((row, token, offset, scale) => {
    const share = weight[row] / count;
    meanGoal += share * goal[row];
    addScaled(mean, token, offset, share * scale);
  });

  /** Centred, weighted X'W(Xv): one pass, each token read once for both products. */
  const normal = (v: Float64Array): Float64Array => {
    const shift = dot(mean, v);
    return backProject((row, token, offset, scale) => {
      return weight[row] * (scale * dotAt(token, offset, v) - shift);
    });
  };
  const backProject = (residual: RowFunction): Float64Array => {
    const result = new Float64Array(dim);
    let total = 0;
    rows.forEach((row, token, offset, scale) => {
      const value = residual(row, token, offset, scale);
      total += value;
      addScaled(result, token, offset, value * scale);
    });
    for (let k = 0; k < dim; k++) result[k] -= total * mean[k];
    return result;
  };

  const weights = conjugateGradient(
    (v) => {
      const product = normal(v);
      for (let k = 0; k < dim; k++) product[k] += penalty * samples.length * v[k];
      return product;
    },
    backProject((row) => weight[row] * (goal[row] - meanGoal)),
    iterations,
  );
  const bias = meanGoal - dot(mean, weights);
  if (near === undefined) return { weights: Float32Array.from(weights), bias };
  return { weights: near.weights.map((value, k) => value + weights[k]), bias: near.bias + bias };
}

type RowFunction = (row: number, token: Float32Array, offset: number, scale: number) => number;

/** The patches in use as rows: goal in [-1, 1], class-balanced weight, and the factor that makes the token unit. */
function collectRows(samples: readonly LabelledTokens[], use: (sample: number, patch: number) => boolean) {
  const patches = samples.map(({ coverage }, sample) =>
    Int32Array.from({ length: coverage.length }, (_, patch) => patch).filter((patch) => use(sample, patch)),
  );
  const shares = patches.flatMap((list, sample) => Array.from(list, (patch) => samples[sample].coverage[patch]));
  // Where no patch is half covered (a thin object), the best-covered ones stand for the object.
  const best = shares.reduce((most, share) => Math.max(most, share), 0);
  const isForeground = (share: number) => share >= Math.min(0.5, best) && share > 0;
  const count = shares.length;
  const positives = shares.filter(isForeground).length;
  const goal = Float64Array.from(shares, (share) => (isForeground(share) && share < 0.5 ? 1 : 2 * share - 1));
  const weight = Float64Array.from(shares, (share) =>
    isForeground(share) ? count / 2 / positives : count / 2 / Math.max(1, count - positives),
  );
  const scales = samples.map(({ tokens }, sample) =>
    Float64Array.from(patches[sample], (patch) => unitScale(tokens, patch)),
  );
  return {
    count,
    goal,
    weight,
    forEach(visit: (row: number, token: Float32Array, offset: number, scale: number) => void): void {
      let row = 0;
      samples.forEach(({ tokens }, sample) => {
        for (let at = 0; at < patches[sample].length; at++) {
          visit(row++, tokens.data, patches[sample][at] * tokens.dim, scales[sample][at]);
        }
      });
    },
  };
}

/** What a token is multiplied with to have length 1; 1 for a token of zeros. */
function unitScale({ data, dim, normalised }: PatchTokens, patch: number): number {
  if (normalised) return 1;
  let squares = 0;
  for (let k = patch * dim; k < (patch + 1) * dim; k++) squares += data[k] * data[k];
  return squares > 0 ? 1 / Math.sqrt(squares) : 1;
}

/** Solves A x = b for a symmetric positive definite A given as a product, from x = 0 (Hestenes and Stiefel 1952). */
function conjugateGradient(
  product: (v: Float64Array) => Float64Array,
  b: Float64Array,
  iterations: number,
): Float64Array {
  const x = new Float64Array(b.length);
  const residual = b.slice();
  const direction = b.slice();
  let squares = dot(residual, residual);
  for (let iteration = 0; iteration < iterations && squares > 1e-10; iteration++) {
    const image = product(direction);
    const step = squares / dot(direction, image);
    for (let k = 0; k < x.length; k++) {
      x[k] += step * direction[k];
      residual[k] -= step * image[k];
    }
    const next = dot(residual, residual);
    for (let k = 0; k < x.length; k++) direction[k] = residual[k] + (next / squares) * direction[k];
    squares = next;
  }
  return x;
}

/** Product of `v` with the token at `offset`. Four sums at a time: a single one would wait for itself. */
function dotAt(token: Float32Array, offset: number, v: Float64Array): number {
  const dim = v.length;
  const even = dim - (dim % 4);
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let k = 0, at = offset; k < even; k += 4, at += 4) {
    a += token[at] * v[k];
    b += token[at + 1] * v[k + 1];
    c += token[at + 2] * v[k + 2];
    d += token[at + 3] * v[k + 3];
  }
  for (let k = even; k < dim; k++) a += token[offset + k] * v[k];
  return a + b + c + d;
}

/** Adds `scale` times the token at `offset` to `sum`. */
function addScaled(sum: Float64Array, token: Float32Array, offset: number, scale: number): void {
  const dim = sum.length;
  const even = dim - (dim % 4);
  for (let k = 0, at = offset; k < even; k += 4, at += 4) {
    sum[k] += scale * token[at];
    sum[k + 1] += scale * token[at + 1];
    sum[k + 2] += scale * token[at + 2];
    sum[k + 3] += scale * token[at + 3];
  }
  for (let k = even; k < dim; k++) sum[k] += scale * token[offset + k];
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

/** Scores of all patches, float32 on the target's grid. Positive means foreground. */
export function foregroundScores({ weights, bias }: ForegroundClassifier, tokens: PatchTokens): FloatMap {
  const { data, dim, grid } = tokens;
  const scores = new Float32Array(area(grid));
  // Products run twice as fast where they meet one type of array only.
  const precise = Float64Array.from(weights);
  for (let patch = 0; patch < scores.length; patch++) {
    scores[patch] = dotAt(data, patch * dim, precise) * unitScale(tokens, patch) + bias;
  }
  return { size: grid, data: scores };
}

/** The share of the highest scores that is left out: single patches run away. */
const HIGHEST = 0.99;

/** The median score, and how far the highest ones stand out from it. */
export function standOut({ data }: FloatMap): { median: number; reach: number } {
  const sorted = data.slice().sort();
  const median = sorted[sorted.length >> 1];
  return { median, reach: sorted[Math.floor(HIGHEST * (sorted.length - 1))] - median };
}

/**
 * Scores scaled to a standard deviation of 2, the range of logits that mask prompts have; the mean stays, so that 0
 * remains the decision.
 */
export function scorePrompt({ size, data }: FloatMap): FloatMap {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length;
  const scale = 2 / (Math.sqrt(variance) + 1e-6);
  return { size, data: data.map((value) => value * scale) };
}

/** Dice of the patches with a positive score and of `coverage`, in [0, 1] per patch; 1 where neither has anything. */
export function scoreDice({ data }: FloatMap, coverage: ArrayLike<number>): number {
  let common = 0;
  let total = 0;
  for (let patch = 0; patch < data.length; patch++) {
    const object = data[patch] > 0 ? 1 : 0;
    common += Math.min(object, coverage[patch]);
    total += object + coverage[patch];
  }
  return total > 0 ? (2 * common) / total : 1;
}
