/**
 * Stage *foreground prior*: how much each target patch looks like the labelled object, as one linear function of its
 * token.
 *
 * A class-balanced ridge regression (Hoerl and Kennard 1970) from reference tokens to their coverage by the support
 * mask. Compared with the mean of the nearest similarities it weighs the channels that tell object from background in
 * *this* reference, and it costs one product per target instead of one per pair of patches. Used as mask prompt.
 */
import { area } from '../geometry';
import { type FloatMap, resizeBilinear } from '../pixels/raster';
import type { PatchTokens } from './patchGrid';
import { pickRows, unitScale } from './tokenRows';

/** Tokens of some patches with the labelled share of each. */
export interface LabelledRows {
  readonly tokens: Omit<PatchTokens, 'grid'>;
  /** float32 [patches], in [0, 1]. */
  readonly coverage: Float32Array;
}

/** Tokens of a labelled image, all of its patches. */
export interface LabelledTokens extends LabelledRows {
  readonly tokens: PatchTokens;
}

/** Score of a token of unit length: weights . token + bias; positive means foreground. */
export interface ForegroundClassifier {
  /** float32 [dim]. */
  readonly weights: Float32Array;
  readonly bias: number;
}

/** The tokens of some patches, in their order. */
export const pickTokens = (tokens: PatchTokens, patches: Int32Array): LabelledRows['tokens'] => ({
  ...pickRows(tokens, patches),
  normalised: tokens.normalised,
});

/** Some of a labelled image's patches, in their order. */
export function pickLabelled({ tokens, coverage }: LabelledTokens, patches: Int32Array): LabelledRows {
  const shares = new Float32Array(patches.length);
  for (let row = 0; row < patches.length; row++) shares[row] = coverage[patches[row]];
  return { tokens: pickTokens(tokens, patches), coverage: shares };
}

/**
 * Penalty per labelled image, for tokens of length 1, where all its patches teach (5 and 20: Dice -0.009; see
 * docs/accuracy.md).
 */
export const PENALTY = 10;

/** How a classifier learns more without forgetting what it knows. */
interface NearFit {
  /** What the weights are drawn to. */
  readonly near: ForegroundClassifier;
  /** Strength of that pull, for tokens of length 1. */
  readonly penalty: number;
  /** Steps of conjugate gradient. */
  readonly iterations: number;
}

/**
 * Refits a classifier to some labelled patches in a few steps, drawn to what it was. Patches covered by half or more
 * weigh as much in total as all others.
 */
export function refitForeground(labelled: LabelledRows, { near, penalty, iterations }: NearFit): ForegroundClassifier {
  const { dim } = labelled.tokens;
  const rows = collectRows([labelled]);
  const { weight, goal } = rows;
  const count = goal.length;
  // Without any foreground there is nothing to tell apart.
  if (!goal.some((value) => value > -1)) return near;
  // What is left to explain: the difference of weights is what is fitted and kept small.
  const known = products(rows, Float64Array.from(near.weights));
  for (let row = 0; row < count; row++) goal[row] -= known[row] + near.bias;
  const shares = weight.map((value) => value / count);
  const mean = weightedSum(rows, shares, dim);
  const meanGoal = dot(shares, goal);
  const weights = conjugateGradient(
    (v) => {
      // Centred, weighted X'W(Xv).
      const image = products(rows, v);
      const shift = dot(mean, v);
      for (let row = 0; row < count; row++) image[row] = weight[row] * (image[row] - shift);
      const product = centredSum(rows, image, mean);
      for (let k = 0; k < dim; k++) product[k] += penalty * v[k];
      return product;
    },
    centredSum(
      rows,
      weight.map((value, row) => value * (goal[row] - meanGoal)),
      mean,
    ),
    iterations,
  );
  const bias = meanGoal - dot(mean, weights);
  return { weights: near.weights.map((value, k) => value + weights[k]), bias: near.bias + bias };
}

/** What teaches: all patches of all samples as rows of one matrix, which stays where its parts are. */
interface TeachingRows {
  readonly parts: readonly { readonly data: Float32Array; readonly scales: Float64Array }[];
  /** float64 [rows], in [-1, 1]. */
  readonly goal: Float64Array;
  /** float64 [rows], class-balanced. */
  readonly weight: Float64Array;
}

/** Class-balanced: patches covered by half or more weigh as much in total as all others. */
export function collectRows(samples: readonly LabelledRows[]): TeachingRows {
  const count = samples.reduce((sum, { coverage }) => sum + coverage.length, 0);
  const goal = new Float64Array(count);
  samples.reduce((offset, { coverage }) => {
    goal.set(coverage, offset);
    return offset + coverage.length;
  }, 0);
  // Where no patch is half covered (a thin object), the best-covered ones stand for the object.
  const best = largest(goal);
  const least = best > 0 ? Math.min(0.5, best) : Number.POSITIVE_INFINITY;
  let positives = 0;
  for (let row = 0; row < count; row++) if (goal[row] >= least) positives++;
  const weight = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    const share = goal[row];
    const isForeground = share >= least;
    weight[row] = count / 2 / (isForeground ? positives : Math.max(1, count - positives));
    goal[row] = isForeground && share < 0.5 ? 1 : 2 * share - 1;
  }
  return {
    parts: samples.map(({ tokens }) => ({ data: tokens.data, scales: unitScales(tokens) })),
    goal,
    weight,
  };
}

function largest(values: Float64Array): number {
  let most = 0;
  for (let at = 0; at < values.length; at++) if (values[at] > most) most = values[at];
  return most;
}

// The passes over all tokens are functions of their own, not closures of the fit: the optimised code of a closure is
// lost with it, and a fit per image would never be fast.

/** Each row's product with `v`, float64 [rows]. */
function products({ parts, goal }: TeachingRows, v: Float64Array): Float64Array {
  const result = new Float64Array(goal.length);
  let row = 0;
  for (const { data, scales } of parts) {
    for (let at = 0; at < scales.length; at++) result[row++] = scales[at] * dotAt(data, at * v.length, v);
  }
  return result;
}

/** The sum of all rows, each times its factor, float64 [dim]. */
function weightedSum({ parts }: TeachingRows, factors: Float64Array, dim: number): Float64Array {
  const sum = new Float64Array(dim);
  let row = 0;
  for (const { data, scales } of parts) {
    for (let at = 0; at < scales.length; at++) addScaled(sum, data, at * dim, factors[row++] * scales[at]);
  }
  return sum;
}

/** The sum of all rows less their `mean`, each times its factor, float64 [dim]. */
function centredSum(rows: TeachingRows, factors: Float64Array, mean: Float64Array): Float64Array {
  const sum = weightedSum(rows, factors, mean.length);
  let total = 0;
  for (let row = 0; row < factors.length; row++) total += factors[row];
  for (let k = 0; k < sum.length; k++) sum[k] -= total * mean[k];
  return sum;
}

/** What each token is multiplied with to have length 1; 1 for a token of zeros. */
function unitScales({ data, dim, normalised }: LabelledRows['tokens']): Float64Array {
  const scales = new Float64Array(data.length / dim).fill(1);
  if (normalised) return scales;
  for (let patch = 0; patch < scales.length; patch++) scales[patch] = unitScale(data, patch * dim, dim);
  return scales;
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
  const scales = unitScales(tokens);
  // Products run twice as fast where they meet one type of array only.
  const precise = Float64Array.from(weights);
  for (let patch = 0; patch < scores.length; patch++) {
    scores[patch] = dotAt(data, patch * dim, precise) * scales[patch] + bias;
  }
  return { size: grid, data: scores };
}

/**
 * The share of the scores below the highest ones, which are left out: single patches run away. Chosen, not measured.
 */
const HIGHEST = 0.99;

/** The median score, and how far the highest ones stand out from it. */
export function standOut({ data }: FloatMap): { median: number; reach: number } {
  const sorted = data.slice().sort();
  const median = sorted[sorted.length >> 1];
  return { median, reach: sorted[Math.floor(HIGHEST * (sorted.length - 1))] - median };
}

/**
 * Scores scaled to a standard deviation of 2, the range of logits that mask prompts have (1: Dice -0.025; 3: +0.009;
 * see docs/accuracy.md); the mean stays, so that 0 remains the decision.
 */
export function scorePrompt({ size, data }: FloatMap): FloatMap {
  let sum = 0;
  for (let patch = 0; patch < data.length; patch++) sum += data[patch];
  const mean = sum / data.length;
  let squares = 0;
  for (let patch = 0; patch < data.length; patch++) squares += (data[patch] - mean) ** 2;
  const scale = 2 / (Math.sqrt(squares / data.length) + 1e-6);
  const scaled = new Float32Array(data.length);
  for (let patch = 0; patch < data.length; patch++) scaled[patch] = data[patch] * scale;
  return { size, data: scaled };
}

/** A share of the prior to add to an answer, as logits on the patch grid; undefined where it is none. */
export function priorShare(scores: FloatMap, weight: number): FloatMap | undefined {
  if (weight === 0) return undefined;
  const { size, data } = scorePrompt(scores);
  return { size, data: data.map((value) => weight * value) };
}

/**
 * An answer with a share of the prior that led to it. What a decoder was trained on it draws better than the prior
 * tells it; what it never saw it overrules where it should not. Where it draws nothing, that is its answer.
 */
export function withPrior(logits: FloatMap, share: FloatMap | undefined): FloatMap {
  if (share === undefined || !logits.data.some((logit) => logit > 0)) return logits;
  const { data } = resizeBilinear(share, logits.size);
  for (let at = 0; at < data.length; at++) data[at] += logits.data[at];
  return { size: logits.size, data };
}
