/**
 * Stage *label next*: which images are worth labelling next, those that stand for the most images that no reference
 * covers well.
 *
 * Greedy facility location, the BUILD step of k-medoids (PAM, Kaufman and Rousseeuw 1987) with the references as
 * medoids that are there already: each choice takes away as much as can be of the distance, weighted with need, from
 * images to the nearest one chosen. The image farthest from all references is usually junk and is chosen late: it helps
 * itself alone.
 */
import { area } from '../geometry';
import { checkTokens, type PatchTokens } from './patchGrid';
import { unitScale } from './tokenRows';

/** What an image looks like as a whole: the mean of its unit tokens, made unit itself, float32 [dim]. */
export function describeImage(tokens: PatchTokens): Float32Array {
  checkTokens(tokens);
  const { data, dim, grid, normalised } = tokens;
  const sum = new Float64Array(dim);
  for (let patch = 0; patch < area(grid); patch++) {
    const start = patch * dim;
    const scale = normalised ? 1 : unitScale(data, start, dim);
    for (let k = 0; k < dim; k++) sum[k] += scale * data[start + k];
  }
  const scale = unitScale(sum, 0, dim);
  return Float32Array.from(sum, (value) => value * scale);
}

/** An image that is unlike both belongs to neither's group, though one is nearer by a hair. */
const NEARER = 0.9;

/** 1 - cosine of two unit descriptors: 0 for images that look alike. */
export function imageDistance(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new RangeError(`descriptors have ${a.length} and ${b.length} values`);
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return Math.max(0, 1 - sum);
}

export interface Candidate {
  readonly descriptor: Float32Array;
  /** How much the image needs a reference that is like it, 0 (its mask is good) to 1. */
  readonly need: number;
}

export interface Choice {
  /** Index of the candidate. */
  readonly index: number;
  /**
   * Indices of the candidates that are nearer to it by a tenth than to anything before, itself among them, ascending.
   */
  readonly group: readonly number[];
  /** Share of the need-weighted distance that it takes away, of all that there was before the first choice. */
  readonly gain: number;
}

/**
 * At most `count` candidates, the most useful first; fewer where nothing more would be gained. Ties go to the lowest
 * index.
 *
 * @param references descriptors of what is labelled already; with none the first choice is the medoid of all
 */
export function rankCandidates(
  candidates: readonly Candidate[],
  references: readonly Float32Array[],
  count: number,
): Choice[] {
  const n = candidates.length;
  const distances = new Float32Array(n * n);
  let farthest = 0;
  for (let a = 0; a < n; a++) {
    for (let b = a + 1; b < n; b++) {
      const distance = imageDistance(candidates[a].descriptor, candidates[b].descriptor);
      distances[a * n + b] = distance;
      distances[b * n + a] = distance;
      farthest = Math.max(farthest, distance);
    }
  }
  // Without a reference everything is equally far from one: as far as images are from each other.
  const uncovered = farthest > 0 ? farthest : 1;
  const nearest = Float64Array.from(candidates, ({ descriptor }) =>
    references.length === 0
      ? uncovered
      : Math.min(...references.map((reference) => imageDistance(descriptor, reference))),
  );
  const before = candidates.reduce((sum, { need }, i) => sum + need * nearest[i], 0);
  const choices: Choice[] = [];
  const chosen = new Set<number>();
  while (choices.length < count) {
    let best = -1;
    let most = 0;
    for (let m = 0; m < n; m++) {
      if (chosen.has(m)) continue;
      let gain = 0;
      for (let i = 0; i < n; i++) {
        const nearer = nearest[i] - distances[m * n + i];
        if (nearer > 0) gain += candidates[i].need * nearer;
      }
      if (gain > most) {
        most = gain;
        best = m;
      }
    }
    if (best < 0) break;
    chosen.add(best);
    const group: number[] = [];
    for (let i = 0; i < n; i++) {
      if (i === best || distances[best * n + i] < NEARER * nearest[i]) group.push(i);
      nearest[i] = Math.min(nearest[i], distances[best * n + i]);
    }
    choices.push({ index: best, group, gain: most / before });
  }
  return choices;
}

/**
 * Share of the images that are more like the others, on average, than `reference` is, in [0, 1]: near 1 for a reference
 * that is atypical of its folder. 0 for no images.
 */
export function atypicality(reference: Float32Array, images: readonly Float32Array[]): number {
  const n = images.length;
  if (n === 0) return 0;
  const mean = new Float32Array(reference.length);
  for (const image of images) for (let k = 0; k < mean.length; k++) mean[k] += image[k] / n;
  // The mean distance to all others is one product with their mean, as distances are linear in it.
  const own = 1 - product(reference, mean);
  const typical = images.filter((image) => {
    const toOthers = n > 1 ? (n * (1 - product(image, mean))) / (n - 1) : 0;
    return toOthers < own;
  });
  return typical.length / n;
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}
