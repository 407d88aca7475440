/**
 * What `ap-medsam` learns from a reference once per batch: the classifier of stage *foreground prior*, and by stage
 * *self-test* whether its prior may be trusted over the decoder.
 */

import { area, type Box } from '../../geometry';
import { centroid, cropMask, type Mask, mirrorMask } from '../../pixels/mask';
import { dice } from '../../pixels/maskMetrics';
import { type FloatMap, thresholdToMask } from '../../pixels/raster';
import type { DecodedMask } from '../../prompting/segmenter';
import {
  type ForegroundClassifier,
  fitForeground,
  foregroundScores,
  type LabelledTokens,
  priorShare,
  scorePrompt,
  standOut,
  withPrior,
} from '../../tokens/foregroundPrior';
import type { PatchSets } from '../../tokens/matching';
import { patchCoverage } from '../../tokens/supportMask';
import type { EncodedImage, ImageVariant, LabelledReference, PreparationRunner } from '../strategy';
import { missingScores, type PlacedReference } from './alignment';
import { heldOutScores } from './selfTest';

/** Says that remembered values were computed this way; to be raised with any change below or in what it calls. */
const REVISION = 'reference-model-5';

interface LearntClassifier {
  readonly classifier: ForegroundClassifier;
  /** How far its highest scores stand out in the references themselves, see `standOut`; the mean over them. */
  readonly reach: number;
}

export interface ReferenceModel extends LearntClassifier {
  /** Undefined where the references were not tested. */
  readonly selfTest: SelfTest | undefined;
}

interface SelfTest {
  /** What a gentle and what a strong prior find again of the reference's own mask, whose patches were held out. */
  readonly gentle: PriorTest;
  readonly strong: PriorTest;
}

interface PriorTest {
  /** How much of the prior is added to the decoder's answer, both as logits. */
  readonly weight: number;
  readonly dice: number;
}

/** The classifier from the references alone, for segmenters that take no prior. */
export function learnClassifier(references: readonly LabelledReference[]): LearntClassifier {
  const classifier = fitForeground(references.map(({ image, mask }) => labelled(image, image.tokens, mask)));
  return { classifier, reach: meanReach(classifier, references) };
}

function meanReach(classifier: ForegroundClassifier, references: readonly LabelledReference[]): number {
  return mean(references.map(({ image }) => standOut(foregroundScores(classifier, image.tokens)).reach));
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
 * Fits the classifier to the references and four changed copies of each, and runs the self-tests where asked to: of
 * several references, the Dice are means.
 */
export async function learnReferences(
  references: readonly LabelledReference[],
  runner: PreparationRunner,
  withSelfTest: boolean,
): Promise<ReferenceModel> {
  const revision = withSelfTest ? REVISION : `${REVISION}, no self-test`;
  const { weights, numbers } = await runner.remember(revision, async () => {
    const samples: LabelledTokens[] = [];
    const tests: WeightTest[] = [];
    for (const { image, mask } of references) {
      const own = labelled(image, image.tokens, mask);
      const copies: LabelledTokens[] = [];
      for (const change of changesOf(mask)) {
        const tokens = await runner.stage('encode copies', () => image.variant(change));
        copies.push(labelled(image, tokens, changedMask(mask, change)));
      }
      samples.push(own, ...copies);
      if (!withSelfTest) continue;
      tests.push(await runner.stage('self-test', () => testWeights(image, mask, own)));
    }
    const classifier = await runner.stage('fit prior', () => fitForeground(samples));
    const reach = meanReach(classifier, references);
    const tested: number[] = [];
    if (withSelfTest) {
      const gentle = bestWeight(tests.map((test) => test.gentle));
      const strong = bestWeight(tests.map((test) => test.strong));
      tested.push(gentle.weight, gentle.dice, strong.weight, strong.dice);
    }
    return { weights: classifier.weights, numbers: Float32Array.of(classifier.bias, reach, ...tested) };
  });
  const [bias, reach, gentleWeight, gentleDice, strongWeight, strongDice] = numbers;
  const selfTest = {
    gentle: { weight: gentleWeight, dice: gentleDice },
    strong: { weight: strongWeight, dice: strongDice },
  };
  return { classifier: { weights, bias }, reach, selfTest: withSelfTest ? selfTest : undefined };
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

function labelled({ tokens: { grid } }: EncodedImage, tokens: EncodedImage['tokens'], mask: Mask): LabelledTokens {
  return { tokens, coverage: Float32Array.from(patchCoverage(mask, grid)) };
}

/**
 * Brightness and scale vary within any folder, and most objects may be seen mirrored (gammas 0.8 and 1.3: Dice -0.0001;
 * 0.4 and 2.4: -0.005; zoom 1.2: -0.002, 1.6: -0.0004; see docs/accuracy.md).
 */
const GAMMAS = [0.6, 1.6];
const ZOOM = 1.4;

function changesOf(mask: Mask): ImageVariant[] {
  return [
    { kind: 'mirror' },
    ...GAMMAS.map((gamma): ImageVariant => ({ kind: 'gamma', gamma })),
    { kind: 'zoom', box: zoomBox(mask) },
  ];
}

/** A 1.4 times smaller part of the image around the labelled object, inside the image. */
function zoomBox(mask: Mask): Box {
  const { width, height } = mask.size;
  const side = (length: number) => Math.max(1, Math.round(length / ZOOM));
  const start = (centre: number, length: number) =>
    Math.min(Math.max(Math.round(centre - side(length) / 2), 0), length - side(length));
  const { x, y } = centroid(mask)!;
  const left = start(x, width);
  const top = start(y, height);
  return { left, top, right: left + side(width), bottom: top + side(height) };
}

function changedMask(mask: Mask, change: ImageVariant): Mask {
  if (change.kind === 'mirror') return mirrorMask(mask);
  return change.kind === 'zoom' ? cropMask(mask, change.box) : mask;
}

/** Dice of the reference's own mask by each of `PRIOR_WEIGHTS`. */
interface WeightTest {
  readonly gentle: readonly number[];
  readonly strong: readonly number[];
}

async function testWeights(reference: EncodedImage, mask: Mask, own: LabelledTokens): Promise<WeightTest> {
  const scores = heldOutScores(own);
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
