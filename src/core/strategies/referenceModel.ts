/**
 * What `ap-medsam` learns from a reference once per batch: the foreground classifier, and whether its prior may be
 * trusted over the decoder.
 */
import {
  type ForegroundClassifier,
  fitForeground,
  foregroundScores,
  type LabelledTokens,
  scoreDice,
  scorePrompt,
  standOut,
} from '../foregroundPrior';
import type { Box } from '../geometry';
import { centroid, cropMask, type Mask, mirrorMask } from '../mask';
import { dice } from '../maskMetrics';
import { type FloatMap, thresholdToMask } from '../raster';
import { heldOutScores } from '../selfTest';
import { patchCoverage } from '../supportMask';
import type { EncodedImage, ImageVariant, LabelledReference, PreparationRunner } from './strategy';

/** Says that remembered values were computed this way; to be raised with any change below or in what it calls. */
const REVISION = 'reference-model-3';

export interface LearntClassifier {
  readonly classifier: ForegroundClassifier;
  /** How far its highest scores stand out in the references themselves, see `standOut`; the mean over them. */
  readonly reach: number;
}

export interface ReferenceModel extends LearntClassifier {
  /** Dice of the reference's own mask, decoded from a gentle and from a strong prior whose patches were held out; NaN untested. */
  readonly gentleDice: number;
  readonly strongDice: number;
  /** Mean Dice of patches in the changed copies, by a classifier that knows the reference alone; NaN untested. */
  readonly copyDice: number;
}

/** The classifier from the references alone, for segmenters that take no prior. */
export function learnClassifier(references: readonly LabelledReference[]): LearntClassifier {
  const classifier = fitForeground(references.map(({ image, mask }) => labelled(image, image.tokens, mask)));
  return { classifier, reach: meanReach(classifier, references) };
}

function meanReach(classifier: ForegroundClassifier, references: readonly LabelledReference[]): number {
  const reaches = references.map(({ image }) => standOut(foregroundScores(classifier, image.tokens)).reach);
  return reaches.reduce((sum, reach) => sum + reach, 0) / reaches.length;
}

/** A prior as mask prompt that the decoder may overrule. */
export const gentlePrompt = scorePrompt;

/** A prior as mask prompt that the decoder hardly overrules: shifted towards the object and three times as sure. */
export function strongPrompt(scores: FloatMap): FloatMap {
  const { size, data } = scorePrompt(scores);
  return { size, data: data.map((value) => (value + 1) * 3) };
}

/**
 * Fits the classifier to the references and four changed copies of each, and runs the self-tests where asked to: of several
 * references, the Dice are means.
 */
export async function learnReferences(
  references: readonly LabelledReference[],
  runner: PreparationRunner,
  withSelfTest: boolean,
): Promise<ReferenceModel> {
  const revision = withSelfTest ? REVISION : `${REVISION}, no self-test`;
  const { weights, numbers } = await runner.remember(revision, async () => {
    const samples: LabelledTokens[] = [];
    const tests: number[][] = [];
    for (const { image, mask } of references) {
      const own = labelled(image, image.tokens, mask);
      const copies: LabelledTokens[] = [];
      for (const change of changesOf(mask)) {
        const tokens = await runner.stage('encode copies', () => image.variant(change));
        copies.push(labelled(image, tokens, changedMask(mask, change)));
      }
      samples.push(own, ...copies);
      if (!withSelfTest) continue;
      tests.push(
        await runner.stage('self-test', async () => [...(await selfTest(image, mask, own)), copyTest(own, copies)]),
      );
    }
    const classifier = await runner.stage('fit prior', () => fitForeground(samples));
    const mean = (which: number) => tests.reduce((sum, test) => sum + test[which], 0) / tests.length;
    const reach = meanReach(classifier, references);
    return { weights: classifier.weights, numbers: Float32Array.of(classifier.bias, reach, mean(0), mean(1), mean(2)) };
  });
  const [bias, reach, gentleDice, strongDice, copyDice] = numbers;
  return { classifier: { weights, bias }, reach, gentleDice, strongDice, copyDice };
}

/** How much of the object is found again where nothing but brightness, side and size has changed. */
function copyTest(own: LabelledTokens, copies: readonly LabelledTokens[]): number {
  const alone = fitForeground([own]);
  const found = copies.map(({ tokens, coverage }) => scoreDice(foregroundScores(alone, tokens), coverage));
  return found.reduce((sum, value) => sum + value, 0) / found.length;
}

function labelled({ tokens: { grid } }: EncodedImage, tokens: EncodedImage['tokens'], mask: Mask): LabelledTokens {
  return { tokens, coverage: Float32Array.from(patchCoverage(mask, grid)) };
}

/** Brightness and scale vary within any folder, and most objects may be seen mirrored. */
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

async function selfTest(reference: EncodedImage, mask: Mask, own: LabelledTokens): Promise<[number, number]> {
  const scores = heldOutScores(own);
  const image = await reference.promptable();
  const decoded = await image.decode([
    { points: [], maskPrompt: gentlePrompt(scores) },
    { points: [], maskPrompt: strongPrompt(scores) },
  ]);
  const scored = decoded.map(({ logits }) => dice(thresholdToMask(logits, mask.size, 0), mask));
  return [scored[0], scored[1]];
}

/** "Dice 0.83 where the decoder may overrule the prior, 0.91 where it may not; 0.75 in changed copies". */
export const describeSelfTest = ({ gentleDice, strongDice, copyDice }: ReferenceModel): string =>
  `self-test on the reference: Dice ${gentleDice.toFixed(2)} where the decoder may overrule the prior, ${strongDice.toFixed(2)} where it may not; ${copyDice.toFixed(2)} in changed copies of it`;

/** Below this the reference's mask is not found again in the reference itself: of 36 measured, 2, the worst of their sets. */
const WEAK_SELF_TEST = 0.6;
/** Below this a change of light, side or size alone is too much; none of the 36 was. */
const WEAK_COPIES = 0.5;

/** What speaks against a reference, one sentence each. */
export function referenceDoubts({ gentleDice, strongDice, copyDice }: ReferenceModel): string[] {
  const doubts: string[] = [];
  const best = Math.max(gentleDice, strongDice);
  if (best < WEAK_SELF_TEST) {
    doubts.push(
      `warning: the object is hardly found again in the reference itself (Dice ${best.toFixed(2)}): it may be too small or look like its surroundings; another reference is likely to serve better`,
    );
  }
  if (copyDice < WEAK_COPIES) {
    doubts.push(
      `warning: the object is hardly found again in the reference made brighter, darker, larger or mirrored (Dice ${copyDice.toFixed(2)}): what is labelled may be ambiguous`,
    );
  }
  return doubts;
}
