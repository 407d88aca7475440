/** The prior that learns from its own mask, on tokens whose appearance drifts from reference to target. */
import { expect, it } from 'vitest';
import type { FloatMap } from '../../src/core/pixels/raster';
import { adaptedScores, selfTrainedScores } from '../../src/core/strategies/apMedSam/adaptation';
import { foregroundScores, type LabelledTokens, scorePrompt } from '../../src/core/tokens/foregroundPrior';
import { fitForeground } from '../../src/core/tokens/teachingSums';
import { seededRandom } from '../seeded';

/** Dice of the patches with a positive score and of those that `covered` says, 0 or 1 each. */
function scoreDice({ data }: FloatMap, covered: Float32Array): number {
  const found = data.map((score) => (score > 0 ? 1 : 0));
  const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
  return (2 * sum(found.map((value, patch) => value * covered[patch]))) / (sum(found) + sum(covered));
}

const grid = { width: 16, height: 16 };
const inside = (patch: number) => Math.hypot((patch % 16) - 7.5, Math.floor(patch / 16) - 7.5) < 5;
const coverage = Float32Array.from({ length: 256 }, (_, patch) => (inside(patch) ? 1 : 0));

/** Unit tokens of 8 channels: one tells object from background as in the reference, one only in this image. */
function image(seed: number, shared: number, own: number): LabelledTokens {
  const random = seededRandom(seed);
  const data = new Float32Array(256 * 8);
  for (let patch = 0; patch < 256; patch++) {
    const token = Array.from({ length: 8 }, () => random() - 0.5);
    token[0] += inside(patch) ? shared : -shared;
    token[1] += inside(patch) ? own : -own;
    const length = Math.hypot(...token);
    data.set(
      token.map((value) => value / length),
      patch * 8,
    );
  }
  return { tokens: { grid, dim: 8, data, normalised: true }, coverage };
}

const classifier = fitForeground(image(1, 1, 0));
const target = image(2, 0.15, 1.2);
const scores = foregroundScores(classifier, target.tokens);
/** A decoder's answer at twice the grid: mostly right, as far as these scores led it. */
const logitsOf = ({ data }: FloatMap, scale: number): FloatMap => ({
  size: { width: 32, height: 32 },
  data: Float32Array.from({ length: 1024 }, (_, at) => {
    const patch = Math.floor(at / 64) * 16 + Math.floor((at % 32) / 2);
    return data[patch] * scale;
  }),
});

it('finds the object by what only this target shows of it', () => {
  const before = scoreDice(scores, coverage);
  const adapted = adaptedScores(classifier, scores, target.tokens, logitsOf(scorePrompt(scores), 2))!;
  expect(before).toBeLessThan(0.8);
  expect(adapted.size).toEqual(grid);
  expect(scoreDice(adapted, coverage)).toBeGreaterThan(before + 0.05);
});

it('tells the object apart where the reference gives little more than the order', () => {
  const drifted = image(5, 0.3, 1.2);
  const first = foregroundScores(classifier, drifted.tokens);
  // As where the target as a whole looks a little more like the background than the reference did.
  const low = { ...first, data: first.data.map((score) => score - 0.35) };
  const trained = selfTrainedScores(classifier, low, drifted.tokens);
  expect(trained.size).toEqual(grid);
  const before = scoreDice(low, coverage);
  expect(before).toBeLessThan(0.6);
  expect(scoreDice(trained, coverage)).toBeGreaterThan(before + 0.1);
});

it('learns nothing from a target whose patches are all alike', () => {
  const { tokens } = image(6, 1, 0);
  const alike = { ...tokens, data: tokens.data.map((_, at) => tokens.data[at % tokens.dim]) };
  const first = foregroundScores(classifier, alike);
  const trained = selfTrainedScores(classifier, first, alike);
  expect(trained.data).toEqual(scorePrompt(first).data);
});

it('leaves the scores as they are in rank where the mask says the same', () => {
  const alike = image(3, 1, 0);
  const first = foregroundScores(classifier, alike.tokens);
  const adapted = adaptedScores(classifier, first, alike.tokens, logitsOf(scorePrompt(first), 3))!;
  expect(scoreDice(adapted, coverage)).toBeGreaterThanOrEqual(scoreDice(first, coverage) - 0.02);
});

it('learns from sure patches alone', () => {
  const logits = logitsOf(scorePrompt(scores), 2);
  const sure = adaptedScores(classifier, scores, target.tokens, logits)!;
  // What is unsure may say anything: it is not looked at.
  const flipped = { ...logits, data: logits.data.map((value) => (Math.abs(value) <= 1.99 ? -value : value)) };
  // Interpolation at the centres of patches sees one value, as all pixels of a patch are alike.
  expect(adaptedScores(classifier, scores, target.tokens, flipped)!.data).toEqual(sure.data);
});

it('has nothing to learn where nothing is surely foreground', () => {
  const unsure: FloatMap = { size: grid, data: new Float32Array(256).fill(-5).fill(1.9, 0, 40) };
  expect(adaptedScores(classifier, scores, target.tokens, unsure)).toBeUndefined();
});
