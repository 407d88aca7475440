/**
 * Stage *pixel prior*: what the references teach of single pixels, at the size of the picture, as one more opinion
 * beside the segmenter's. How much it counts is tested on the references themselves, with the judged pixels held out.
 */
import { area, type Size } from '../../geometry';
import {
  addRow,
  fitPixels,
  noPixelSums,
  type PixelClassifier,
  scoreRows,
  standardOf,
  termsOf,
} from '../../pixelPrior/pixelClassifier';
import { pixelFeatures, type RgbPixels } from '../../pixelPrior/pixelFeatures';
import type { Mask } from '../../pixels/mask';
import { bilinearSampler, type FloatMap, resizeBilinear } from '../../pixels/raster';
import { seededRandom } from '../../random';
import type { EncodedImage, FurtherReference, LabelledReference, PixelPort, PreparationRunner } from '../strategy';

/** Says that remembered values were computed this way; to be raised with any change below or in what it calls. */
const REVISION = 'pixel-prior-1';

/** Larger pictures are looked at in this size: so many pixels take 0.9 s of one busy core, 300,000 take 0.3 s. */
const MOST_PIXELS = 1_000_000;

/** Pixels of a reference that teach and are judged. Chosen, not measured. */
const MOST_TAUGHT = 24_000;

/** Fewer labelled ones among them teach nothing. Chosen, not measured. */
const LEAST_TAUGHT = 24;

/** Side of the blocks that are held out together, as a share of the picture's. Chosen, not measured. */
const BLOCKS = 4;

/** How much of the scores may be added, once they are scaled to a root mean square of 2 in the references. */
const SHARES = [0, 0.5, 1, 2, 4] as const;

/**
 * What a share must gain in the references, where pixels are more alike than in any target: so much, and so much more
 * for each 1 of it. On 22 and on 12 sets the mean Dice gains .030 and loses .001 (0.02 for each 1: .027, .001; 0.04:
 * .025, .000; 0.06: .020, .000; none or twice as much at least: the same).
 */
const LEAST_GAIN = 0.01;
const GAIN_PER_SHARE = 0.03;

/** Scaled scores count up to here (without a limit: Dice the same). */
const SUREST = 3;

export interface PixelPrior {
  readonly note: string;
  /** Logits over the whole image, float32 at the size at which its pixels were read. */
  withPixels(target: EncodedImage, logits: FloatMap): Promise<FloatMap>;
}

/**
 * What pixels teach, where that helps in the references themselves; undefined where it does not, or where there are no
 * pixels.
 *
 * @param answerOf the segmenter's answer about a reference, with what is judged held out of its prior.
 */
export async function learnPixels(
  references: readonly FurtherReference[],
  answerOf: (reference: LabelledReference) => Promise<FloatMap>,
  runner: PreparationRunner,
): Promise<PixelPrior | undefined> {
  const { weights, numbers } = await runner.remember(REVISION, () =>
    runner.stage('learn pixels', () => learn(references, answerOf)),
  );
  const [share, scale, without, dice] = numbers;
  if (share === 0) return undefined;
  const port = await runner.openPixels(Float32Array.from(weights));
  return {
    note: `pixels are judged one by one too, by what the reference shows of them: Dice ${dice.toFixed(2)} instead of ${without.toFixed(2)} in the reference itself`,
    withPixels: async (target, logits) => {
      if (target.pixels === undefined) return logits;
      return added(logits, await pixelScores(target.pixels, port), share, scale);
    },
  };
}

async function pixelScores(read: NonNullable<EncodedImage['pixels']>, port: PixelPort): Promise<FloatMap> {
  const features = pixelFeatures(await read(MOST_PIXELS));
  return await port.scores(features, standardOf(features));
}

function added(logits: FloatMap, scores: FloatMap, share: number, scale: number): FloatMap {
  const { size, data } = resizeBilinear(logits, scores.size);
  for (let at = 0; at < data.length; at++) data[at] += share * told(scores.data[at], scale);
  return { size, data };
}

const told = (score: number, scale: number): number => Math.min(SUREST, Math.max(-SUREST, scale * score));

/** Some pixels of a reference. */
interface TaughtPixels {
  readonly terms: Float32Array;
  /** Whether each is labelled; and of which of four colours in a checkerboard of blocks. */
  readonly isObject: Uint8Array;
  readonly colour: Uint8Array;
  /** The segmenter's answer there. */
  readonly logits: Float32Array;
}

async function learn(
  references: readonly FurtherReference[],
  answerOf: (reference: LabelledReference) => Promise<FloatMap>,
): Promise<{ weights: Float64Array; numbers: Float64Array }> {
  const nothing = { weights: Float64Array.of(0), numbers: Float64Array.of(0, 0, 0, 0) };
  const taught: TaughtPixels[] = [];
  for (const { open } of references) {
    const reference = await open();
    const { pixels } = reference.image;
    if (pixels === undefined) return nothing;
    taught.push(taughtPixels(reference.mask, await pixels(MOST_PIXELS), await answerOf(reference)));
  }
  const parts = [0, 1, 2, 3].map(() => noPixelSums());
  for (const { terms, isObject, colour } of taught) {
    for (let row = 0; row < isObject.length; row++) addRow(parts[colour[row]], terms, row, isObject[row] === 1);
  }
  const classifier = fitPixels(parts);
  const labelled = parts.reduce((sum, { object }) => sum + object.count, 0);
  if (classifier === undefined || labelled < LEAST_TAUGHT) {
    return nothing;
  }
  const scores = heldOut(
    taught,
    parts.map((_, colour) => fitPixels(parts.filter((_, other) => other !== colour))),
  );
  const scale = 2 / rootMeanSquare(scores);
  const dices = SHARES.map((share) => mean(taught.map((one, which) => diceWith(one, scores[which], share, scale))));
  const gains = dices.map((dice, which) => dice - GAIN_PER_SHARE * SHARES[which] - (which > 0 ? LEAST_GAIN : 0));
  const best = gains.indexOf(Math.max(...gains));
  return {
    weights: Float64Array.from(classifier),
    numbers: Float64Array.of(SHARES[best], scale, dices[0], dices[best]),
  };
}

function taughtPixels(mask: Mask, picture: RgbPixels, answer: FloatMap): TaughtPixels {
  const features = pixelFeatures(picture);
  const { size } = features;
  const pixels = somePixels(size);
  const logitAt = bilinearSampler(answer, size);
  const isObject = new Uint8Array(pixels.length);
  const colour = new Uint8Array(pixels.length);
  const logits = new Float32Array(pixels.length);
  pixels.forEach((pixel, row) => {
    const x = pixel % size.width;
    const y = Math.floor(pixel / size.width);
    isObject[row] = labelAt(mask, x, y, size);
    colour[row] = (blockOf(y, size.height) % 2) * 2 + (blockOf(x, size.width) % 2);
    logits[row] = logitAt(x, y);
  });
  return { terms: termsOf(features, standardOf(features), pixels), isObject, colour, logits };
}

/** One in each of as many stretches of equal length, row by row, in an order that no pattern of the picture has. */
function somePixels(size: Size): Int32Array {
  const count = Math.min(area(size), MOST_TAUGHT);
  const random = seededRandom(2);
  return Int32Array.from({ length: count }, (_, k) => Math.floor(((k + random()) * area(size)) / count));
}

/** The label under the centre of a pixel of a frame of size `from`. */
function labelAt({ size, data }: Mask, x: number, y: number, from: Size): number {
  const row = Math.floor(((y + 0.5) * size.height) / from.height);
  return data[row * size.width + Math.floor(((x + 0.5) * size.width) / from.width)];
}

const blockOf = (at: number, length: number): number => Math.floor((at * BLOCKS) / length);

/** Scores of each reference's pixels, by the classifier that did not see those of their colour. */
function heldOut(taught: readonly TaughtPixels[], fits: readonly (PixelClassifier | undefined)[]): Float32Array[] {
  return taught.map(({ terms, colour }) => {
    const byColour = fits.map((fit) => (fit ? scoreRows(fit, terms) : new Float32Array(colour.length)));
    return Float32Array.from(colour, (which, row) => byColour[which][row]);
  });
}

function rootMeanSquare(all: readonly Float32Array[]): number {
  let squares = 0;
  let count = 0;
  for (const values of all) {
    for (const value of values) squares += value * value;
    count += values.length;
  }
  return Math.sqrt(squares / count) + 1e-6;
}

function diceWith({ isObject, logits }: TaughtPixels, scores: Float32Array, share: number, scale: number): number {
  let both = 0;
  let either = 0;
  for (let row = 0; row < scores.length; row++) {
    const drawn = logits[row] + share * told(scores[row], scale) > 0 ? 1 : 0;
    both += drawn & isObject[row];
    either += drawn + isObject[row];
  }
  return either > 0 ? (2 * both) / either : 1;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
