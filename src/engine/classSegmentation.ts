/** One image against the references of one or several classes. */
import type { Box } from '../core/geometry';
import { partInsteadOf } from '../core/pixels/plainBorder';
import { isWhole } from '../core/prompting/tiles';
import { placeSegmentation } from '../core/strategies/placed';
import { settleClasses } from '../core/strategies/settleClasses';
import { beliefIn, type EncodedImage, type Segmentation } from '../core/strategies/strategy';
import type { ClassesRequest, ImageInfo, SegmentResult } from '../protocol/engineApi';
import type { EncodedFile, EncodedFiles } from './images/encodedFiles';
import { imageOf, tiledImageOf } from './images/strategyImage';
import { readTileSource } from './images/tiledImage';
import { describeTiles, planOf, type Tiling } from './images/tiling';
import { wholePixelsAgain } from './images/wholePixels';
import type { EngineModels } from './models/engineModels';
import { openImage } from './pictures/imageFile';
import { disposeIfUnused, type PreparedReferences, type ReadyReference } from './preparedReferences';
import type { InferenceQueue } from './runtime/inferenceQueue';
import { stageRunner } from './runtime/stages';
import { restartClock } from './runtime/workClock';

/** An image that is to be segmented. */
interface Target {
  readonly info: ImageInfo;
  readonly notes: readonly string[];
  /** What a person should know of how it is seen. */
  readonly seen: readonly string[];
  readonly image: EncodedImage;
  /** What may be kept on disk; tiles are not. */
  readonly whole?: EncodedFile;
}

/** A part of it that is looked at in its place. */
interface SeenPart {
  /** In targetPx. */
  readonly box: Box;
  readonly image: EncodedImage;
}

export class ClassSegmentation {
  constructor(
    private readonly models: EngineModels,
    private readonly references: PreparedReferences,
    private readonly files: EncodedFiles,
    private readonly inference: InferenceQueue,
    private readonly pixelLimit: number,
  ) {}

  /** One result per class, in their order. */
  async segment(request: ClassesRequest, signal: AbortSignal): Promise<SegmentResult[]> {
    const { classes, ...shared } = request;
    const references: ReadyReference[] = [];
    try {
      for (const question of classes) {
        const reference = await this.references.get({ ...shared, ...question }, signal, classes.length);
        reference.users++;
        references.push(reference);
      }
      restartClock(request.image);
      return await this.segmentWith(references, request, signal);
    } finally {
      for (const reference of references) {
        reference.users--;
        await disposeIfUnused(reference);
      }
    }
  }

  private async segmentWith(
    references: readonly ReadyReference[],
    request: ClassesRequest,
    signal: AbortSignal,
  ): Promise<SegmentResult[]> {
    let started = performance.now();
    const times = references.map((): Record<string, number> => ({}));
    const degradations = new Set<string>();
    const targets = new Map<number, Target>();
    for (const { tiling } of references) {
      if (targets.has(tiling.view)) continue;
      targets.set(tiling.view, await this.segmentTarget(request, tiling, signal, times[0]!, degradations));
    }
    const parts = await this.seeParts(references, targets, request, signal, times[0]!, degradations);
    const pixelsOf = (info: ImageInfo) => (most: number) =>
      wholePixelsAgain(request.image, info, request, most, this.pixelLimit);
    const found = await this.inference.run(async () => {
      const each: Segmentation[] = [];
      for (const [index, { prepared, tiling }] of references.entries()) {
        const { image, info } = targets.get(tiling.view)!;
        const part = parts[index];
        const stages = stageRunner(signal, times[index]!);
        const one = await prepared.segment(part?.image ?? { ...image, pixels: pixelsOf(info) }, stages);
        each.push(part ? placeSegmentation(one, part.box, image.size) : one);
        times[index]!.total = performance.now() - started;
        started = performance.now();
      }
      if (each.length < 2) return each;
      const ids = request.classes.map(({ classId }) => classId);
      const last = times[times.length - 1]!;
      const settled = await stageRunner(signal, last).stage('compete', () => settleClasses(each, ids));
      last.total! += performance.now() - started;
      return settled;
    });
    // Beside the inference of the next image: what is kept is written, not waited for by others.
    if (found.some((one) => beliefIn(one) < (request.cacheBelow ?? 0))) {
      const { stage } = stageRunner(signal, times[0]!);
      for (const { whole } of targets.values()) {
        if (whole) await stage('keep', () => whole.keep('everything'));
      }
    }
    const { info, notes } = [...targets.values()][0]!;
    return found.map((one, index) => ({
      size: info.size,
      file: info.file,
      outcome: one.outcome,
      mask: one.mask,
      instances: one.instances,
      prompts: request.withDetails ? one.prompts : one.prompts.filter(({ reason }) => reason === 'kept'),
      iouPrediction: one.iouPrediction,
      ...(one.trust !== undefined && { trust: one.trust }),
      ...(one.trustParts && { trustParts: one.trustParts }),
      ...(request.withDetails && one.maskPrompt && { maskPrompt: one.maskPrompt }),
      ...(request.withDetails && one.answerPrior && { answerPrior: one.answerPrior }),
      notes: [...notes, ...targets.get(references[index]!.tiling.view)!.seen, ...one.notes, ...degradations],
      ...(notes.length > 0 && { imageNotes: notes }),
      times: { total: 0, ...times[index] },
    }));
  }

  /** For each reference the part of the image that is seen in place of the whole, if any. */
  private async seeParts(
    references: readonly ReadyReference[],
    targets: ReadonlyMap<number, Target>,
    request: ClassesRequest,
    signal: AbortSignal,
    times: Record<string, number>,
    degradations: Set<string>,
  ): Promise<(SeenPart | undefined)[]> {
    const runner = stageRunner(signal, times);
    const { segmenter } = await this.models.loaded();
    const parts: (SeenPart | undefined)[] = [];
    for (const { picture, tiling } of references) {
      const { whole } = targets.get(tiling.view)!;
      const rough = whole && partInsteadOf(whole.info.size, whole.picture, picture);
      const part = rough && (await this.files.part(request.image, request, picture, runner));
      parts.push(part && { box: part.box, image: imageOf(part, segmenter, runner, degradations) });
    }
    return parts;
  }

  /** The image of a request as strategies are to see it. */
  private async segmentTarget(
    request: ClassesRequest,
    tiling: Tiling,
    signal: AbortSignal,
    times: Record<string, number>,
    degradations: Set<string>,
  ): Promise<Target> {
    const runner = stageRunner(signal, times);
    const models = await this.models.loaded();
    const { encoder, segmenter } = models;
    if (tiling.view === 1) {
      // Who wants the details will ask about this image next; a batch never comes back to it.
      const whole = await this.files.target(request, request.withDetails === true, signal, times);
      if (isWhole(planOf(tiling, whole.info.size, encoder).plan)) {
        const image = imageOf(whole, segmenter, runner, degradations);
        return { info: whole.info, notes: whole.notes, seen: [], image, whole };
      }
    }
    const source = await runner.stage('read', async () => {
      const file = await openImage(request.image, this.pixelLimit, request.bands);
      return await readTileSource(file, request.window, planOf(tiling, file.info.size, encoder), segmenter);
    });
    const image = await this.inference.run(() => tiledImageOf(source, models, runner, degradations, signal));
    return { info: source.info, notes: source.notes, seen: describeTiles(source.plan), image };
  }
}
