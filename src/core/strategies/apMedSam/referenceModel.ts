/**
 * What `ap-medsam` learns from a reference once per batch: the classifier of stage *foreground prior*, and by stage
 * *self-test* whether its prior may be trusted over the decoder.
 */

import { area } from '../../geometry';
import type { Mask } from '../../pixels/mask';
import { meanExtent } from '../../pixels/maskExtent';
import { dice } from '../../pixels/maskMetrics';
import { type FloatMap, thresholdToMask } from '../../pixels/raster';
import type { DecodedMask } from '../../prompting/segmenter';
import {
  type ForegroundClassifier,
  foregroundScores,
  priorShare,
  scorePrompt,
  standOut,
  withPrior,
} from '../../tokens/foregroundPrior';
import type { PatchSets } from '../../tokens/matching';
import { addSums, noSums, solveSums, type TeachingSums } from '../../tokens/teachingSums';
import type { EncodedImage, FurtherReference, LabelledReference, PreparationRunner } from '../strategy';
import { missingScores, type PlacedReference } from './alignment';
import { labelled, lessonOf, type ShownObject } from './lesson';
import { heldOutScores } from './selfTest';

/** Says that remembered values were computed this way; to be raised with any change below or in what it calls. */
const REVISION = 'reference-model-7';

export interface ReferenceModel {
  readonly classifier: ForegroundClassifier;
  /** How far its highest scores stand out in the tested references themselves, see `standOut`; the mean over them. */
  readonly reach: number;
  /** Undefined where the references were not tested. */
  readonly selfTest: SelfTest | undefined;
  /** What all references show: the mean of each number. */
  readonly shown: ShownObject;
}

export interface SelfTest {
  /** What a gentle and what a strong prior find again of the reference's own mask, whose patches were held out. */
  readonly gentle: PriorTest;
  readonly strong: PriorTest;
}

interface PriorTest {
  /** How much of the prior is added to the decoder's answer, both as logits. */
  readonly weight: number;
  readonly dice: number;
}

/** A prior as mask prompt that the decoder may overrule. */
export const gentlePrompt = scorePrompt;

/**
 * A prior as mask prompt that the decoder hardly overrules: shifted towards the object (by 0.5: Dice -0.001; by 1.5:
 * +0.002) and three times as sure (1.5 times: -0.0002; 4.5 times: +0.002; see docs/accuracy.md).
 */
export function strongPrompt(scores: FloatMap): FloatMap {
  const { size, data } = scorePrompt(scores);
  return { size, data: data.map((value) => (value + 1) * 3) };
}

/**
 * References that are looked at once more when all have taught: they stand for the others, and each costs what a target
 * does. Chosen, not measured.
 */
const MOST_TESTED = 6;

interface Learning {
  /** Whether changed copies of the references teach too. */
  readonly copies: boolean;
  readonly selfTest: boolean;
}

/**
 * Fits the classifier to the references, and asks the first of them what came of it: how far it stands out in them and,
 * where asked for, the self-tests, whose Dice are means. No reference stays open.
 */
export async function learnReferences(
  references: readonly FurtherReference[],
  runner: PreparationRunner,
  { copies, selfTest: withSelfTest }: Learning,
): Promise<ReferenceModel> {
  const revision = [REVISION, ...(copies ? [] : ['no copies']), ...(withSelfTest ? [] : ['no self-test'])].join(', ');
  const { weights, numbers } = await runner.remember(revision, async () => {
    const { all, without, shown } = await sumUp(references, runner, copies);
    const counted = (but?: number) => independent(references.filter((_, which) => which !== but));
    const classifier = await runner.stage('fit prior', () => solveSums(all, counted()));
    const reaches: number[] = [];
    const tests: WeightTest[] = [];
    for (const [which, reference] of references.slice(0, MOST_TESTED).entries()) {
      const { image, mask } = await reference.open();
      reaches.push(standOut(foregroundScores(classifier, image.tokens)).reach);
      if (!withSelfTest) continue;
      const scores = await runner.stage('fit prior', () =>
        references.length > 1
          ? foregroundScores(solveSums(without[which], counted(which)), image.tokens)
          : heldOutScores(labelled(image, image.tokens, mask)),
      );
      tests.push(await runner.stage('self-test', () => testWeights(image, mask, scores)));
    }
    const { size, extent, objects } = shown;
    const known = [classifier.bias, mean(reaches), size, extent.area, extent.border, objects];
    const tested = withSelfTest ? testNumbers(tests) : [];
    return { weights: Float64Array.from(classifier.weights), numbers: Float64Array.of(...known, ...tested) };
  });
  const [bias, reach, size, area, border, objects, gentleWeight, gentleDice, strongWeight, strongDice] = numbers;
  const selfTest = {
    gentle: { weight: gentleWeight, dice: gentleDice },
    strong: { weight: strongWeight, dice: strongDice },
  };
  return {
    classifier: { weights: Float32Array.from(weights), bias },
    reach,
    selfTest: withSelfTest ? selfTest : undefined,
    shown: { size, extent: { area, border }, objects },
  };
}

/** As how many references of equal weight these count (the effective sample size of Kish 1965). */
function independent(references: readonly FurtherReference[]): number {
  const sum = references.reduce((total, { weight }) => total + weight, 0);
  return sum ** 2 / references.reduce((total, { weight }) => total + weight ** 2, 0);
}

interface Summary {
  readonly all: TeachingSums;
  /** Of each tested reference, what all others say. */
  readonly without: readonly TeachingSums[];
  readonly shown: ShownObject;
}

/** Adds up what the references teach, in their order, so that the same ones always give the same numbers. */
async function sumUp(
  references: readonly FurtherReference[],
  runner: PreparationRunner,
  copies: boolean,
): Promise<Summary> {
  const shown: ShownObject[] = [];
  const totals: TeachingSums[] = [];
  const tested = Math.min(references.length, MOST_TESTED);
  for (const [which, reference] of references.entries()) {
    const lesson = await lessonOf(reference, which, runner, copies);
    shown.push(lesson.shown);
    for (let total = 0; total <= tested; total++) {
      totals[total] ??= noSums(lesson.sums.dim);
      // The last total is of all of them.
      if (total !== which || total === tested) addSums(totals[total], lesson.sums, reference.weight);
    }
  }
  const extent = meanExtent(shown.map((one) => one.extent));
  const size = mean(shown.map((one) => one.size));
  const objects = mean(shown.map((one) => one.objects));
  return { all: totals[tested], without: totals.slice(0, tested), shown: { size, extent, objects } };
}

/** Weight and Dice of the gentle prompt, then of the strong one. */
function testNumbers(tests: readonly WeightTest[]): readonly number[] {
  const gentle = bestWeight(tests.map((test) => test.gentle));
  const strong = bestWeight(tests.map((test) => test.strong));
  return [gentle.weight, gentle.dice, strong.weight, strong.dice];
}

/**
 * The references as they are laid over a target, with what `scoresOf` lacks in each. Patches are joined in their order.
 *
 * @param coverage float32 [patches of all references], in [0, 1]
 */
export function placeReferences(
  references: readonly LabelledReference[],
  coverage: Float32Array,
  { foreground, background }: PatchSets,
  scoresOf: (image: EncodedImage) => FloatMap,
): PlacedReference[] {
  let end = 0;
  return references.map(({ image }) => {
    const { grid } = image.tokens;
    const offset = end;
    const next = offset + area(grid);
    end = next;
    const own = (patches: Int32Array) => patches.filter((patch) => patch >= offset && patch < next);
    return {
      grid,
      offset,
      proposers: { foreground: own(foreground), background: own(background) },
      missing: missingScores(scoresOf(image), coverage.subarray(offset, next)),
    };
  });
}

/** Dice of the reference's own mask by each of `PRIOR_WEIGHTS`. */
interface WeightTest {
  readonly gentle: readonly number[];
  readonly strong: readonly number[];
}

async function testWeights(reference: EncodedImage, mask: Mask, scores: FloatMap): Promise<WeightTest> {
  const image = await reference.promptable();
  const [gentle, strong] = await image.decode([
    { points: [], maskPrompt: gentlePrompt(scores) },
    { points: [], maskPrompt: strongPrompt(scores) },
  ]);
  const found = ({ logits }: DecodedMask) =>
    PRIOR_WEIGHTS.map((weight) =>
      dice(thresholdToMask(withPrior(logits, priorShare(scores, weight)), mask.size, 0), mask),
    );
  return { gentle: found(gentle), strong: found(strong) };
}

/** The answer about a reference in the way that is best for it, with the judged patches held out of the prior. */
export async function heldOutAnswer(
  { image, mask }: LabelledReference,
  { gentle, strong }: SelfTest,
): Promise<FloatMap> {
  const scores = heldOutScores(labelled(image, image.tokens, mask));
  const isStrong = strong.dice >= gentle.dice;
  const maskPrompt = (isStrong ? strongPrompt : gentlePrompt)(scores);
  const [{ logits }] = await (await image.promptable()).decode([{ points: [], maskPrompt }]);
  return withPrior(logits, priorShare(scores, (isStrong ? strong : gentle).weight));
}

/** How much of the prior may be added to an answer. More would be an answer without a decoder. Chosen, not measured. */
const PRIOR_WEIGHTS = [0, 0.25, 0.5, 1] as const;

/**
 * The reference's own patches make a better prior than those of any target will: a gain below this is none (0.005 and
 * 0.02: Dice +0.002; see docs/accuracy.md).
 */
const LEAST_GAIN = 0.01;

/** The least weight that is as good as the best one, in the mean over the references. */
function bestWeight(tests: readonly (readonly number[])[]): PriorTest {
  const dices = PRIOR_WEIGHTS.map((_, which) => mean(tests.map((test) => test[which])));
  const enough = Math.max(...dices) - LEAST_GAIN;
  const which = dices.findIndex((value) => value >= enough);
  return { weight: PRIOR_WEIGHTS[which], dice: dices[which] };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** "Dice 0.83 where the decoder may overrule the prior, 0.91 where it may not". */
export const describeSelfTest = ({ gentle, strong }: SelfTest): string =>
  `self-test on the reference: Dice ${gentle.dice.toFixed(2)} where the decoder may overrule the prior, ${strong.dice.toFixed(2)} where it may not`;

/**
 * Below this the reference's mask is not found again in the reference itself: of 191 references of 34 sets, 15, whose
 * targets have a mean Dice of 0.30, those of the others 0.76.
 */
const WEAK_SELF_TEST = 0.6;

/** What speaks against a reference, one sentence each. */
export function referenceDoubts({ gentle, strong }: SelfTest): string[] {
  const best = Math.max(gentle.dice, strong.dice);
  if (best >= WEAK_SELF_TEST) return [];
  return [
    `warning: the object is hardly found again in the reference itself (Dice ${best.toFixed(2)}): it may be too small or look like its surroundings; another reference is likely to serve better`,
  ];
}
