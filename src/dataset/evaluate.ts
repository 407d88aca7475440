/**
 * How good the masks are, where masks are known: each of some references labels the other images of a set, and the
 * results are compared with the set's own masks. Nothing is written.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { MaskManner, MaskQuestion } from '../core/maskFiles/maskReading';
import { LARGEST_CLASS_ID } from '../core/pixels/labelMap';
import { fromRuns } from '../core/pixels/mask';
import { boundaryF, dice, iou } from '../core/pixels/maskMetrics';
import type { StrategyId } from '../core/strategies';
import type { StrategyParameters } from '../core/strategies/strategy';
import { NoEngineError, UserError } from '../core/userError';
import { explainReadError, isAbsence } from '../disk/storageError';
import type {
  ReferenceMask,
  ReferenceMaskRequest,
  ReferenceSpec,
  SegmentRequest,
  SegmentResult,
} from '../protocol/engineApi';
import { absolutePath, scanFolder, statOf } from './files/folder';
import { imageFailure } from './files/imageFailure';
import { resolveMaskFolder } from './files/maskFolder';
import { MaskLocator } from './files/maskLocator';
import { spread } from './files/spread';
import { JournalView } from './journal/journalView';

/** An image whose mask is known. Both paths are absolute. */
export interface LabelledImage {
  /** Posix path relative to the set's folder. */
  readonly name: string;
  readonly image: string;
  readonly mask: string;
}

export interface ImageScore {
  readonly reference: LabelledImage;
  readonly target: LabelledImage;
  readonly dice: number;
  readonly iou: number;
  /** Boundary F-score at DAVIS's tolerance. */
  readonly boundaryF: number;
  readonly result: SegmentResult;
}

export interface FailedImage {
  readonly reference: LabelledImage;
  readonly target: LabelledImage;
  /** One sentence. */
  readonly message: string;
}

export interface EvaluationOptions {
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  readonly classId: number;
  /** Whether a person has named the class: then values are class ids, and else what they look like. */
  readonly isNamed?: boolean;
  /** Which values are the object, where a person says so. */
  readonly manner?: MaskManner | undefined;
  /** Further references that vote with the first one; no targets either. */
  readonly moreReferences?: readonly LabelledImage[];
  /** Most targets per reference, spread evenly over the set; all others where undefined. */
  readonly targets?: number;
  readonly signal?: AbortSignal;
  /** Called for each image as it is done, in no fixed order. */
  readonly onScore?: (score: ImageScore) => void | Promise<void>;
  /** What a person should know of how masks were read; each is told once. */
  readonly onNote?: (note: string) => void;
}

/** What an evaluation needs of the engines. */
export interface EvaluationEngine {
  /** Calls that are worth having under way at the same time. */
  readonly lanes: number;
  segment(request: SegmentRequest, options?: { signal?: AbortSignal }): Promise<SegmentResult>;
  readReference(params: ReferenceMaskRequest): Promise<ReferenceMask>;
}

/**
 * The images of `folder` (with or without an `images` folder) that have a mask in its mask folder, or else a single one
 * beside them (such as `x_mask.png` beside `x.png`), by name.
 */
export async function labelledImages(folder: string, maskFolder = 'masks'): Promise<LabelledImage[]> {
  const root = path.resolve(folder);
  await statOf(root);
  const masks = resolveMaskFolder(root, maskFolder);
  const { images, masks: among } = await scanFolder(root, { maskFolder: masks });
  const locator = new MaskLocator(root, masks, await JournalView.read(root));
  const beside = new Map<string, string | null>();
  // Nobody can tell which of several is meant.
  for (const { image, mask } of among) beside.set(image, beside.has(image) ? null : mask);
  const found: LabelledImage[] = [];
  for (const name of images) {
    const mask = await locator.locate(name);
    const image = absolutePath(root, name);
    const other = beside.get(name);
    if (await isThere(mask)) found.push({ name, image, mask });
    else if (other) found.push({ name, image, mask: absolutePath(root, other) });
  }
  if (found.length < 2) {
    throw new UserError(
      `${root} holds ${found.length} images with masks in ${masks}; expected at least two: a reference and a target.`,
    );
  }
  return found;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw explainReadError(error, path);
  }
}

/** Every value is a class id. */
const ALL_CLASSES = Array.from({ length: LARGEST_CLASS_ID }, (_, i) => i + 1);

/** How the masks of a set are read: as its reference was, since one tool wrote them all. */
function questionOf({ classId, isNamed = false, manner }: EvaluationOptions, first?: ReferenceMask): MaskQuestion {
  const found = first?.manner === 'one value' ? undefined : first?.manner;
  const isDark = first === undefined ? undefined : first.manner === 'dark';
  const known = manner ?? found;
  return {
    classId,
    classIds: isNamed ? ALL_CLASSES : [],
    ...(known && { manner: known }),
    ...(isDark === false && { onWhite: false }),
  };
}

/**
 * Labels the other images of `set` from `reference` and scores them. Failures of single images are collected; a
 * reference that cannot be used is the only one. Both are in the order of the set.
 */
export async function evaluateReference(
  set: readonly LabelledImage[],
  reference: LabelledImage,
  engine: EvaluationEngine,
  options: EvaluationOptions,
): Promise<{ scores: ImageScore[]; failures: FailedImage[] }> {
  const { moreReferences = [] } = options;
  const read = async ({ image, mask }: LabelledImage, question: MaskQuestion) => {
    const found = await engine.readReference({ image, mask, ...question });
    for (const note of found.notes) options.onNote?.(`${path.basename(mask)}: ${note}`);
    return found;
  };
  const specs: ReferenceSpec[] = [];
  let question = questionOf(options);
  try {
    for (const one of [reference, ...moreReferences]) {
      const found = await read(one, question);
      specs.push({ image: one.image, mask: found.mask });
      question = questionOf(options, found);
    }
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof NoEngineError) throw error;
    return { scores: [], failures: [{ reference, target: reference, message: error.message }] };
  }
  const others = set.filter((image) => image !== reference && !moreReferences.includes(image));
  const targets = spread(others, options.targets ?? others.length);
  const scores: ImageScore[] = [];
  const failures: FailedImage[] = [];
  const queue = targets.entries();
  const lane = async () => {
    for (const [, target] of queue) {
      try {
        const score = await scoreTarget(reference, specs, target, engine, options, await read(target, question));
        scores.push(score);
        await options.onScore?.(score);
      } catch (error) {
        if (!(error instanceof UserError) || error instanceof NoEngineError) throw error;
        failures.push({ reference, target, message: error.message });
      }
    }
  };
  await Promise.all(Array.from({ length: engine.lanes }, lane));
  const order = new Map(targets.map((target, index) => [target, index]));
  const bySet = (a: ImageScore | FailedImage, b: ImageScore | FailedImage) =>
    order.get(a.target)! - order.get(b.target)!;
  scores.sort(bySet);
  failures.sort(bySet);
  return { scores, failures };
}

async function scoreTarget(
  reference: LabelledImage,
  [first, ...others]: readonly ReferenceSpec[],
  target: LabelledImage,
  engine: EvaluationEngine,
  { strategy, parameters, signal }: EvaluationOptions,
  known: ReferenceMask,
): Promise<ImageScore> {
  const request: SegmentRequest = {
    image: target.image,
    reference: first,
    ...(others.length > 0 && { moreReferences: others }),
    strategy,
    parameters,
  };
  const result = await engine.segment(request, signal ? { signal } : {}).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw imageFailure(target.image, error);
  });
  const truth = fromRuns(known.mask);
  const drawn = fromRuns(result.mask);
  return {
    reference,
    target,
    dice: dice(drawn, truth),
    iou: iou(drawn, truth),
    boundaryF: boundaryF(drawn, truth),
    result,
  };
}

interface Summary {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  /** Sample standard deviation; 0 for fewer than two values. */
  readonly deviation: number;
}

export function summarise(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  if (count === 0) return { count, mean: Number.NaN, median: Number.NaN, deviation: Number.NaN };
  const mean = sorted.reduce((sum, value) => sum + value, 0) / count;
  const median = (sorted[Math.floor((count - 1) / 2)] + sorted[Math.ceil((count - 1) / 2)]) / 2;
  const squares = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count, mean, median, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : 0 };
}
