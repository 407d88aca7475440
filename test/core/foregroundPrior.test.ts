/** The foreground prior against the normal equations, solved by elimination. */
import { describe, expect, it } from 'vitest';
import { heldOutScores } from '../../src/core/strategies/apMedSam/selfTest';
import {
  foregroundScores,
  type LabelledTokens,
  refitForeground,
  scorePrompt,
} from '../../src/core/tokens/foregroundPrior';
import { addSums, fitForeground, noSums, solveSums, teachingSums } from '../../src/core/tokens/teachingSums';
import { seededRandom } from '../seeded';

const random = seededRandom(3);

function sample(width: number, height: number, dim: number, normalised = true): LabelledTokens {
  const data = Float32Array.from({ length: width * height * dim }, () => random() - 0.5);
  const coverage = Float32Array.from({ length: width * height }, () => Math.round(random() * 4) / 4);
  if (normalised) {
    for (let at = 0; at < data.length; at += dim) {
      const length = Math.hypot(...data.subarray(at, at + dim));
      for (let k = at; k < at + dim; k++) data[k] /= length;
    }
  }
  return { tokens: { grid: { width, height }, dim, data, normalised }, coverage };
}

/** Weighted ridge regression with an intercept, written as its normal equations. */
function normalEquations(
  samples: readonly LabelledTokens[],
  penalty: number,
  near?: ArrayLike<number>,
): { weights: number[]; bias: number } {
  const rows = samples.flatMap(({ tokens, coverage }) =>
    Array.from(coverage, (share, patch) => {
      const token = [...tokens.data.subarray(patch * tokens.dim, (patch + 1) * tokens.dim)];
      const length = Math.hypot(...token);
      return { token: token.map((value) => value / length), goal: 2 * share - 1, positive: share >= 0.5 };
    }),
  );
  const positives = rows.filter(({ positive }) => positive).length;
  const weightOf = (positive: boolean) => rows.length / 2 / (positive ? positives : rows.length - positives);
  const dim = rows[0].token.length;
  // Unknowns: the weights, then the bias, which is not penalised.
  const size = dim + 1;
  const matrix = Array.from({ length: size }, () => new Array<number>(size + 1).fill(0));
  for (const { token, goal, positive } of rows) {
    const x = [...token, 1];
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) matrix[i][j] += weightOf(positive) * x[i] * x[j];
      matrix[i][size] += weightOf(positive) * x[i] * goal;
    }
  }
  for (let i = 0; i < dim; i++) {
    matrix[i][i] += penalty;
    matrix[i][size] += penalty * (near?.[i] ?? 0);
  }
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      if (i === j) continue;
      const factor = matrix[j][i] / matrix[i][i];
      for (let k = i; k <= size; k++) matrix[j][k] -= factor * matrix[i][k];
    }
  }
  const solution = matrix.map((row, i) => row[size] / row[i]);
  return { weights: solution.slice(0, dim), bias: solution[dim] };
}

describe('foreground classifier', () => {
  it.each([
    ['one reference', [sample(5, 4, 6)]],
    ['a reference and its copies', [sample(5, 4, 6), sample(5, 4, 6), sample(4, 4, 6)]],
    ['tokens of any length', [sample(5, 4, 6, false)]],
  ])('solves the weighted ridge regression of %s', (_, samples) => {
    const expected = normalEquations(samples, 10 * samples.length);
    const { weights, bias } = solveSums(teachingSums(samples));
    expect(weights).toHaveLength(6);
    weights.forEach((weight, k) => {
      expect(weight).toBeCloseTo(expected.weights[k], 4);
    });
    expect(bias).toBeCloseTo(expected.bias, 4);
  });

  it('is drawn to weights that are given', () => {
    const one = sample(5, 4, 6);
    const near = { weights: Float32Array.from({ length: 6 }, () => random() - 0.5), bias: 0.3 };
    const expected = normalEquations([one], 40, near.weights);
    const { weights, bias } = refitForeground(one, { near, penalty: 40, iterations: 20 });
    weights.forEach((weight, k) => {
      expect(weight).toBeCloseTo(expected.weights[k], 4);
    });
    expect(bias).toBeCloseTo(expected.bias, 4);
    const hardly = refitForeground(one, { near, penalty: 1e6, iterations: 20 });
    hardly.weights.forEach((weight, k) => {
      expect(weight).toBeCloseTo(near.weights[k], 4);
    });
  });

  it('scores every patch of a target, whatever the length of its tokens', () => {
    const reference = sample(5, 4, 6);
    const classifier = fitForeground(reference);
    const { tokens } = sample(3, 2, 6);
    const scores = foregroundScores(classifier, tokens);
    expect(scores.size).toEqual(tokens.grid);
    expect(scores.data).toHaveLength(6);
    const doubled = { ...tokens, data: tokens.data.map((value) => value * 2), normalised: false };
    foregroundScores(classifier, doubled).data.forEach((score, patch) => {
      expect(score).toBeCloseTo(scores.data[patch], 5);
    });
  });

  it('tells object from background where they differ', () => {
    const labelled = sample(6, 6, 8);
    labelled.coverage.forEach((_, patch) => {
      labelled.coverage[patch] = patch % 3 === 0 ? 1 : 0;
      labelled.tokens.data[patch * 8] = patch % 3 === 0 ? 0.9 : -0.9;
    });
    const scores = foregroundScores(fitForeground(labelled), labelled.tokens);
    scores.data.forEach((score, patch) => {
      expect(score > 0).toBe(patch % 3 === 0);
    });
  });

  it('takes the best-covered patches of a thin object, and gives a plain no without any foreground', () => {
    const thin = sample(5, 4, 6);
    thin.coverage.fill(0).set([0.3, 0.2], 4);
    const scores = foregroundScores(fitForeground(thin), thin.tokens);
    expect(scores.data.indexOf(Math.max(...scores.data))).toBe(4);
    thin.coverage.fill(0);
    expect(fitForeground(thin)).toEqual({ weights: new Float32Array(6), bias: -1 });
  });
});

describe('sums of several images', () => {
  const images = [sample(5, 4, 6), sample(3, 7, 6), sample(4, 4, 6)].map((one) => teachingSums([one]));
  const sumOf = (which: readonly number[], weight = 1) => {
    const total = noSums(6);
    for (const index of which) addSums(total, images[index], weight);
    return total;
  };

  it('teach what all their patches do, each image balanced for itself', () => {
    const [some, others] = [sample(5, 4, 6), sample(5, 4, 6)];
    // Where object and rest have the same shares in both, balancing them together is balancing each.
    others.coverage.set(some.coverage);
    const together = solveSums(teachingSums([some, others]));
    const total = noSums(6);
    for (const one of [some, others]) addSums(total, teachingSums([one]), 1);
    const added = solveSums(total);
    added.weights.forEach((weight, k) => {
      expect(weight).toBeCloseTo(together.weights[k], 6);
    });
    expect(added.bias).toBeCloseTo(together.bias, 9);
  });

  it('are taken back exactly by adding up the others', () => {
    expect(solveSums(sumOf([0, 1, 2]))).not.toEqual(solveSums(sumOf([0, 2])));
    expect(solveSums(sumOf([0, 2]))).toEqual(solveSums(sumOf([0, 2])));
    expect(sumOf([1])).toEqual(images[1]);
  });

  it('are held back less, the more images they are of', () => {
    const strength = (references: number) => Math.hypot(...solveSums(sumOf([0, 1, 2]), references).weights);
    expect(strength(3)).toBeGreaterThan(strength(1));
  });

  it('say the same whatever all of them weigh, and as much as so many copies', () => {
    const once = solveSums(sumOf([0, 1]));
    solveSums(sumOf([0, 1], 0.25)).weights.forEach((weight, k) => {
      expect(weight).toBeCloseTo(once.weights[k], 6);
    });
    const heavy = sumOf([0]);
    addSums(heavy, images[1], 2);
    expect(solveSums(heavy).bias).toBeCloseTo(solveSums(sumOf([0, 1, 1])).bias, 9);
  });
});

describe('score prompt', () => {
  it('has a standard deviation of 2 and keeps the decision at 0', () => {
    const { data } = scorePrompt({ size: { width: 2, height: 2 }, data: Float32Array.of(-1, 1, 3, 1) });
    const mean = data.reduce((sum, value) => sum + value, 0) / 4;
    expect(Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4)).toBeCloseTo(2, 4);
    expect([...data].map(Math.sign)).toEqual([-1, 1, 1, 1]);
  });

  it('survives scores that are all the same', () => {
    const { data } = scorePrompt({ size: { width: 2, height: 1 }, data: Float32Array.of(0, 0) });
    expect([...data]).toEqual([0, 0]);
  });
});

describe('held-out scores', () => {
  it('do not depend on what the judged block is labelled', () => {
    const reference = sample(24, 24, 5);
    const before = heldOutScores(reference);
    // The top left 6 x 6 block is one colour of the checkerboard, together with those two blocks away.
    const coverage = reference.coverage.slice();
    coverage[0] = 1 - coverage[0];
    coverage[25] = 1 - coverage[25];
    const after = heldOutScores({ ...reference, coverage });
    for (const patch of [0, 1, 25, 5 * 24 + 5, 12]) expect(after.data[patch]).toBe(before.data[patch]);
    expect(after.data[6]).not.toBe(before.data[6]);
  });
});
