/** What `ap-medsam` keeps of a reference once its tokens are gone: by its content alone, whatever the others are. */
import type { Box, Size } from '../../geometry';
import { centroid, cropMask, type Mask, mirrorMask } from '../../pixels/mask';
import { type MaskExtent, maskExtent } from '../../pixels/maskExtent';
import { countObjects } from '../../pixels/specks';
import type { LabelledTokens } from '../../tokens/foregroundPrior';
import { expectedObjectSize, meanObjectSize, supportPatches } from '../../tokens/supportMask';
import { type TeachingSums, teachingSums } from '../../tokens/teachingSums';
import type { EncodedImage, FurtherReference, ImageVariant, LabelledReference, PreparationRunner } from '../strategy';

/** Says that remembered values were computed this way; to be raised with any change below or in what it calls. */
const REVISION = 'lesson-2';

/** The size of any image, where lengths are shares of its long side. */
const UNIT: Size = { width: 1, height: 1 };

/** What a support mask shows. */
export interface ShownObject {
  /** Mean diameter of its objects, as a share of the image's long side. */
  readonly size: number;
  readonly extent: MaskExtent;
  /** How many there are; of several references, the mean: 1 only where each of them shows one. */
  readonly objects: number;
}

/** A reference, in numbers. */
interface Lesson {
  readonly sums: TeachingSums;
  readonly shown: ShownObject;
}

/**
 * What a reference teaches, and, where asked for, what four changed copies of it do.
 *
 * @param which its place among the references
 */
export async function lessonOf(
  reference: FurtherReference,
  which: number,
  runner: PreparationRunner,
  withCopies: boolean,
): Promise<Lesson> {
  const revision = withCopies ? REVISION : `${REVISION}, no copies`;
  const learn = async () => {
    const { image, mask } = await reference.open();
    const { dim, data } = await learnFrom({ image, mask }, runner, withCopies);
    const { area, border } = maskExtent([mask]);
    const size = expectedObjectSize(meanObjectSize(mask), mask.size, UNIT);
    return { sums: data, numbers: Float64Array.of(dim, size, area, border, countObjects(mask)) };
  };
  const { sums, numbers } = await runner.remember(revision, learn, which);
  const [dim, size, area, border, objects] = numbers;
  return { sums: { dim, data: sums }, shown: { size, extent: { area, border }, objects } };
}

async function learnFrom(
  { image, mask }: LabelledReference,
  runner: PreparationRunner,
  withCopies: boolean,
): Promise<TeachingSums> {
  const samples = [labelled(image, image.tokens, mask)];
  for (const change of withCopies ? changesOf(mask) : []) {
    const tokens = await runner.stage('encode copies', () => image.variant(change));
    samples.push(labelled(image, tokens, changedMask(mask, change)));
  }
  return await runner.stage('fit prior', () => teachingSums(samples));
}

/** Throws UserError when no pixel is labelled. */
export function labelled(
  { tokens: { grid } }: EncodedImage,
  tokens: EncodedImage['tokens'],
  mask: Mask,
): LabelledTokens {
  return { tokens, coverage: supportPatches(mask, grid).coverage };
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
