/**
 * What `ap-medsam` learns from a reference once per batch: the foreground classifier, and whether its prior may be
 * trusted over the decoder.
 */
import { type ForegroundClassifier, fitForeground, type LabelledTokens, scorePrompt } from '../foregroundPrior';
import type { Box } from '../geometry';
import { centroid, cropMask, type Mask, mirrorMask } from '../mask';
import { dice } from '../maskMetrics';
import { type FloatMap, thresholdToMask } from '../raster';
import { heldOutScores } from '../selfTest';
import { patchCoverage } from '../supportMask';
import type { EncodedImage, ImageVariant, PreparationRunner } from './strategy';

/** Says that remembered values were computed this way; to be raised with any change below or in what it calls. */
const REVISION = 'reference-model-1';

export interface ReferenceModel {
  readonly classifier: ForegroundClassifier;
  /** Dice of the reference's own mask, decoded from a gentle and from a strong prior whose patches were held out; NaN untested. */
  readonly gentleDice: number;
  readonly strongDice: number;
}

/** A prior as mask prompt that the decoder may overrule. */
export const gentlePrompt = scorePrompt;

/** A prior as mask prompt that the decoder hardly overrules: shifted towards the object and three times as sure. */
export function strongPrompt(scores: FloatMap): FloatMap {
  const { size, data } = scorePrompt(scores);
  return { size, data: data.map((value) => (value + 1) * 3) };
}

/** Fits the classifier to the reference and four changed copies of it, and runs the self-test where asked to. */
export async function learnReference(
  reference: EncodedImage,
  mask: Mask,
  runner: PreparationRunner,
  withSelfTest: boolean,
): Promise<ReferenceModel> {
  const revision = withSelfTest ? REVISION : `${REVISION}, no self-test`;
  const { weights, numbers } = await runner.remember(revision, async () => {
    const own = labelled(reference, reference.tokens, mask);
    const copies: LabelledTokens[] = [];
    for (const change of changesOf(mask)) {
      const tokens = await runner.stage('encode copies', () => reference.variant(change));
      copies.push(labelled(reference, tokens, changedMask(mask, change)));
    }
    const classifier = await runner.stage('fit prior', () => fitForeground([own, ...copies]));
    const [gentleDice, strongDice] = withSelfTest
      ? await runner.stage('self-test', () => selfTest(reference, mask, own))
      : [Number.NaN, Number.NaN];
    return { weights: classifier.weights, numbers: Float32Array.of(classifier.bias, gentleDice, strongDice) };
  });
  const [bias, gentleDice, strongDice] = numbers;
  return { classifier: { weights, bias }, gentleDice, strongDice };
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

/** "Dice 0.83 from a gentle prior, 0.91 from a strong one". */
export const describeSelfTest = ({ gentleDice, strongDice }: ReferenceModel): string =>
  `self-test on the reference: Dice ${gentleDice.toFixed(2)} where the decoder may overrule the prior, ${strongDice.toFixed(2)} where it may not`;
